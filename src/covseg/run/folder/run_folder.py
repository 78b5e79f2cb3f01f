"""A run folder: its files by name, and what they say; it may have come by mail."""

import re
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from covseg.config.protocol import CHOSEN, Protocol
from covseg.config.train import Train
from covseg.errors import ConfigError, RunError, setting
from covseg.run.folder.json_file import json_value
from covseg.run.folder.older import updated
from covseg.run.folder.yaml_file import read_yaml
from covseg.validation import check

WHOLE = "copy the run folder again, as a whole"
_EXAMPLE = "name a run folder, such as outputs/train/<date_time>"


class RunFolder:
    """The folder of a run.

    Nothing is read before it is asked for; what a caller asks for twice is read once.

    Args:
        path: of the folder.
        trust: packages whose code its configuration may name; None where this very command has
            created the folder.

    Attributes:
        config_file: the whole configuration, resolved.
        provenance: see ``RunHistory``.
        checkpoints: ``last`` to resume from, ``best`` if Val chooses.
        baselines: what the baselines learned from the fitting images.
        typical: what the fitting images look like.
        fitted: every image that the weights were fitted on.
        findings: what is known of copies among the images.
        split: the splits, where the run has drawn them or read them from such a file.
        table: the images and masks of data that is no COVID-QU-Ex.
        metrics: one row per epoch.
        per_image: one row per image and target.
        histogram: pixels by their probability.
        thresholds: every score over the threshold.
        summary: every score.
        report: the page.
        pictures: while training, and of the reported split.
        predictions: of ``covseg.predict``.
        ranks: of the processes of a run, while they live or if they died without a message.
        objective_file: what they leave for the process that started them.
        lock: held by the process that works in the folder.
    """

    def __init__(self, path: str | Path, trust: Sequence[str] | None = ()) -> None:
        self.path, self._trust = Path(path), [trust] if isinstance(trust, str) else trust
        self.config_file = self.path / "config.yaml"
        self.provenance = self.path / "provenance.json"
        self.checkpoints = self.path / "checkpoints"
        self.last, self.best = (self.checkpoints / f"{name}.ckpt" for name in ("last", "best"))
        self.baselines = self.path / "baselines.npz"
        self.typical = self.path / "typical.npz"
        self.fitted = self.path / "fitted.csv"
        self.findings = self.path / "findings.csv"
        self.split = self.path / "split.csv"
        self.table = self.path / "table.csv"
        self.metrics = self.path / "metrics.csv"
        self.per_image = self.path / "per_image.csv"
        self.histogram = self.path / "histogram.csv"
        self.thresholds = self.path / "thresholds.csv"
        self.summary = self.path / "summary.json"
        self.report = self.path / "report.html"
        self.pictures = self.path / "pictures"
        self.predictions = self.path / "predictions.csv"
        self.ranks = self.path / "ranks"
        self.objective_file = self.path / "objective.json"
        self.lock = self.path / ".lock"

    def __str__(self) -> str:
        return str(self.path)

    @property
    def files(self) -> list[Path]:
        """What a run writes beside its log, its lock and its folders."""
        return [
            *(self.config_file, self.provenance, self.baselines, self.typical, self.fitted),
            *(
                self.findings,
                self.split,
                self.table,
                self.metrics,
                self.per_image,
                self.histogram,
                self.thresholds,
            ),
            *(self.summary, self.report, self.objective_file),
        ]

    def log(self, verb: str) -> Path:
        """The log of a verb."""
        return self.path / f"{verb}.log"

    @cached_property
    def config(self) -> Train:
        """The configuration of a training run, every ``_target_`` in it checked, used or not.

        Raises:
            RunError: no such folder, or no configuration in it that can be read.
            ConfigError: it is not a configuration of this covseg, or asks for a foreign
                ``_target_``.
        """
        path = self.config_file
        if not path.exists():
            raise self._not_a_run()
        values = updated(self.read_config())
        if "protocol" not in values and "run" in values:
            remedy = f"set {setting('run', values['run'])}"
            raise RunError(self.path, "is the folder of an evaluation", remedy)
        if "protocol" not in values:
            raise RunError(
                path, "is not that of a training run", "name a folder below outputs/train/"
            )
        wanted = values.get("trust")
        wanted = wanted if isinstance(wanted, list) else []
        trust = [package for package in wanted if isinstance(package, str)]
        if self._trust is not None and (new := [name for name in trust if name not in self._trust]):
            raise ConfigError(
                f"{setting('trust', new)} in {path}",
                "lets the run execute code of that name on this machine",
                f"set trust=[{','.join(trust)}] as well if you know that code",
            )
        try:
            return check(Train, values, trust)
        except ConfigError as error:
            raise self.refused(error) from error

    @property
    def protocol(self) -> Protocol:
        """The protocol, with what ``auto`` has chosen when the run was scored.

        Raises:
            RunError: nothing is chosen yet.
            ConfigError: ``summary.json`` has something else than such a choice.
        """
        own = self.config.protocol
        open_keys = [key for key in CHOSEN if getattr(own, key) == "auto"]
        chosen = {key: json_value(self.summary, key) for key in open_keys}
        if None in chosen.values():
            raise RunError(
                self.summary,
                f"does not say what was chosen on {own.select} (protocol.{open_keys[0]}=auto)",
                f"finish the run (resume={self}), or {WHOLE}",
            )
        return check(Protocol, own.model_dump(by_alias=True) | chosen, self.config.trust)

    def read_config(self) -> dict[str, Any]:
        """The values of ``config.yaml``, unchecked.

        Raises:
            RunError: it cannot be read.
        """
        try:
            return read_yaml(self.config_file)
        except OSError as error:
            raise RunError(self.config_file, f"cannot be read ({error.strerror})", WHOLE) from error
        except ConfigError as error:
            where, cause, remedy = error.args
            raise RunError(where, cause, f"{remedy}, or {WHOLE}") from error

    def refused(self, error: ConfigError) -> ConfigError:
        """A refusal of this folder's configuration, with the file and the covseg that wrote it."""
        key, cause, remedy = map(str, error.args)
        invalid = error.__cause__
        if isinstance(invalid, ValidationError) and invalid.errors()[0]["type"] == "missing":
            remedy = f"write its value there, or {WHOLE}"
        place = f"{key} in {self.config_file}"
        wrote, reads = self._written_by(), version("covseg")
        if wrote not in {None, reads}:
            place += f" (written by covseg {wrote}, read by {reads})"
        return ConfigError(place, cause, remedy)

    @property
    def finished(self) -> bool:
        """Whether the run was fitted to its end and scored."""
        return bool(json_value(self.provenance, "finished"))

    @property
    def objective(self) -> float | None:
        """Of a finished run: what a search minimises."""
        value = json_value(self.summary, "objective", "value")
        return float(value) if isinstance(value, int | float) else None

    @property
    def seconds(self) -> float | None:
        """How long the command took that finished the run."""
        value = json_value(self.provenance, "seconds")
        return float(value) if isinstance(value, int | float) else None

    def score(self, name: str) -> float | None:
        """A score of the reported split, of the first target; None if it is undefined."""
        targets = json_value(self.summary, "targets")
        of_first = ["targets", next(iter(targets), "")] if isinstance(targets, dict) else []
        value = json_value(self.summary, *of_first, "scores", name, "value")
        return float(value) if isinstance(value, int | float) else None

    @property
    def fingerprint(self) -> str | None:
        """Of the data that the run was fitted on, None where the folder does not say."""
        fingerprint = json_value(self.provenance, "data", "fingerprint")
        return None if fingerprint is None else str(fingerprint)

    def checkpoint(self, name: str) -> Path:
        """The file of a checkpoint.

        Args:
            name: ``best`` or ``last``.

        Raises:
            RunError: the run has no such checkpoint.
        """
        path = self.checkpoints / f"{name}.ckpt"
        if path.exists():
            return path
        for other in ("last", "best"):
            if path.with_stem(other).exists():
                raise RunError(
                    path, f"is missing, but {other}.ckpt is there", f"set checkpoint={other}"
                )
        raise RunError(
            self.path,
            "has no checkpoint, as if it was stopped in its first epoch",
            f"name another run, or {WHOLE}",
        )

    @property
    def reported_checkpoint(self) -> Path:
        """The checkpoint whose scores the run reported.

        Raises:
            RunError: the run has not got that far.
        """
        path = self.checkpoints / f"{self.config.protocol.checkpoint}.ckpt"
        if not path.exists():
            raise RunError(path, "is missing", f"name a run that was finished, or {WHOLE}")
        return path

    def _written_by(self) -> str | None:
        """The version of covseg, if the folder names one."""
        wrote = str(json_value(self.provenance, "versions", "covseg"))
        return wrote if re.fullmatch(r"\d[\w.+!-]{1,40}", wrote) else None

    def _not_a_run(self) -> RunError:
        for above in (self.path.parent, self.path.parent.parent):
            if (above / "config.yaml").is_file() and (above / "checkpoints").is_dir():
                return RunError(
                    self.path, "is a part of a run", f"name the run folder itself, {above}"
                )
        if not self.path.is_dir():
            cause = "is a file" if self.path.exists() else "does not exist"
            return RunError(self.path, cause, _EXAMPLE)
        if self.checkpoints.is_dir():
            return RunError(self.config_file, "is missing", WHOLE)
        return RunError(self.path, "is not a run folder: it has no config.yaml", _EXAMPLE)
