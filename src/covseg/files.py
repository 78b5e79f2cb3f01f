"""Files that are written atomically."""

import contextlib
import os
from pathlib import Path

from covseg.errors import RunError


def write_whole(path: Path, content: str | bytes | memoryview) -> None:
    """Write a file of a run folder atomically: a reader sees the old content or the new one.

    Raises:
        RunError: it cannot be written; what was there before is untouched.
    """
    data = content.encode() if isinstance(content, str) else content
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(
            path,
            f"cannot be written ({error.strerror})",
            "make room there, or set hydra.run.dir to another folder",
        ) from error
