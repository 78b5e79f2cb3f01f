"""The dashboards among a run's loggers: begun, given the whole history, the result, and an end."""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from lightning.pytorch.loggers import Logger
from PIL import Image
from torch import nn

from covseg.errors import CovsegError, Pruned, reason_of
from covseg.report.best_effort import best_effort
from covseg.report.curves import CurvePoint
from covseg.report.pictures import log_picture, picture_of_epoch
from covseg.report.result import RunResult

log = logging.getLogger(__name__)

Status = Literal["finished", "interrupted", "pruned", "failed"]


@dataclass(frozen=True)
class Start:
    """A run that starts or is resumed.

    Attributes:
        facts: the content of ``provenance.json``.
        network: that is trained.
        every_n_steps: steps between two points of a curve.
        points: of the curves so far.
        whole: whether these are all; a checkpoint of an older covseg holds none.
    """

    facts: Mapping[str, Any]
    network: nn.Module
    every_n_steps: int
    points: Sequence[CurvePoint]
    whole: bool


@runtime_checkable
class Dashboard(Protocol):
    """What a logger has beside Lightning's interface to show a whole run."""

    def begin(self, start: Start) -> None:
        """Start, or start again: what an earlier process logged is given once more afterwards."""

    def log_result(self, result: RunResult) -> None:
        """Show the scores of the reported checkpoint."""

    def finish(self, status: Status) -> None:
        """End the run on the dashboard."""


def _log_history(logger: Any, points: Sequence[CurvePoint], out: Path) -> None:
    for point in points:
        logger.log_metrics(point.metrics, point.step)
        picture = picture_of_epoch(out, point.epoch)
        if point.ends_epoch and picture.exists():
            log_picture(logger, np.asarray(Image.open(picture)), point.step)


class Dashboards:
    """The dashboards of a run; only the first process of a run has any.

    Args:
        loggers: of the run; those that are no dashboard only get the scores.
        active: whether this is the first process.
    """

    def __init__(self, loggers: Sequence[Logger], active: bool) -> None:
        self._loggers = list(loggers) if active else []
        self._own = [logger for logger in self._loggers if isinstance(logger, Dashboard)]
        self._begun: list[Dashboard] = []

    def begin(self, start: Start, out: Path) -> list[Logger]:
        """Start every dashboard, with the history of a resumed run.

        Args:
            start: of the run.
            out: the run folder, which holds the pictures of past epochs.

        Returns:
            the loggers that can be used; what a dashboard without a server lacks is a warning.

        Raises:
            ConfigError: a dashboard refuses an argument.
        """
        for logger in self._own:
            self._begun.append(logger)
            try:
                logger.begin(start)
                _log_history(logger, start.points, out)
            except CovsegError:
                raise
            except Exception as error:  # noqa: BLE001  of any kind: a server cannot be reached
                name, reason = type(logger).__name__, reason_of(error)
                log.warning("%s is not used (%s); metrics.csv has the curves", name, reason)
                self._loggers = [other for other in self._loggers if other is not logger]
        return list(self._loggers)

    def log_result(self, result: RunResult) -> None:
        """Give the result to every logger; a failure is only a warning."""
        for logger in self._loggers:
            what = f"the scores to {type(logger).__name__}"
            with best_effort(what, "the scores are in summary.json"):
                if isinstance(logger, Dashboard):
                    logger.log_result(result)
                else:
                    logger.log_metrics(result.numbers(), result.step)

    @contextlib.contextmanager
    def finished(self) -> Iterator[None]:
        """End every dashboard that was begun, however the block ends."""
        status: Status = "failed"
        try:
            yield
            status = "finished"
        except KeyboardInterrupt:  # any signal, see ``Stopped``
            status = "interrupted"
            raise
        except Pruned:
            status = "pruned"
            raise
        finally:
            for logger in self._begun:
                what = f"the end of the run to {type(logger).__name__}"
                with best_effort(what, "the run has ended all the same"):
                    logger.finish(status)
