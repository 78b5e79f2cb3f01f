"""``resume=<run folder>`` and ``resume=auto``: which run goes on, and what may be different now."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from covseg.config.train import Train
from covseg.errors import ConfigError, RunError, setting
from covseg.run.folder.reading import read_json, read_run

# what may differ without another result: where things lie, and what is only looked at
_FREE = {
    *("data.root", "data.cache_dir", "data.download", "data.num_workers"),
    *("trainer.enable_progress_bar", "trainer.log_every_n_steps", "trainer.profiler"),
    *("trainer.enable_model_summary", "callbacks.pictures"),
    *("callbacks.checkpoint_every_n_steps", "trainer.max_time", "resume"),
    *("logger", "name", "tags"),
}
_SAME_DATA = _FREE - {"data.root", "data.download"}  # another place may hold other data
_LONGER = "trainer.max_epochs"
_BY_LENGTH = ("cosine", "one_cycle")  # schedules that were planned for the length of the run


def values_to_resume(run: Path, asked_for: Train, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration of a run that goes on: its own, with what may be changed by overrides.

    Args:
        run: the run folder.
        asked_for: the configuration that the command line makes without the run.
        overrides: of the command line.

    Raises:
        RunError: no run folder.
        ConfigError: an override that would change the result.
    """
    own = read_run(run)
    kept, values = own.model_dump(by_alias=True), asked_for.model_dump(by_alias=True)
    asked = [override.lstrip("+~").partition("=")[0] for override in overrides]
    for key, before, now in _differences(kept, values):
        named = [a for a in asked if f"{key}.".startswith(f"{a}.") or a == "experiment"]
        if not named or key == "resume":
            continue
        if key == _LONGER:
            _check_longer(own, now)
        elif not _in(key, _FREE):
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
    return kept


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
        if not _in(key, _FREE):
            yield key, value_before, value_now


def find(asked_for: Train, folders: Sequence[Path], besides: Sequence[Path]) -> Path | None:
    """The newest run of a configuration that is not finished; if all are, the newest.

    Args:
        asked_for: the configuration; what has no part in the result may be different.
        folders: that hold run folders.
        besides: run folders that are not meant.
    """
    found, values = [], asked_for.model_dump(by_alias=True)
    for path in {path for folder in folders for path in folder.glob("*/config.yaml")}:
        if path.parent in besides:
            continue
        with contextlib.suppress(ConfigError, RunError):  # somebody else's, or an older covseg's
            kept = read_run(path.parent).model_dump(by_alias=True)
            if all(_in(key, _SAME_DATA) for key, _, _ in _differences(kept, values)):
                age = (not finished(path.parent), path.stat().st_mtime_ns)
                found.append((*age, path.parent))
    return max(found)[-1] if found else None


def nothing_left(run: Path, kept: Mapping[str, Any]) -> bool:
    """Whether a run was fitted to its end and scored, and is asked for no more than that."""
    epochs = read_run(run).trainer.max_epochs
    return finished(run) and bool(kept["trainer"]["max_epochs"] == epochs)


def reopen(run: Path) -> None:
    """Take back that a run is finished, before its configuration asks for more."""
    if finished(run):
        from covseg.run.folder.history import Notes  # which brings torch in, behind every refusal

        Notes(run).write(finished=None)


def objective(run: Path) -> float | None:
    """Of a finished run: what a search minimises."""
    try:
        found = read_json(run / "summary.json")["objective"]
        return None if found is None else float(found["value"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def same_result(config: Train) -> str:
    """What two runs have in common that give the same result but for their fold."""
    values = config.model_dump(by_alias=True)
    for key in (*_FREE, "data.fold"):
        above, _, last = key.rpartition(".")
        (values[above] if above else values).pop(last, None)
    return json.dumps(values, sort_keys=True)


def finished(run: Path) -> bool:
    """Whether a run was fitted to its end and scored."""
    try:
        return bool(read_json(run / "provenance.json")["finished"])
    except (OSError, ValueError, LookupError, TypeError):
        return False


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


def _differences(kept: Any, values: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every key whose value differs: dotted, in the run, and as asked for now."""
    if isinstance(kept, Mapping) and isinstance(values, Mapping):
        for name in dict.fromkeys([*kept, *values]):
            below = f"{path}.{name}" if path else str(name)
            yield from _differences(kept.get(name), values.get(name), below)
    elif kept != values:
        yield path, kept, values
