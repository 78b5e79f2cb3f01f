"""One job of the command line: its folder is taken, then a verb works in it.

With more than one process the one that Hydra runs never becomes a rank (see ``launch``), unless it
was started as one (see ``outer``).
"""

import contextlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from covseg.config.train import Train
from covseg.errors import ConfigError, CovsegError, Crash, setting
from covseg.run import logs
from covseg.run.folder import resume
from covseg.run.folder.creation import claim, claim_again, give_up, put_back
from covseg.run.folder.lock import locked
from covseg.run.processes.external import Outer
from covseg.run.verb import Verb
from covseg.validation import check

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What is known of a job before it starts.

    Attributes:
        verb: of the command line.
        values: the configuration, resolved.
        overrides: of the command line.
        fresh: the folder that Hydra has made for it.
        sweeper: the class that made it one of several, None for a single run.
        others: the processes that were started with this one, which is the first of them.
        begun: run folders that this command has worked in, or found finished.
    """

    verb: Verb
    values: dict[str, Any]
    overrides: Sequence[str]
    fresh: Path
    sweeper: str | None = None
    others: Outer | None = None
    begun: list[Path] = field(default_factory=list)

    def run(self) -> float | None:
        """Do it.

        Returns:
            its objective.

        Raises:
            CovsegError: refused, or failed in a way that a sentence can mend.
        """
        try:
            values = self._settled()
            if values.get("resume") is None:
                claim(self.fresh, self.verb.name, values)
                with locked(self.fresh):
                    return self._work(self.fresh, new=True)
            run = Path(values["resume"])
            kept = resume.values_to_resume(run, check(Train, values), self.overrides)
            self._check_others(kept, run)
            if resume.nothing_left(run, kept):
                print(f"{run} is finished: nothing left to do", file=sys.stderr)  # noqa: T201
                self.begun.append(run)
                self._tell(None)
                return resume.objective(run)
            with locked(run):
                from covseg.run.folder.agreement import check_last  # brings Lightning in

                check_last(run, check(Train, kept))
                with put_back(run):
                    resume.reopen(run)
                    claim_again(run, self.verb.name, kept)
                    return self._work(run, new=False)
        finally:
            with contextlib.suppress(OSError):
                self.fresh.rmdir()  # unless a run is in it, or somebody's files

    def _work(self, out: Path, new: bool) -> float | None:
        self.begun.append(out)
        self._tell(out)
        try:
            return self._perform(out)
        except (CovsegError, KeyboardInterrupt) as error:
            log.log(logs.FAILURE, getattr(error, "sentence", "stopped"))
            if new and not isinstance(error, Crash):  # whose traceback is in the log
                give_up(out, self.verb.name)
            raise
        except Exception:
            log.log(logs.FAILURE, "not one of the errors that covseg knows", exc_info=True)
            raise

    def _perform(self, out: Path) -> float | None:
        """Do the work of a claimed run folder, here or in processes of its own."""
        if self.others:
            return self.verb.do(out)
        from covseg import devices  # torch comes in here, after every refusal that needs none
        from covseg.run.processes import launch

        training = self.verb.as_training(self.verb.read_config(out))
        if training is None:
            return self.verb.do(out)
        settings = training.trainer
        processes = devices.processes(settings)
        if settings.num_nodes > 1:
            raise ConfigError(
                setting("trainer.num_nodes", settings.num_nodes),
                "needs a program that starts covseg on every machine",
                f"say srun, or torchrun --nnodes, before python -m covseg.{self.verb.name}, or "
                "trainer.num_nodes=1",
            )
        if processes > 1:
            return launch.launch(self.verb.name, out, processes)
        return self.verb.do(out)

    def _settled(self) -> dict[str, Any]:
        """The configuration without anything open; ``resume`` is a folder, or there is none."""
        values = self.values
        if "protocol" in values:
            _settle_protocol(values["protocol"], self.sweeper)
        settle_paths(values)
        if self.others and "trainer" not in values:
            raise ConfigError(
                f"python -m covseg.{self.verb.name}",
                "is work for one process",
                "say it without torchrun or srun before it",
            )
        if self.others:
            values["trainer"] |= self.others.settled(values["trainer"])
        if values.get("resume") == "auto":
            values["resume"] = None
            near = [self.fresh.parent]
            if self.sweeper:  # jobs of other sweeps
                near += [path for path in self.fresh.parent.parent.iterdir() if path.is_dir()]
            found = resume.find(check(Train, values), near, self.begun)
            values["resume"] = str(found) if found else None
        return values

    def _check_others(self, kept: dict[str, Any], run: Path) -> None:
        places = ("devices", "num_nodes")
        if self.others and any(kept["trainer"][k] != self.values["trainer"][k] for k in places):
            raise ConfigError(
                run,
                f"was begun with {kept['trainer']['devices']} process(es) on each of "
                f"{kept['trainer']['num_nodes']} machine(s), not as they were started now",
                "start as many as then",
            )

    def _tell(self, folder: Path | None) -> None:
        if self.others:
            self.others.tell(folder)


def _settle_protocol(protocol: dict[str, Any], sweeper: str | None) -> None:
    """Decide what ``report: auto`` means, and keep a search away from Test."""
    if sweeper and not sweeper.endswith("BasicSweeper") and protocol["select"] is None:
        raise ConfigError(
            f"protocol={protocol['name']}",
            "has no objective, because Test never steers anything, so a search has nothing to "
            "go by",
            "search with protocol=holdout",
        )
    if protocol["report"] == "auto":
        protocol["report"] = "Val" if sweeper else "Test"


def settle_paths(values: dict[str, Any]) -> None:
    """Make paths absolute: a run folder is read again from elsewhere."""
    for place in ("data.root", "data.cache_dir", "data.exclude", "init", "resume", "run"):
        above, _, key = place.rpartition(".")
        node = values[above] if above else values
        if node.get(key) and (place, node[key]) != ("resume", "auto"):
            try:
                node[key] = str(Path(node[key]).expanduser().absolute())
            except RuntimeError as error:
                raise ConfigError(
                    f"{place}={node[key]}",
                    "begins with ~, and there is no such home folder",
                    "write the folder out, or set HOME",
                ) from error
