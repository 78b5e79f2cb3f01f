"""A run in MLflow."""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities import rank_zero_only

from covseg.config.conf import flatten
from covseg.errors import ConfigError, setting
from covseg.report.loggers.dashboard import Start, Status
from covseg.report.result import RunResult

_FILE = "sqlite:///"
_ID = "covseg_id"  # tag with the id of the run
_STATUS: dict[Status, str] = {
    "finished": "FINISHED",
    "pruned": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}


class MLflow(MLFlowLogger):
    """Lightning's ``MLFlowLogger`` that continues the MLflow run of a resumed run.

    Args:
        id: of the run.
        name: of the run.
        tags: of the run.
        group: of the run, such as its sweep.
        settings: further arguments of Lightning's logger.
    """

    def __init__(
        self,
        id: str | None = None,  # noqa: A002  the name that all loggers share
        name: str | None = None,
        tags: Sequence[str] = (),
        group: str | None = None,
        **settings: Any,
    ) -> None:
        with contextlib.suppress(ImportError):  # which Lightning's logger reports
            import mlflow  # noqa: F401  sets up its log

            logging.getLogger("mlflow").setLevel(logging.WARNING)  # it announces every table
        known = {_ID: str(id), "tags": ", ".join(tags), "group": group or ""}
        super().__init__(run_name=name, tags={k: v for k, v in known.items() if v}, **settings)
        self._id = str(id)
        self._known: set[str] = set()  # parameters that an earlier process has logged
        self._logged: dict[str, int] = {}  # by name, the last step that an earlier process logged

    @rank_zero_only
    def begin(self, start: Start) -> None:
        """Continue the MLflow run of the same id, or start one."""
        client = self._mlflow_client
        experiment = client.get_experiment_by_name(self._experiment_name)
        if experiment is None:
            self._create_experiment(client)
        elif experiment.lifecycle_stage == "deleted":
            raise ConfigError(
                setting("logger.mlflow.experiment_name", self._experiment_name),
                "is an experiment that was deleted",
                "restore it in MLflow, or choose another name",
            )
        elif earlier := client.search_runs(
            [experiment.experiment_id], f"tags.{_ID} = '{self._id}'"
        ):
            self._run_id = earlier[0].info.run_id
            for name in earlier[0].data.metrics:
                steps = (point.step for point in client.get_metric_history(self._run_id, name))
                self._logged[name] = max(steps)
            self._known = set(earlier[0].data.params)
            client.update_run(self._run_id, status="RUNNING")
        self.experiment.log_dict(self.run_id, dict(start.facts), "provenance.json")

    def _create_experiment(self, client: Any) -> None:
        try:
            client.create_experiment(self._experiment_name, self._artifacts())
        except Exception:  # of any kind: another job has created it in this moment
            if client.get_experiment_by_name(self._experiment_name) is None:
                raise

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """Log what MLflow does not know: it refuses to change a value, such as more epochs."""
        flat = flatten(dict(params))
        super().log_hyperparams(
            {
                name.replace(".", "/"): value
                for name, value in flat.items()
                if name.replace(".", "/") not in self._known
            }
        )

    def _artifacts(self) -> str | None:
        """Where a new experiment keeps files: beside its database; a server knows by itself."""
        given: str | None = self._artifact_location
        if given is None and self._tracking_uri.startswith(_FILE):
            database = Path(self._tracking_uri.removeprefix(_FILE)).absolute()
            return (database.parent / "mlartifacts").as_uri()
        return given

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log what an earlier process has not logged yet."""
        new = {k: v for k, v in metrics.items() if (step or 0) > self._logged.get(k, -1)}
        super().log_metrics(new, step)

    @rank_zero_only
    def log_result(self, result: RunResult) -> None:
        """Log the scores and the files."""
        super().log_metrics(result.numbers(), result.step)
        for path in [*result.files, *sorted((result.folder / "pictures").glob("*.png"))]:
            within = "pictures" if path.suffix == ".png" else None
            self.experiment.log_artifact(self.run_id, str(path), within)

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        """Nothing: Lightning calls this when fitting ends, and ``finish`` ends the run."""

    @rank_zero_only
    def finish(self, status: Status) -> None:
        """End the run with its status, if it was begun."""
        if self._initialized:
            self.experiment.set_terminated(self.run_id, _STATUS[status])
