"""``trainer``: Lightning's Trainer."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from covseg.config.node import Node, Positive, PositiveShare, Share
from covseg.errors import ConfigError, setting


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
        "auto", 64, 32, 16, "64-true", "64", "32-true", "32", "16-true", "16-mixed", "16",
        "bf16-true", "bf16-mixed", "bf16", "transformer-engine", "transformer-engine-float16",
    ] | None  # fmt: skip
    fast_dev_run: bool | Positive
    max_epochs: Annotated[int, Field(ge=-1)] | None
    min_epochs: Positive | None
    max_steps: Annotated[int, Field(ge=-1)]
    min_steps: Positive | None
    max_time: str | dict[str, int] | None  # of one command: resume continues
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
    plugins: None  # covseg's own writes checkpoints atomically
    sync_batchnorm: bool
    reload_dataloaders_every_n_epochs: Annotated[int, Field(ge=0)]
    model_registry: str | None
    enable_autolog_hparams: bool

    @property
    def whole_epochs(self) -> bool:
        """Whether an epoch is all images once, then validation; else no run resumes within one."""
        often = self.val_check_interval
        after = often is None or (isinstance(often, float) and often == 1.0)  # 1 is every batch
        whole = self.limit_train_batches is None and not self.overfit_batches
        return bool(after and whole and self.check_val_every_n_epoch)

    @property
    def keeps_checkpoints(self) -> bool:
        """Whether training writes checkpoints; ``fast_dev_run`` makes Lightning write none."""
        return self.enable_checkpointing is not False and not self.fast_dev_run

    @property
    def mixes_precisions(self) -> bool:
        """Whether steps are in 16 bits and weights in 32; Lightning reads a bare 16 so."""
        return str(self.precision) in {"16", "bf16", "16-mixed", "bf16-mixed"}

    @property
    def scoring(self) -> "Trainer":
        """The same for scoring alone, which is in 32 bits where steps mix them with 16."""
        return self.model_copy(update={"precision": "32-true"}) if self.mixes_precisions else self

    @property
    def time_limit(self) -> timedelta | None:
        """``max_time`` as a duration."""
        if not isinstance(self.max_time, str):
            return None if self.max_time is None else timedelta(**self.max_time)
        days, hours, minutes, seconds = map(int, self.max_time.split(":"))
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)

    @model_validator(mode="after")
    def _check_limits(self) -> "Trainer":
        """Refuse what Lightning would take and ignore."""
        if self.gradient_clip_algorithm is not None and self.gradient_clip_val is None:
            raise ConfigError(
                f"trainer.gradient_clip_algorithm={self.gradient_clip_algorithm}",
                "clips nothing without trainer.gradient_clip_val",
                "set that as well, or leave it out",
            )
        for name in ("epochs", "steps"):
            least, most = getattr(self, f"min_{name}"), getattr(self, f"max_{name}")
            if least is not None and most not in {None, -1} and least > most:
                raise ConfigError(
                    f"trainer.min_{name}={least}",
                    f"is more than trainer.max_{name}={most}",
                    "raise the one or lower the other",
                )
        return self

    @model_validator(mode="after")
    def _check_length(self) -> "Trainer":
        for name in ("max_epochs", "max_steps"):
            if getattr(self, name) == 0:
                raise ConfigError(
                    f"trainer.{name}=0",
                    "trains nothing",
                    f"set trainer.{name}=1 or more, or score a run as it is with covseg.evaluate",
                )
        try:
            limit = self.time_limit
        except (ValueError, TypeError, OverflowError) as error:
            raise ConfigError(
                setting("trainer.max_time", self.max_time),
                "is not a duration",
                "write DD:HH:MM:SS, such as 00:12:00:00 for twelve hours",
            ) from error
        if limit is not None and limit <= timedelta():
            raise ConfigError(
                setting("trainer.max_time", self.max_time),
                "must be longer than zero",
                "leave it out, or give more",
            )
        return self

    @field_validator("strategy")
    @classmethod
    def _check_strategy(cls, strategy: str) -> str:
        if strategy.endswith(("spawn", "fork", "notebook")):
            raise ConfigError(
                setting("trainer.strategy", strategy),
                "starts processes by itself, as covseg does",
                "set trainer.strategy=ddp",
            )
        if strategy != "auto" and not strategy.startswith("ddp"):
            raise ConfigError(
                setting("trainer.strategy", strategy),
                "is not one whose checkpoints covseg can resume",
                "set trainer.strategy=auto or ddp",
            )
        return strategy
