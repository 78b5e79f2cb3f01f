"""The schema of ``python -m covseg.train``."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from covseg.config.callbacks import Callbacks
from covseg.config.data import Data
from covseg.config.model import Model, OtherNetwork, UNet
from covseg.config.node import Buildable, Name, Node, RunPlace, Trust
from covseg.config.optimizer import Optimizer
from covseg.config.protocol import Protocol
from covseg.config.trainer import Trainer
from covseg.errors import ConfigError, setting


class Train(Node):
    """``python -m covseg.train``."""

    data: Data
    protocol: Protocol
    model: Model
    loss: Buildable
    optimizer: Optimizer
    scheduler: Buildable | None = None
    augment: dict[str, Buildable] = Field(default_factory=dict)
    trainer: Trainer
    callbacks: Callbacks = Callbacks()
    logger: dict[str, Buildable] = Field(default_factory=dict)
    compile: bool | Literal["auto"]  # the network; auto: when the run is long enough to pay for it
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    name: Name | None = None  # of the run, for loggers
    tags: list[Name] = Field(default_factory=list)
    trust: Trust = Field(default_factory=list)  # packages that _target_ may name
    init: RunPlace | None = None  # a run folder whose weights are the start
    # a run folder to continue, or auto: the newest unfinished one
    resume: Annotated[Literal["auto"] | RunPlace | None, Field(union_mode="left_to_right")] = None

    @field_validator("scheduler", mode="before")
    @classmethod
    def _no_scheduler(cls, value: Any) -> Any:
        return value or None  # scheduler=none has no keys

    @model_validator(mode="after")
    def _check_image_size(self) -> "Train":
        size, multiple = self.data.image_size, self.model.size_multiple or 1
        if size % multiple:
            smaller, larger = size // multiple * multiple, (size // multiple + 1) * multiple
            raise ConfigError(
                f"data.image_size={size}",
                self.model.misfit,
                f"use {f'{smaller} or {larger}' if smaller else larger}",
            )
        return self

    @model_validator(mode="after")
    def _check_batch_norm(self) -> "Train":
        model, data = self.model, self.data
        if isinstance(model, OtherNetwork) or (isinstance(model, UNet) and model.norm != "batch"):
            return self
        if data.batch_size * (data.image_size // model.size_multiple) ** 2 == 1:
            depth, remedy = "", "set data.batch_size=2, or a larger data.image_size"
            if isinstance(model, UNet):
                depth = f" and model.depth={model.depth}"
                remedy = "set data.batch_size=2, model.norm=group, or a smaller model.depth"
            raise ConfigError(
                f"data.batch_size={data.batch_size}",
                f"with data.image_size={data.image_size}{depth} leaves one value per channel at "
                "the lowest level, which batch norm cannot use",
                remedy,
            )
        return self

    @property
    def waiting_for_val(self) -> list[str]:
        """The settings that need a score on Val."""
        waiting = ["protocol.checkpoint=best"] if self.protocol.checkpoint == "best" else []
        for name, node in self.callbacks.parts.items():
            watched = (node.model_extra or {}).get("monitor")
            if str(watched).startswith("val/"):
                waiting.append(setting(f"callbacks.{name}.monitor", watched))
        if self.scheduler is not None and "plateau" in self.scheduler.target:
            waiting.append("scheduler=plateau")
        return waiting

    @model_validator(mode="after")
    def _check_val(self) -> "Train":
        if not (waiting := self.waiting_for_val):
            return self
        if self.protocol.select is None:
            raise ConfigError(
                waiting[0],
                f"watches a score on Val, where protocol={self.protocol.name} selects nothing",
                "leave it out, or set protocol=holdout",
            )
        often = self.trainer.check_val_every_n_epoch
        if "scheduler=plateau" in waiting and often is None:
            raise ConfigError(
                "scheduler=plateau",
                "looks at Val after each epoch, and trainer.check_val_every_n_epoch=null scores it "
                "at other times",
                "set trainer.check_val_every_n_epoch=1, or another scheduler",
            )
        if self.trainer.limit_val_batches == 0:
            raise ConfigError(
                setting("trainer.limit_val_batches", self.trainer.limit_val_batches),
                f"leaves no score on Val for {' and '.join(waiting)}",
                "leave it out, or set protocol.checkpoint=last"
                if waiting == ["protocol.checkpoint=best"]
                else f"leave it out, or remove {' and '.join(waiting)}",
            )
        epochs = self.trainer.max_epochs
        if epochs not in {None, -1} and (often or 0) > (epochs or 0):
            raise ConfigError(
                f"trainer.check_val_every_n_epoch={often}",
                f"is more than trainer.max_epochs={epochs}, so there is no score on Val for "
                f"{waiting[0]}",
                f"set trainer.check_val_every_n_epoch={epochs} or less",
            )
        return self

    @model_validator(mode="after")
    def _check_length(self) -> "Train":
        endless = self.trainer.max_epochs in {None, -1} and self.trainer.max_steps == -1
        if endless and self.scheduler is not None and "plateau" not in self.scheduler.target:
            raise ConfigError(
                setting("trainer.max_epochs", self.trainer.max_epochs),
                "leaves the length open, which the schedule needs",
                "set trainer.max_epochs or trainer.max_steps, or scheduler=none",
            )
        return self

    @model_validator(mode="after")
    def _check_parts(self) -> "Train":
        """Refuse what a library would refuse in the middle, or not use at all."""
        for name, node in self.callbacks.parts.items():
            if node.target.endswith("LearningRateMonitor") and not self.logger:
                raise ConfigError(
                    f"callbacks.{name}",
                    "needs a logger",
                    "set logger=tensorboard; metrics.csv has the learning rate without any",
                )
            averages = node.target.endswith("StochasticWeightAveraging")
            if averages and self.protocol.checkpoint == "best":
                raise ConfigError(
                    f"callbacks.{name}",
                    "averages weights at the end of training, but protocol.checkpoint=best reports "
                    "an earlier checkpoint",
                    "set protocol.checkpoint=last, or leave the callback out",
                )
        clip = self.trainer.gradient_clip_val
        if self.optimizer.fused and clip is not None and self.trainer.mixes_precisions:
            raise ConfigError(
                "optimizer.fused=true",
                f"cannot be combined with trainer.gradient_clip_val={clip} and "
                f"trainer.precision={self.trainer.precision}",
                "leave one of them out",
            )
        return self

    @model_validator(mode="after")
    def _check_folds(self) -> "Train":
        folds, data = self.protocol.folds, self.data
        if folds and data.fold is None:
            raise ConfigError(
                "data.fold", "is not given", "set data.fold=0, or -m data.fold=0,1,2,3,4"
            )
        if not folds and data.fold is not None:
            raise ConfigError(
                f"data.fold={data.fold}",
                f"has no effect, because protocol={self.protocol.name} has no folds",
                "set protocol=kfold, or leave it out",
            )
        if data.split is not None and (
            data.exclude is not None or (folds and data.split != "auto")
        ):
            other = "protocol=kfold" if folds else setting("data.exclude", data.exclude)
            raise ConfigError(
                setting("data.split", data.split),
                f"cannot be combined with {other}, which divides the images as well",
                "leave one of them out",
            )
        if folds and data.exclude is not None:
            raise ConfigError(
                setting("data.exclude", data.exclude),
                "leaves out copies in two splits, and protocol=kfold keeps copies together",
                "leave it out",
            )
        return self

    @model_validator(mode="after")
    def _check_checkpoints(self) -> "Train":
        steps = self.callbacks.checkpoint_every_n_steps
        if steps is not None and not self.trainer.whole_epochs:
            raise ConfigError(
                setting("callbacks.checkpoint_every_n_steps", steps),
                "needs epochs that are all images once, with validation after them",
                "leave it out, or trainer.limit_train_batches, .overfit_batches, "
                ".val_check_interval and .check_val_every_n_epoch=null",
            )
        if self.trainer.enable_checkpointing is False and self.trainer.max_time is not None:
            raise ConfigError(
                setting("trainer.max_time", self.trainer.max_time),
                "ends with a checkpoint, and trainer.enable_checkpointing=false keeps none",
                "leave one of them out",
            )
        if self.trainer.enable_checkpointing is False and self.protocol.checkpoint == "best":
            raise ConfigError(
                "trainer.enable_checkpointing=false",
                "keeps no checkpoint that protocol.checkpoint=best could choose",
                "leave it out, or set protocol.checkpoint=last",
            )
        return self
