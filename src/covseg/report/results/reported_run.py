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
        config: of the training run, the first one's where several networks are averaged.
        summary: of the scores.
        parts: the summary of each target.
        provenance: of the training run.
        evaluation: provenance of the evaluation that took the scores; None: the training run did.
    """

    name: str
    config: Train
    summary: Summary
    parts: Mapping[str, Summary]
    provenance: Mapping[str, Any]
    evaluation: Mapping[str, Any] | None

    @property
    def split(self) -> str:
        """The reported split."""
        return str(self.summary["split"])

    @property
    def fingerprint(self) -> str | None:
        """Of the data that was scored."""
        fingerprint = (self.evaluation or self.provenance)["data"]["fingerprint"]
        return str(fingerprint) if fingerprint else None

    @property
    def network(self) -> str:
        """The network in a few words."""
        model = self.config.model
        if isinstance(model, UNet):
            name = f"U-Net, depth {model.depth}, {model.base_channels} channels"
        elif isinstance(model, LiteUNet):
            name = f"U-Net, EfficientNet-{model.encoder}"
        else:
            name = model.target.rpartition(".")[2]
            name += f", {model.encoder_name}" if isinstance(model, SMPNetwork) else ""
        n_others = len((self.evaluation or {}).get("others", ()))
        return f"mean of {n_others + 1}, the first: {name}" if n_others else name

    @property
    def protocol(self) -> str:
        """The protocol, with what is left out of its fitting images."""
        data, n_excluded = self.config.data, sum(self.summary["excluded"].values())
        parts = [self.config.protocol.name]
        parts += [f"fitted on {' and '.join(data.fit_classes)}"] if data.fit_classes else []
        parts += [f"without {n_excluded} copies"] if n_excluded else []
        return ", ".join(parts)

    @property
    def threshold(self) -> str:
        """The threshold, and where it was chosen."""
        chosen = self.summary.get("chosen_on")
        return f"{self.summary['threshold']}{f', chosen on {chosen}' if chosen else ''}"

    @property
    def commands(self) -> list[str]:
        """What was typed, with a line for an evaluation."""
        return [of["command"] for of in (self.provenance, self.evaluation) if of is not None]

    @property
    def hardware(self) -> str:
        """What it was trained on."""
        hardware = self.provenance["hardware"]
        gpus = hardware["gpus"]
        kinds = [f"{gpus.count(kind)} x {kind}" for kind in dict.fromkeys(gpus)]
        return ", ".join(kinds) or f"{hardware['cpu_cores']} CPU cores"
