"""A run on W&B."""

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import wandb
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from covseg.errors import ConfigError, reason_of
from covseg.report.loggers.dashboard import Start, Status
from covseg.report.loggers.wandb_media import image_table, plots
from covseg.report.result import RunResult

log = logging.getLogger(__name__)

# that a lost server can cost, at the start and at the end; what is not uploaded by then is on disk
_BEGIN_SECONDS, _FINISH_SECONDS = 10, 20
_STEP = "trainer/global_step"  # Lightning's name for the x axis
# W&B calls a run "killed" that ends with 255, and "failed" with any other code but 0
_EXIT_CODES: dict[Status, int] = {"finished": 0, "pruned": 0, "failed": 1, "interrupted": 255}


class Wandb(WandbLogger):
    """Lightning's ``WandbLogger`` that needs no server and shows a whole run.

    A resumed run is written anew under its own id, with its history: W&B cannot continue an offline
    run, and a run that is synced again replaces the one on the server.

    Args:
        project: that the run belongs to.
        offline: write only to ``save_dir``; ``wandb sync`` uploads it later. WANDB_MODE overrides.
        save_dir: the run folder.
        id: of the run.
        log_model: upload the reported checkpoint as an artifact.
        gradients: log histograms of the gradients.
        init: further arguments of ``wandb.init``.
    """

    def __init__(
        self,
        project: str = "covseg",
        offline: bool = True,
        save_dir: str = ".",
        id: str | None = None,  # noqa: A002  wandb.init's own name
        log_model: bool = False,
        gradients: bool = False,
        **init: Any,
    ) -> None:
        if "WANDB_SWEEP_ID" in os.environ:  # an agent of a W&B sweep has chosen the id
            id = os.environ.get("WANDB_RUN_ID", id)  # noqa: A001
        super().__init__(project=project, save_dir=save_dir, id=id, resume=None, **init)
        del self._wandb_init["anonymous"]  # W&B warns of it, whatever its value
        self._mode = os.environ.get("WANDB_MODE", "offline" if offline else "online")
        self._artifact, self._gradients = log_model, gradients

    @property
    @rank_zero_experiment
    def experiment(self) -> wandb.Run:
        """The run; started when it is first needed."""
        if self._experiment is None:
            run = self._experiment = self._start()
            run.define_metric(_STEP, hidden=True)
            # the summary is of the reported checkpoint, see ``log_result``, not of the last epoch
            run.define_metric("*", step_metric=_STEP, step_sync=True, summary="none")
        return cast(wandb.Run, self._experiment)

    def _start(self) -> wandb.Run:
        wandb.setup(wandb.Settings(show_info=False))  # before it greets; warnings are shown
        settings = wandb.Settings(
            silent=True,
            console="off",
            init_timeout=_BEGIN_SECONDS,
            finish_timeout=_FINISH_SECONDS,
        )
        arguments = {**self._wandb_init, "settings": settings}
        if self._mode != "online":
            return _init(self._mode, arguments)
        try:
            return _init("online", arguments)
        except (wandb.errors.CommError, wandb.errors.UsageError) as error:
            folder = Path(str(self.save_dir)) / "wandb"
            log.warning(
                "W&B cannot be used online (%s): this run is recorded offline, and "
                "wandb sync %s/offline-run-* uploads it later",
                reason_of(error),
                folder,
            )
            wandb.teardown()  # else the id of the run is in use
            return _init("offline", arguments)

    @rank_zero_only
    def begin(self, start: Start) -> None:
        """Start the run in place of the one that an earlier process has left."""
        run = self.experiment
        run.config.update({"provenance": dict(start.facts)}, allow_val_change=True)
        own = Path(run.dir).parent
        for earlier in own.parent.glob(f"offline-run-*-{run.id}"):
            if start.whole and earlier != own:
                shutil.rmtree(earlier, ignore_errors=True)
        if self._gradients:
            every = start.every_n_steps
            self.watch(start.network, log="gradients", log_freq=every, log_graph=False)

    @rank_zero_only
    def log_result(self, result: RunResult) -> None:
        """Set the summary; log curves, images, the table of images and the files."""
        run = self.experiment
        run.summary.update({**result.at_checkpoint, **result.numbers()})
        files = Path(run.dir, "covseg")  # W&B has files of its own with some of these names
        files.mkdir(exist_ok=True)
        for path in result.files:
            shutil.copy(path, files)
        run.save(f"{files}/*", base_path=run.dir, policy="now")
        shown: dict[str, Any] = {_STEP: result.step}
        for target, histogram in result.histograms.items():
            above = result.above(target)
            shown |= plots(above, histogram)
            shown[f"{above}/images"] = image_table(result, target)
        report = result.folder / "report.html"
        if report.exists():
            shown["report"] = wandb.Html(report.read_text(encoding="utf-8"), inject=False)
        with _staged_in(Path(run.dir).parent):
            run.log(shown)
            if self._artifact:
                artifact = wandb.Artifact(f"{run.id}-checkpoint", type="model")
                artifact.add_file(str(result.checkpoint))
                run.log_artifact(artifact)

    @rank_zero_only
    def finish(self, status: Status) -> None:
        """End the run with the exit code of its status."""
        self.experiment.summary["status"] = status
        self.experiment.finish(exit_code=_EXIT_CODES[status])


@contextlib.contextmanager
def _staged_in(folder: Path) -> Iterator[None]:
    """Keep what waits for its upload in a folder, where W&B would use the home folder."""
    name = "WANDB_DATA_DIR"
    if name in os.environ:  # the user's choice
        yield
        return
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        del os.environ[name]


def _init(mode: Any, arguments: Mapping[str, Any]) -> wandb.Run:
    """Start a run.

    Raises:
        ConfigError: an argument that W&B refuses.
    """
    try:
        return wandb.init(mode=mode, **arguments)
    except (wandb.errors.CommError, wandb.errors.UsageError):
        raise
    except Exception as error:  # of any kind
        raise ConfigError(
            "logger.wandb", f"is refused by W&B ({reason_of(error)})", "change its arguments"
        ) from error
