"""A run folder, read again."""

from pathlib import Path

import yaml

from covseg.config import Evaluate, Train
from covseg.errors import RunError
from covseg.validation import check


def read_run(run: Path) -> Train:
    """The configuration of a training run, every ``_target_`` in it checked, used or not.

    Raises:
        RunError: no such folder, or no configuration in it.
        ConfigError: it is not a configuration of this covseg, or asks for a foreign ``_target_``.
    """
    path = run / "config.yaml"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(
            f"run={run}",
            f"is not a run folder (config.yaml: {error.strerror})",
            "name a folder below outputs/train/",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RunError(path, "is not readable YAML", "copy the run folder again") from error
    if not isinstance(found, dict) or "protocol" not in found:
        raise RunError(path, "is not that of a training run", "name a folder below outputs/train/")
    return check(Train, found)


def reported_checkpoint(run: Path) -> Path:
    """The checkpoint whose scores a training run reported."""
    return run / "checkpoints" / f"{read_run(run).protocol.checkpoint}.ckpt"


def config_as_changed(config: Evaluate) -> Train:
    """The run's configuration with everything replaced that ``config`` names."""
    values = read_run(Path(config.run)).model_dump(by_alias=True)
    changes = {key: value for key, value in config.data.items() if value is not None}
    if "name" in changes:  # another dataset: nothing of the old one's place stays
        values["data"] |= {"root": None, "phantom": None}
    values["data"] |= changes
    values["trainer"] |= {k: v for k, v in config.trainer.items() if v is not None}
    for key in ("checkpoint", "threshold", "detection_min_pixels"):
        if getattr(config, key) is not None:
            values["protocol"][key] = getattr(config, key)
    return check(Train, values)
