"""CRC-32 of files, kept between starts: a dataset is not read whole each time to know it again.

A file is read again if its size, one of its times or its inode is another than before; the time of
its last change of any kind, which no program can set, is among them.
"""

import contextlib
import json
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from filelock import FileLock

from covseg.data.threads import mapped
from covseg.errors import RunError
from covseg.files import write_whole

_COARSEST = 2  # seconds that a file system's clock may be coarse by, so that a change is not seen
Kept = dict[str, list[int]]  # by name: CRC, then the state of the file


def kept_crcs(
    cache_dir: str | Path | None, base: Path, names: Sequence[str], read: Callable[[str], bytes]
) -> Mapping[str, int]:
    """CRC-32 of files.

    Args:
        cache_dir: the folder in which they are kept; None to read every file.
        base: the folder that the names are relative to.
        names: of the files.
        read: the bytes of one, from several threads.
    """
    if cache_dir is None or not names:
        return _computed(names, read)
    key = blake2b(str(base.resolve()).encode(), digest_size=8).hexdigest()
    file = Path(cache_dir).expanduser() / f"crcs-{key}.json"
    states = {name: _state(base / name) for name in names}
    with _alone(file):
        kept = _load(file)
        crcs = {
            name: kept[name][0]
            for name in names
            if states[name] and kept.get(name, [])[1:] == states[name]
        }
        if unread := [name for name in names if name not in crcs]:
            crcs |= _computed(unread, read)
            new = {name: [crcs[name], *states[name]] for name in unread if _is_old(states[name])}
            if new:
                with contextlib.suppress(RunError):
                    write_whole(file, json.dumps(kept | new))
    return crcs


def _computed(names: Sequence[str], read: Callable[[str], bytes]) -> dict[str, int]:
    crcs = mapped(lambda name: zlib.crc32(read(name)), names, "reading", threads=4)
    return dict(zip(names, crcs, strict=True))


def _state(path: Path) -> list[int]:
    """Size, times and inode; empty for a file that is not there, which ``read`` will refuse."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _is_old(state: list[int]) -> bool:
    """Whether a change while the file was read would have another time."""
    return bool(state) and max(state[1:3]) < time.time_ns() - _COARSEST * 10**9


def _load(file: Path) -> Kept:
    """What was kept; nothing if it is damaged."""
    try:
        kept = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """One process reads, and the others then find what it has kept, if it can keep anything."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(file.with_suffix(".lock")))
        yield
