"""From the command line to the work of a verb: compose, check, make the run folder, go.

The configuration is checked before Hydra makes a folder and before torch is imported. With more
than one process the one that Hydra runs never becomes a rank (see ``launch``).
"""

import contextlib
import logging
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from covseg.config import Node, Trainer
from covseg.errors import ConfigError, CovsegError, RunError
from covseg.run import logs
from covseg.run.compose import CONF, composed, jobs, plain
from covseg.validation import check

log = logging.getLogger(__name__)

_REFUSED = 1  # exit code


@dataclass(frozen=True)
class Verb:
    """What a verb hands to the engine, which therefore imports no verb.

    Attributes:
        name: ``train`` for ``covseg.train``.
        schema: of its configuration.
        trainer_settings: configuration -> the Trainer's arguments: how many processes there are.
        work: (configuration, run folder) -> objective; called in every process.
    """

    name: str
    schema: type[Node]
    trainer_settings: Callable[[Any], Trainer]
    work: Callable[[Any, Path], float | None]

    def read_config(self, out: Path) -> Node:
        """The checked configuration of a run folder."""
        text = (out / "config.yaml").read_text(encoding="utf-8")
        return check(self.schema, yaml.safe_load(text))


def main(verb: Verb) -> None:
    """Run a verb of the command line; a refusal is one sentence and exit code 1."""
    traceback_wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then hands errors through, and we word them
    command = ["python", "-m", f"covseg.{verb.name}", *sys.argv[1:]]
    os.environ["COVSEG_COMMAND"] = shlex.join(command)
    try:
        _check_command_line(verb)
        _hydra_main(verb)
    except CovsegError as error:
        if traceback_wanted:
            raise
        print(error.sentence, file=sys.stderr)
        sys.exit(_REFUSED)


def _check_command_line(verb: Verb) -> None:
    """Refuse every job of the command line that cannot be, before the first one starts."""
    arguments = get_args_parser().parse_args()
    if arguments.help or arguments.hydra_help or arguments.info or arguments.cfg:
        return
    wanted = jobs(arguments.overrides) if arguments.multirun else [arguments.overrides]
    own = arguments.config_dir  # presets of the user's own
    more = [f"hydra.searchpath=[file://{Path(own).absolute()}]"] if own else []
    for overrides in wanted:
        check(verb.schema, composed(verb.name, [*overrides, *more]))


def _hydra_main(verb: Verb) -> None:
    started: list[str] = []
    refusals: list[CovsegError] = []

    def task(config: DictConfig) -> float | None:
        started.append(verb.name)
        try:
            return _job(verb, config)
        except CovsegError as error:
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                raise  # Hydra runs the other jobs, then hands it on
            refusals.append(error)  # past Hydra, which would print a line of its own
            return None

    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=verb.name)(task)()
    except OSError as error:
        if started:
            raise
        raise _unwritable(error.filename, error) from error  # Hydra's own making of the folder
    if refusals:
        raise refusals[0]


def _job(verb: Verb, composed_config: DictConfig) -> float | None:
    hydra_config = HydraConfig.get()
    out = Path(hydra_config.runtime.output_dir)
    sweep = hydra_config.mode == RunMode.MULTIRUN
    values = plain(composed_config)
    if "protocol" in values:
        _settle_protocol(values["protocol"], sweep, str(hydra_config.sweeper._target_))
    _settle_paths(values)
    claim(out, verb.name, values)
    try:
        return perform(verb, out)
    except CovsegError as error:
        log.log(logs.FAILURE, error.sentence)
        _give_up(out, verb.name)
        raise
    except Exception:
        log.log(logs.FAILURE, "not one of the errors that covseg knows", exc_info=True)
        raise


def _give_up(out: Path, verb: str) -> None:
    """Leave nothing half-made where a run was refused before there was any work."""
    begun = {"baselines.npz", "checkpoints", "per_image.csv"}
    if begun.isdisjoint(path.name for path in out.iterdir()):
        logs.configure(None)
        (out / "config.yaml").unlink()
        (out / f"{verb}.log").unlink()
        shutil.rmtree(out / "ranks", ignore_errors=True)
        with contextlib.suppress(OSError):
            out.rmdir()  # unless somebody keeps other files in it


def _settle_protocol(protocol: dict[str, Any], sweep: bool, sweeper: str) -> None:
    """Decide what ``report: auto`` means, and keep a search away from Test."""
    if sweep and not sweeper.endswith("BasicSweeper") and protocol["select"] is None:
        raise ConfigError(
            f"protocol={protocol['name']}",
            "has no objective, because Test never steers anything, so a search has nothing to "
            "go by",
            "search with protocol=holdout",
        )
    if protocol["report"] == "auto":
        protocol["report"] = "Val" if sweep else "Test"


def _settle_paths(values: dict[str, Any]) -> None:
    """Make paths absolute: a run folder is read again from elsewhere."""
    data = values["data"]
    for node, key in ((data, "root"), (data, "cache_dir"), (values, "init"), (values, "run")):
        if node.get(key):
            node[key] = str(Path(node[key]).expanduser().absolute())


def claim(out: Path, verb: str, values: dict[str, Any]) -> None:
    """Make ``out`` the folder of this run: ``config.yaml`` and the log.

    Raises:
        RunError: the folder cannot be written or already holds a run.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (out / "config.yaml").open("x", encoding="utf-8") as file:
            yaml.safe_dump(values, file, sort_keys=False, allow_unicode=True)
        logs.configure(out / f"{verb}.log")
    except FileExistsError as error:
        raise RunError(
            out, "already holds a run", "say hydra.run.dir=<another folder>, or remove that one"
        ) from error
    except OSError as error:
        raise _unwritable(out, error) from error


def _unwritable(out: object, error: OSError) -> RunError:
    return RunError(
        f"hydra.run.dir={out}",
        f"cannot be written ({error.strerror})",
        "name a folder that you may write to",
    )


def perform(verb: Verb, out: Path) -> float | None:
    """Do the work of a claimed run folder, here or in processes of its own."""
    from covseg import devices  # torch comes in here, after every refusal that needs none
    from covseg.run import launch

    config = verb.read_config(out)
    processes = devices.processes(verb.trainer_settings(config))
    if processes > 1:
        return launch.launch(verb.name, out, processes)
    return verb.work(config, out)
