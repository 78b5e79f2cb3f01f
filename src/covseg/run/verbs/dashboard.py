"""Make the workspace and the report of a W&B project, and keep their specification."""

import json
from pathlib import Path
from typing import Any

import wandb

from covseg.config.dashboard import Dashboard
from covseg.errors import ConfigError, CovsegError, reason_of, setting
from covseg.files import write_whole
from covseg.report.table import show

_OFFLINE = "me"  # who the specification is for where nobody is asked


def make_dashboard(config: Dashboard, out: Path) -> None:
    """Write ``workspace.json``; apply it, and write and apply ``report.json``.

    Raises:
        ConfigError: the extra is not installed, or W&B refuses.
    """
    try:
        from covseg.report.workspace import Place, report, workspace
    except ImportError as error:
        raise ConfigError(
            "covseg.dashboard",
            f"cannot start ({reason_of(error)})",
            "pip install 'covseg[dashboard]'",
        ) from error
    wandb.setup(wandb.Settings(show_info=False))  # the addresses stand at the end
    try:
        entity = config.entity or (_default_entity() if config.upload else _OFFLINE)
        above = "/".join(filter(None, (config.split, config.target)))
        place = Place(entity, config.project, above, config.keys)
        made: dict[str, Any] = {"workspace": workspace(place)}
        if config.upload:  # a report asks W&B for the number of the project
            made["report"] = report(place)
        for name, part in made.items():
            _write(part, out / f"{name}.json")
        if config.upload:
            for part in made.values():
                part.save()
    except CovsegError:
        raise
    except Exception as error:  # of any kind: wandb's, its HTTP client's, pydantic's
        raise ConfigError(
            setting("project", config.project),
            f"cannot be changed on W&B ({reason_of(error)})",
            "wandb login, or set upload=false to only write the specification",
        ) from error
    places = [f"{name}: {part.url}" for name, part in made.items()] if config.upload else []
    show(None, "\n".join([*places, f"specification: {out}"]))


def _default_entity() -> str:
    entity = wandb.Api().default_entity
    if not entity:
        raise ValueError("the key has no default entity: set entity=<user or team>")
    return str(entity)


def _write(part: Any, path: Path) -> None:
    specification = part._to_model().model_dump(mode="json", by_alias=True, exclude_none=True)
    write_whole(path, json.dumps(specification, indent=1) + "\n")
