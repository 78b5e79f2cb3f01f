"""A run as a document of results shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from covseg.config.model import LiteUNet, SMPNetwork, UNet
from covseg.config.train import Train
from covseg.measure.summary import Summary


@dataclass(frozen=True)
class ReportedRun:
    """A run with scores.

    Attributes:
        name: of its folder.
        config: of the training run.
        parts: the summary of each target.
        threshold: of the prediction.
        split: that is reported.
        n_excluded: images that ``data.exclude`` left out.
        provenance: of the training run.
        evaluation: provenance of the evaluation that took the scores; None: the training run did.
    """

    name: str
    config: Train
    parts: Mapping[str, Summary]
    threshold: float
    split: str
    n_excluded: int
    provenance: Mapping[str, Any]
    evaluation: Mapping[str, Any] | None

    @property
    def fingerprint(self) -> str | None:
        """Of the data."""
        of_data = self.provenance.get("data") or {}
        return of_data.get("fingerprint")

    @property
    def network(self) -> str:
        """The network in a few words."""
        model = self.config.model
        name = model.target.rpartition(".")[2]
        if isinstance(model, UNet):
            return f"U-Net, depth {model.depth}, {model.base_channels} channels"
        if isinstance(model, LiteUNet):
            return f"U-Net, EfficientNet-{model.encoder}"
        return f"{name}, {model.encoder_name}" if isinstance(model, SMPNetwork) else name

    @property
    def commands(self) -> list[str]:
        """What was typed, with a line for an evaluation."""
        return [of["command"] for of in (self.provenance, self.evaluation) if of is not None]

    @property
    def hardware(self) -> str:
        """What it was trained on."""
        hardware = self.provenance.get("hardware") or {}
        gpus = hardware.get("gpus") or []
        kinds = [f"{gpus.count(kind)} x {kind}" for kind in dict.fromkeys(gpus)]
        return ", ".join(kinds) or f"{hardware.get('cpu_cores', '?')} CPU cores"
