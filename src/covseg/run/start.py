"""From the command line to the work of a verb: compose, check, make the run folder, go.

The configuration is checked before Hydra makes a folder and before torch is imported. With more
than one process the one that Hydra runs never becomes a rank (see ``launch``).
"""

import contextlib
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from covseg.config import Node, Train
from covseg.errors import ConfigError, CovsegError, Stopped
from covseg.run import logs, presets
from covseg.run.claim import claim, give_up, unwritable
from covseg.run.command_line import jobs, parsed
from covseg.run.compose import CONF, REFUSALS, composed, plain, refusal
from covseg.validation import check

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verb:
    """What a verb hands to the engine, which therefore imports no verb.

    Attributes:
        name: ``train`` for ``covseg.train``.
        schema: of its configuration.
        as_training: its configuration -> that of the training run that it is about.
        work: (configuration, run folder) -> objective; called in every process.
    """

    name: str
    schema: type[Node]
    as_training: Callable[[Any], Train]
    work: Callable[[Any, Path], float | None]

    def read_config(self, out: Path) -> Node:
        """The checked configuration of a run folder."""
        text = (out / "config.yaml").read_text(encoding="utf-8")
        return check(self.schema, yaml.safe_load(text))

    def do(self, out: Path) -> float | None:
        """The work of a claimed run folder, in this process.

        Raises:
            CovsegError: the configuration, the data, the training or the machine refuses.
        """
        from covseg.run import faults  # torch comes in here

        config = self.read_config(out)
        try:
            with faults.worded(self.as_training(config).data, out):
                return self.work(config, out)
        except SystemExit as error:  # what Lightning makes of Ctrl-C
            raise Stopped(signal.SIGINT) from error


def main(verb: Verb) -> None:
    """Run a verb of the command line; a refusal is one sentence and exit code 1."""
    traceback_wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then hands errors through, and we word them
    command = ["python", "-m", f"covseg.{verb.name}", *sys.argv[1:]]
    os.environ["COVSEG_COMMAND"] = shlex.join(command)
    try:
        _check_command_line(verb)
        _hydra_main(verb)
    except (CovsegError, KeyboardInterrupt) as error:
        if traceback_wanted:
            raise
        stopped = error if isinstance(error, CovsegError | Stopped) else Stopped(signal.SIGINT)
        sentence, exit_code = stopped.sentence, stopped.exit_code
    else:
        return
    # behind the error, which would keep open until the very end what its traceback leads to
    print(sentence, file=sys.stderr)  # noqa: T201  for the person, not the log
    sys.exit(exit_code)


def _check_command_line(verb: Verb) -> None:
    """Refuse every job of the command line that cannot be, before the first one starts."""
    arguments = parsed(sys.argv[1:])
    asks = (arguments.help, arguments.hydra_help, arguments.info, arguments.cfg)
    if any(asks) or arguments.shell_completion:
        return
    wanted = jobs(arguments.overrides) if arguments.multirun else [arguments.overrides]
    own = arguments.config_dir  # presets of the user's own
    more = [presets.searchpath(own)] if own else []
    for overrides in wanted:
        with presets.located(overrides):
            values = composed(verb.name, [*overrides, *more])
            check(verb.schema, values)
        _settle_paths(values)
        verb.as_training(check(verb.schema, values))  # a run folder that is named is read


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
    except (OSError, *REFUSALS) as error:
        if started:
            raise
        if isinstance(error, OSError) and not isinstance(error, HydraException):
            raise unwritable(error.filename, error) from error  # Hydra's own making of the folder
        raise refusal(verb.name, parsed(sys.argv[1:]).overrides, error) from error
    if refusals:
        raise refusals[0]


def _job(verb: Verb, composed_config: DictConfig) -> float | None:
    hydra_config = HydraConfig.get()
    out = Path(hydra_config.runtime.output_dir)
    sweep = hydra_config.mode == RunMode.MULTIRUN
    values = plain(composed_config)
    try:
        if "protocol" in values:
            _settle_protocol(values["protocol"], sweep, str(hydra_config.sweeper._target_))
        _settle_paths(values)
        claim(out, verb.name, values)
    except CovsegError:
        with contextlib.suppress(OSError):
            out.rmdir()  # unless somebody keeps files in it
        raise
    try:
        return perform(verb, out)
    except (CovsegError, KeyboardInterrupt) as error:
        log.log(logs.FAILURE, getattr(error, "sentence", "stopped"))
        give_up(out, verb.name)
        raise
    except Exception:
        log.log(logs.FAILURE, "not one of the errors that covseg knows", exc_info=True)
        raise


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
    for place in ("data.root", "data.cache_dir", "init", "run"):
        above, _, key = place.rpartition(".")
        node = values[above] if above else values
        if node.get(key):
            try:
                node[key] = str(Path(node[key]).expanduser().absolute())
            except RuntimeError as error:
                raise ConfigError(
                    f"{place}={node[key]}",
                    "begins with ~, and there is no such home folder",
                    "write the folder out, or set HOME",
                ) from error


def perform(verb: Verb, out: Path) -> float | None:
    """Do the work of a claimed run folder, here or in processes of its own."""
    from covseg import devices  # torch comes in here, after every refusal that needs none
    from covseg.run import launch

    processes = devices.processes(verb.as_training(verb.read_config(out)).trainer)
    if processes > 1:
        return launch.launch(verb.name, out, processes)
    return verb.do(out)
