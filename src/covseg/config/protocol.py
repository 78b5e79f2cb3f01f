"""``protocol``: which images are fitted, which choose, and which are reported."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from covseg.config.node import Buildable, Name, Node, Positive, Share
from covseg.errors import ConfigError

Auto = Literal["auto"]
CHOSEN = ("threshold", "detection_min_pixels")  # what ``auto`` leaves to the selecting split


class Protocol(Node):
    """Which part of the images is for what. Test never steers anything."""

    name: str
    fit: Annotated[list[Literal["Train", "Val", "others"]], Field(min_length=1)]
    select: Literal["Val"] | None  # where a checkpoint is chosen; null: nothing is chosen
    checkpoint: Literal["best", "last"]  # which one is reported
    # auto: Test, and Val for a job of a multirun
    report: Literal["auto", "Val", "Test", "fold"]
    monitor: Name = "rmse_per_image"  # score on ``select`` that chooses the checkpoint
    threshold: Auto | Share  # prediction = probability > threshold; auto: chosen on ``select``
    # predicted pixels that call an image infected; auto: chosen on ``select``
    detection_min_pixels: Auto | Positive
    flips: bool = False  # whether the mirrored image is scored as well, and both are averaged
    scores: dict[str, Buildable] = Field(default_factory=dict)  # the user's own, by name

    @model_validator(mode="after")
    def _check_splits(self) -> "Protocol":
        if len(set(self.fit)) < len(self.fit):
            raise ConfigError(
                f"protocol.fit=[{','.join(self.fit)}]", "names a split twice", "name each once"
            )
        if self.select in self.fit:
            raise ConfigError(
                f"protocol.select={self.select}",
                "is fitted on as well (protocol.fit), so it cannot choose",
                "take it out of protocol.fit, or set protocol.select=null protocol.checkpoint=last",
            )
        if self.checkpoint == "best" and self.select is None:
            raise ConfigError(
                "protocol.checkpoint=best",
                f"needs a split to choose on, and protocol={self.name} has none (protocol.select)",
                "set protocol.checkpoint=last, or protocol=holdout",
            )
        if self.report in self.fit:
            raise ConfigError(
                f"protocol.report={self.report}",
                "is fitted on",
                "report a split outside protocol.fit",
            )
        if (self.report == "fold") != (self.fit == ["others"]) or (self.folds and self.select):
            raise ConfigError(
                f"protocol.report={self.report}",
                f"cannot be combined with protocol.fit=[{','.join(self.fit)}]",
                "set protocol=kfold, or leave protocol.fit and protocol.report out",
            )
        return self

    @model_validator(mode="after")
    def _check_auto(self) -> "Protocol":
        for key in CHOSEN:
            if getattr(self, key) == "auto" and self.select is None:
                raise ConfigError(
                    f"protocol.{key}=auto",
                    f"needs a split to choose on, and protocol={self.name} has none "
                    "(protocol.select)",
                    "set a number, or protocol=holdout",
                )
        return self

    @property
    def fixed_threshold(self) -> float:
        """The threshold where nothing is chosen (yet): 0.5 for ``auto``."""
        return 0.5 if self.threshold == "auto" else self.threshold

    @property
    def fixed_min_pixels(self) -> int:
        """``detection_min_pixels``, likewise: 1 for ``auto``."""
        return 1 if self.detection_min_pixels == "auto" else self.detection_min_pixels

    @property
    def folds(self) -> bool:
        """Whether ``data.fold`` is reported and the other folds are fitted, whatever the splits."""
        return self.report == "fold"
