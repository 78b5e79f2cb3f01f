"""The schema of every verb: what can be set, in which bounds. Values live in ``conf/``.

Hydra composes YAML; ``validation.check`` turns the result into these models or refuses it with one
sentence, before torch is even imported.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from covseg.errors import ConfigError, setting

Target = Literal["infection", "lung"]
Split = Literal["Train", "Val", "Test"]
Positive = Annotated[int, Field(ge=1)]
# name=2024 is a name; 1e3 would become another one
Name = Annotated[str, BeforeValidator(lambda name: str(name) if type(name) is int else name)]
Place = Annotated[str, Field(min_length=1)]  # a folder or a file
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]


class Node(BaseModel):
    """A part of the configuration: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class Buildable(Node):
    """A part that becomes an object: its other keys are the target's own arguments."""

    model_config = ConfigDict(extra="allow")

    target: str = Field(alias="_target_")


class PhantomData(Node):
    """The made-up dataset of ``data=phantom``."""

    seed: Annotated[int, Field(ge=0)]
    n_images: dict[Split, Annotated[int, Field(ge=1, le=100_000)]]
    lung_tree: bool  # write the tree with lung masks only as well


class Dataset(Node):
    """Where images come from."""

    name: Literal["covid_qu_ex", "phantom"]
    root: Place | None = None  # zip or folder; null: phantom data, made below cache_dir
    download: bool = False  # fetch the dataset from Kaggle when root is not there
    phantom: PhantomData | None = None
    cache_dir: Place  # where the decoded store is kept

    @field_validator("phantom", mode="before")
    @classmethod
    def _in_use(cls, phantom: Any, info: ValidationInfo) -> Any:
        """Presets for made-up data serve for the real data as well."""
        return phantom if info.data.get("name") == "phantom" else None


class Data(Dataset):
    """Where images come from, and how they reach the network."""

    targets: Annotated[list[Target], Field(min_length=1)]
    image_size: Annotated[int, Field(ge=8, le=4096)]  # pixels, side of the network's input
    batch_size: Positive  # images a step and process
    num_workers: Annotated[int, Field(ge=0, le=256)]  # loader processes a process; 0: none
    exclude: Place | None = None  # a findings.csv: copies in earlier splits are left out
    fold: Annotated[int, Field(ge=0, le=4)] | None = None  # that is reported, with protocol=kfold

    @field_validator("targets")
    @classmethod
    def _once(cls, targets: list[Target]) -> list[Target]:
        if len(set(targets)) < len(targets):
            raise ConfigError(
                setting("data.targets", targets), "names a target twice", "name each once"
            )
        return targets


class Protocol(Node):
    """Which part of the images is for what. Test never steers anything."""

    name: str
    fit: Annotated[list[Literal["Train", "Val", "others"]], Field(min_length=1)]
    select: Literal["Val"] | None  # where a checkpoint is chosen; null: nothing is chosen
    checkpoint: Literal["best", "last"]  # which one is reported
    # auto: Test, and Val for a job of a multirun
    report: Literal["auto", "Val", "Test", "fold"]
    threshold: Share  # prediction = probability > threshold
    detection_min_pixels: Positive  # predicted pixels that call an image infected

    @model_validator(mode="after")
    def _honest(self) -> "Protocol":
        if self.select in self.fit:
            raise ConfigError(
                f"protocol.select={self.select}",
                "is fitted on as well (protocol.fit), so it cannot choose",
                "take it out of protocol.fit, or say protocol.select=null protocol.checkpoint=last",
            )
        if self.checkpoint == "best" and self.select is None:
            raise ConfigError(
                "protocol.checkpoint=best",
                f"needs a split to choose on, and protocol={self.name} has none (protocol.select)",
                "say protocol.checkpoint=last, or protocol=holdout",
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
                f"does not go together with protocol.fit=[{','.join(self.fit)}]",
                "say protocol=kfold, or leave protocol.fit and protocol.report out",
            )
        return self

    @property
    def folds(self) -> bool:
        """Whether the splits do not count, but ``data.fold`` is reported and the others fitted."""
        return self.report == "fold"


class Model(Node):
    """The network."""

    target: Literal["covseg.learn.unet.UNet"] = Field(alias="_target_")
    depth: Annotated[int, Field(ge=1, le=8)]  # down- and up-samplings
    base_channels: Annotated[int, Field(ge=1, le=1024)]  # of the first level, doubled each level
    norm: Literal["none", "batch", "group"]
    compile: bool | Literal["auto"]  # auto: when the run is long enough to pay for it


class Optimizer(Buildable):
    """A torch optimizer."""

    lr: Annotated[float, Field(gt=0, le=1e3)]  # learning rate
    weight_decay: Annotated[float, Field(ge=0, le=1e3)] = 0.0


class Trainer(Node):
    """Lightning's Trainer, argument for argument; see its documentation for what each does.

    Absent are ``logger``, ``callbacks`` and ``default_root_dir``: the groups ``logger`` and
    ``callbacks`` and ``hydra.run.dir`` set those.
    """

    accelerator: Literal["auto", "cpu", "gpu", "cuda"]
    strategy: str
    devices: Annotated[int, Field(ge=-1)] | list[int] | str
    num_nodes: Positive
    precision: Literal[
        64, 32, 16, "64-true", "64", "32-true", "32", "16-true", "16-mixed", "16", "bf16-true",
        "bf16-mixed", "bf16", "transformer-engine", "transformer-engine-float16",
    ] | None  # fmt: skip
    fast_dev_run: bool | Positive
    max_epochs: Annotated[int, Field(ge=-1)] | None
    min_epochs: Positive | None
    max_steps: Annotated[int, Field(ge=-1)]
    min_steps: Positive | None
    max_time: str | dict[str, int] | None
    limit_train_batches: Positive | PositiveShare | None
    limit_val_batches: Annotated[int, Field(ge=0)] | Share | None
    limit_test_batches: Positive | PositiveShare | None
    limit_predict_batches: Annotated[int, Field(ge=0)] | Share | None
    overfit_batches: Annotated[int, Field(ge=0)] | Share
    val_check_interval: Positive | PositiveShare | str | dict[str, int] | None
    check_val_every_n_epoch: Positive | None
    num_sanity_val_steps: Annotated[int, Field(ge=-1)] | None
    log_every_n_steps: Positive | None
    enable_checkpointing: bool | None
    enable_progress_bar: bool | None
    enable_model_summary: bool | None
    accumulate_grad_batches: Positive
    gradient_clip_val: Annotated[float, Field(gt=0)] | None
    gradient_clip_algorithm: Literal["norm", "value"] | None
    deterministic: bool | Literal["warn"] | None
    benchmark: bool | None
    inference_mode: bool
    use_distributed_sampler: Literal[False]  # Lightning's would score some images twice
    profiler: Literal["simple", "advanced", "pytorch", "xla"] | None
    detect_anomaly: bool
    barebones: bool
    plugins: None  # one is covseg's: it writes checkpoints whole
    sync_batchnorm: bool
    reload_dataloaders_every_n_epochs: Annotated[int, Field(ge=0)]
    model_registry: str | None
    enable_autolog_hparams: bool

    @property
    def whole_epochs(self) -> bool:
        """Whether an epoch is all images once, then validation: else no run goes on within one."""
        often = self.val_check_interval
        behind = often is None or (isinstance(often, float) and often == 1.0)  # 1 is every batch
        whole = self.limit_train_batches is None and not self.overfit_batches
        return bool(behind and whole and self.check_val_every_n_epoch)

    @field_validator("strategy")
    @classmethod
    def _no_launcher(cls, strategy: str) -> str:
        if strategy.endswith(("spawn", "fork", "notebook")):
            raise ConfigError(
                setting("trainer.strategy", strategy),
                "starts processes by itself, which covseg does",
                "say trainer.strategy=ddp",
            )
        return strategy


class Callbacks(Node):
    """What happens around the steps: checkpoints, and callbacks of any name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Buildable] = Field(init=False)

    checkpoint_every_n_steps: Positive | None = None  # bounds what a kill can cost; null: an epoch

    @property
    def parts(self) -> dict[str, Buildable]:
        """Those that are built, by name."""
        return self.__pydantic_extra__


class Train(Node):
    """``python -m covseg.train``."""

    data: Data
    protocol: Protocol
    model: Model
    loss: Buildable
    optimizer: Optimizer
    scheduler: Buildable | None = None
    augment: dict[str, Buildable] = {}
    trainer: Trainer
    callbacks: Callbacks = Callbacks()
    logger: dict[str, Buildable] = {}
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    name: Name | None = None  # of the run, for loggers
    tags: list[Name] = []
    init: Place | None = None  # a run folder whose weights are the start
    resume: Place | None = None  # a run folder that goes on, or auto: the newest unfinished one

    @field_validator("scheduler", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return value or None  # scheduler=none has no keys

    @model_validator(mode="after")
    def _fits(self) -> "Train":
        size, multiple = self.data.image_size, 2**self.model.depth
        if size % multiple:
            smaller, larger = size // multiple * multiple, (size // multiple + 1) * multiple
            raise ConfigError(
                f"data.image_size={size}",
                f"cannot be halved {self.model.depth} times (model.depth)",
                f"use {f'{smaller} or {larger}' if smaller else larger}",
            )
        return self

    @model_validator(mode="after")
    def _agrees(self) -> "Train":
        if self.protocol.select is None:
            waiting = [
                f"callbacks.{name}"
                for name, node in self.callbacks.parts.items()
                if node.target.endswith("EarlyStopping")
            ]
            if self.scheduler is not None and "plateau" in self.scheduler.target:
                waiting.append("scheduler=plateau")
            if waiting:
                raise ConfigError(
                    waiting[0],
                    f"watches a score on Val, where protocol={self.protocol.name} selects nothing",
                    "leave it out, or say protocol=holdout",
                )
        endless = self.trainer.max_epochs in {None, -1} and self.trainer.max_steps == -1
        if endless and self.scheduler is not None and "plateau" not in self.scheduler.target:
            raise ConfigError(
                setting("trainer.max_epochs", self.trainer.max_epochs),
                "leaves the length open that the schedule needs",
                "set trainer.max_epochs or trainer.max_steps, or say scheduler=none",
            )
        if self.trainer.limit_val_batches == 0 and self.protocol.checkpoint == "best":
            raise ConfigError(
                setting("trainer.limit_val_batches", self.trainer.limit_val_batches),
                "leaves nothing of Val by which protocol.checkpoint=best could be chosen",
                "leave it out, or say protocol.checkpoint=last",
            )
        return self

    @model_validator(mode="after")
    def _divides(self) -> "Train":
        folds, data = self.protocol.folds, self.data
        if folds and data.fold is None:
            raise ConfigError(
                "data.fold", "is not given", "say data.fold=0, or -m data.fold=0,1,2,3,4"
            )
        if not folds and data.fold is not None:
            raise ConfigError(
                f"data.fold={data.fold}",
                f"is of no use, because protocol={self.protocol.name} has no folds",
                "say protocol=kfold, or leave it out",
            )
        if folds and data.exclude is not None:
            raise ConfigError(
                setting("data.exclude", data.exclude),
                "leaves out copies in two splits, and protocol=kfold keeps copies together",
                "leave it out",
            )
        return self

    @model_validator(mode="after")
    def _keeps(self) -> "Train":
        steps = self.callbacks.checkpoint_every_n_steps
        if steps is not None and not self.trainer.whole_epochs:
            raise ConfigError(
                setting("callbacks.checkpoint_every_n_steps", steps),
                "is for epochs that are all images once, with validation behind them",
                "leave it out, or trainer.limit_train_batches, .overfit_batches, "
                ".val_check_interval and .check_val_every_n_epoch=null",
            )
        if self.trainer.enable_checkpointing is False and self.protocol.checkpoint == "best":
            raise ConfigError(
                "trainer.enable_checkpointing=false",
                "keeps no checkpoint of which protocol.checkpoint=best could be chosen",
                "leave it out, or say protocol.checkpoint=last",
            )
        return self


class OtherData(Node):
    """What of a run's data an evaluation may replace."""

    name: Literal["covid_qu_ex", "phantom"] | None = None
    root: Place | None = None
    download: bool | None = None
    phantom: dict[str, Any] | None = None
    cache_dir: Place | None = None
    batch_size: Positive | None = None
    num_workers: Annotated[int, Field(ge=0, le=256)] | None = None


class Evaluate(Node):
    """``python -m covseg.evaluate``; what is null is as in the run."""

    run: Place  # the run folder
    split: Literal["Val", "Test"] | None = None  # no choice with protocol=kfold
    checkpoint: Literal["best", "last"] | None = None
    threshold: Share | None = None
    detection_min_pixels: Positive | None = None
    data: OtherData
    trainer: dict[str, Any]


class Explore(Node):
    """``python -m covseg.explore``."""

    data: Dataset
