"""``resume=<run folder>`` and ``resume=auto``: which run is resumed, and what may differ now."""

import contextlib
import json
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

from covseg.config.conf import flatten
from covseg.config.train import Train
from covseg.errors import ConfigError, RunError, setting
from covseg.run.folder.run_folder import RunFolder
from covseg.validation import check

# keys that do not change the result: where files are, and what is only for the reader
FREE = {
    *("data.root", "data.cache_dir", "data.download", "data.num_workers"),
    *("trainer.enable_progress_bar", "trainer.log_every_n_steps", "trainer.profiler"),
    *("trainer.enable_model_summary", "callbacks.pictures"),
    *("callbacks.checkpoint_every_n_steps", "trainer.max_time", "resume"),
    *("logger", "name", "tags", "trust"),
}
_SAME_DATA = FREE - {"data.root", "data.download"}  # another place may hold other data
_LONGER = "trainer.max_epochs"
_OPEN = ("trainer.precision", "auto")
_BY_LENGTH = ("cosine", "one_cycle")  # schedules that were planned for the length of the run


def config_to_resume(run: RunFolder, asked_for: Train, overrides: Sequence[str]) -> Train:
    """The configuration of a resumed run: its own, with what may be changed by overrides.

    Args:
        run: its folder.
        asked_for: the configuration that the command line makes without the run.
        overrides: of the command line.

    Raises:
        RunError: no run folder.
        ConfigError: an override that would change the result.
    """
    kept, values = run.config.model_dump(by_alias=True), asked_for.model_dump(by_alias=True)
    asked = [override.lstrip("+~").partition("=")[0] for override in overrides]
    for key, before, now in _differences(kept, values):
        named = [a for a in asked if f"{key}.".startswith(f"{a}.") or a == "experiment"]
        if not named or key == "resume":
            continue
        if key == _LONGER:
            _check_longer(run.config, now)
        elif not _in(key, FREE):
            raise ConfigError(
                setting(key, now),
                f"would change the result of {run}, which has {setting(key, before)}",
                "leave it out, or start another run without resume",
            )
        if key.startswith("logger."):  # one logger takes the place of another, with all its keys
            kept["logger"] = values["logger"]
            continue
        *above, last = key.split(".")
        node = kept
        for name in above:
            node = node.setdefault(name, {})
        node[last] = now
    return check(Train, kept, run.config.trust)


def changes(before: Train, now: Train) -> Iterator[tuple[str, Any, Any]]:
    """What differs between two configurations of one run and changes its result.

    Yields:
        the key, its value before, and its value now. More epochs are no change where a run may be
        prolonged.
    """
    old, new = before.model_dump(by_alias=True), now.model_dump(by_alias=True)
    for key, value_before, value_now in _differences(old, new):
        if key == _LONGER:
            with contextlib.suppress(ConfigError):
                _check_longer(before, value_now)
                continue
        if not _in(key, FREE):
            yield key, value_before, value_now


def find(asked_for: Train, folders: Sequence[Path], taken: Sequence[Path]) -> Path | None:
    """The newest run of a configuration that is not finished; if all are, the newest.

    Args:
        asked_for: the configuration; what does not change the result may differ.
        folders: that hold run folders.
        taken: run folders to pass over.
    """
    runs, values = [], asked_for.model_dump(by_alias=True)
    for path in {path for folder in folders for path in folder.glob("*/config.yaml")}:
        if path.parent in taken:
            continue
        run = RunFolder(path.parent, asked_for.trust)
        with contextlib.suppress(ConfigError, RunError):  # another program's, or an older covseg's
            kept = run.config.model_dump(by_alias=True)
            if all(_in(key, _SAME_DATA) for key, _, _ in _differences(kept, values)):
                runs.append((not run.finished, path.stat().st_mtime_ns, run.path))
    return max(runs)[-1] if runs else None


def nothing_left(run: RunFolder, kept: Train) -> bool:
    """Whether a run was fitted to its end and scored, and is asked for no more than that."""
    return run.finished and kept.trainer.max_epochs == run.config.trainer.max_epochs


def same_result(config: Train) -> str:
    """What two runs have in common that give the same result but for their fold."""
    values = config.model_dump(by_alias=True)
    for key in (*FREE, "data.fold"):
        above, _, last = key.rpartition(".")
        (values[above] if above else values).pop(last, None)
    return json.dumps(values, sort_keys=True)


def _in(key: str, keys: Set[str]) -> bool:
    """Whether a key is one of these, or below one."""
    return any(f"{key}.".startswith(f"{one}.") for one in keys)


def _check_longer(own: Train, now: Any) -> None:
    before = own.trainer.max_epochs
    planned = own.scheduler is not None and own.scheduler.target.endswith(_BY_LENGTH)
    if planned or before in {None, -1} or now is None or (now != -1 and now < before):
        reason = "was planned for by the schedule" if planned else "has been fitted for already"
        raise ConfigError(
            setting(_LONGER, now),
            f"cannot take the place of {before}, which {reason}",
            "leave it out, or start another run without resume",
        )


def _differences(kept: Any, values: Any) -> Iterator[tuple[str, Any, Any]]:
    """Every key whose value differs: dotted, in the run, and as asked for now.

    ``trainer.precision=auto`` is what the run has, which may have begun on another machine.
    """
    before, now = flatten(kept), flatten(values)
    for key in dict.fromkeys([*before, *now]):
        value_before, value_now = (None if v == {} else v for v in (before.get(key), now.get(key)))
        if value_before != value_now and (key, value_now) != _OPEN:
            yield key, value_before, value_now
