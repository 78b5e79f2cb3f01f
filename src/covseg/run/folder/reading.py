"""A run folder, read again; it may have come by mail."""

import contextlib
import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from covseg.config.evaluate import Evaluate
from covseg.config.node import Node
from covseg.config.train import Train
from covseg.errors import ConfigError, RunError, setting
from covseg.run.folder.yaml_file import YamlFile
from covseg.validation import check

_BYTES = 10_000_000  # a summary of both targets has twenty thousand
WHOLE = "copy the run folder again, as a whole"


def read_run(run: Path) -> Train:
    """The configuration of a training run, every ``_target_`` in it checked, used or not.

    Raises:
        RunError: no such folder, or no configuration in it that can be read.
        ConfigError: it is not a configuration of this covseg, or asks for a foreign ``_target_``.
    """
    path = run / "config.yaml"
    try:
        if not path.exists():
            raise _no_run(run)
        found = YamlFile.read(path).values
    except OSError as error:
        raise RunError(path, f"cannot be read ({error.strerror})", WHOLE) from error
    except ConfigError as error:
        where, cause, remedy = error.args
        raise RunError(where, cause, f"{remedy}, or {WHOLE}") from error
    if "protocol" not in found and "run" in found:
        raise RunError(run, "is the folder of an evaluation", f"say {setting('run', found['run'])}")
    if "protocol" not in found:
        raise RunError(path, "is not that of a training run", "name a folder below outputs/train/")
    with own_words(run):
        return check(Train, found)


@contextlib.contextmanager
def own_words(run: Path) -> Iterator[None]:
    """Say of a refused key that it stands in the run folder, and which covseg wrote it.

    Raises:
        ConfigError: the same, with the file, both versions, and where a key lives now.
    """
    try:
        yield
    except ConfigError as error:
        key, cause, remedy = map(str, error.args)
        if isinstance(error.__cause__, ValidationError):
            if moved := _moved(error.__cause__):
                (key, home), cause = moved, "is not a key of covseg"
                remedy = f"it is {home} now, so write it there"
            elif error.__cause__.errors()[0]["type"] == "missing":
                remedy = f"write its value there, or {WHOLE}"
        place = f"{key} in {run / 'config.yaml'}"
        wrote, reads = _written_by(run), version("covseg")
        if wrote not in {None, reads}:
            place += f" (written by covseg {wrote}, read by {reads})"
        raise ConfigError(place, cause, remedy) from error


def _moved(error: ValidationError) -> tuple[str, str] | None:
    """An unknown key with its value, and the one key of this covseg that has its last name."""
    for part in error.errors():
        if part["type"] == "extra_forbidden":
            *_, last = place = [str(name) for name in part["loc"]]
            homes = [key for key in _keys(Train, "") if key.rpartition(".")[2] == last]
            if len(homes) == 1:
                return setting(".".join(place), part["input"]), homes[0]
    return None


def _keys(schema: type[Node], above: str) -> Iterator[str]:
    for name, field in schema.model_fields.items():
        key = f"{above}{field.alias or name}"
        yield key
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, Node):
                yield from _keys(kind, f"{key}.")


def _written_by(run: Path) -> str | None:
    try:
        found = str(read_json(run / "provenance.json")["versions"]["covseg"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return found if re.fullmatch(r"[\w.+!-]{1,40}", found) else None


def read_json(path: Path) -> Any:
    """What a JSON file of a run folder holds.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not JSON, or far larger than any that covseg writes.
    """
    with path.open("rb") as file:
        content = file.read(_BYTES + 1)
    if len(content) > _BYTES:
        raise ValueError("too large")
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _no_run(run: Path) -> RunError:
    """What is said of a place without ``config.yaml``, with the run that is meant where one is."""
    for above in (run.parent, run.parent.parent):
        if (above / "config.yaml").is_file() and (above / "checkpoints").is_dir():
            return RunError(run, "is a part of a run", f"name the run folder itself, {above}")
    if not run.exists():
        return RunError(run, "is not there", "name a run folder, such as outputs/train/<date_time>")
    if not run.is_dir():
        return RunError(run, "is a file", "name a run folder, such as outputs/train/<date_time>")
    if (run / "checkpoints").is_dir():
        return RunError(run / "config.yaml", "is missing", WHOLE)
    if inside := sorted(run.glob("*/config.yaml")):
        return RunError(run, "holds runs and is none", f"name one of them, e.g. {inside[0].parent}")
    return RunError(
        run, "is not a run folder, for it has no config.yaml", "name a folder below outputs/train/"
    )


def checkpoint_of(run: Path, name: str) -> Path:
    """The file of a checkpoint.

    Args:
        run: the run folder.
        name: ``best`` or ``last``.

    Raises:
        RunError: the run has no such checkpoint.
    """
    path = run / "checkpoints" / f"{name}.ckpt"
    if path.exists():
        return path
    for other in ("last", "best"):
        if path.with_stem(other).exists():
            raise RunError(path, f"is not there, but {other}.ckpt is", f"say checkpoint={other}")
    raise RunError(
        run,
        "has no checkpoint, as if it was stopped in its first epoch",
        f"name another run, or {WHOLE}",
    )


def reported_checkpoint(run: Path) -> Path:
    """The checkpoint whose scores a training run reported.

    Raises:
        RunError: the run has not got that far.
    """
    name = read_run(run).protocol.checkpoint
    path = run / "checkpoints" / f"{name}.ckpt"
    if not path.exists():
        raise RunError(path, "is missing", f"name a run that was finished, or {WHOLE}")
    return path


def config_as_changed(config: Evaluate) -> Train:
    """The run's configuration with everything replaced that ``config`` names.

    Raises:
        RunError: the run folder, or the checkpoint in it that is asked for, cannot be used.
        ConfigError: a key cannot be what it is, there or here.
    """
    run = Path(config.run)
    values = read_run(run).model_dump(by_alias=True)
    changes = config.data.model_dump(exclude_none=True)
    if "name" in changes:  # another dataset: nothing of the old one's place stays
        values["data"] |= {"root": None, "phantom": None}
    values["data"] |= changes
    values["trainer"] |= {k: v for k, v in config.trainer.items() if v is not None}
    for key in ("checkpoint", "threshold", "detection_min_pixels"):
        if getattr(config, key) is not None:
            values["protocol"][key] = getattr(config, key)
    changed = check(Train, values)
    if config.split is not None and changed.protocol.folds:
        raise ConfigError(
            f"split={config.split}",
            f"was partly fitted on by {run}, which has protocol=kfold",
            "leave it out",
        )
    checkpoint_of(run, changed.protocol.checkpoint)
    return changed
