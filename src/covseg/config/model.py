"""``model``: the network, covseg's own or any other."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from covseg.config.node import Buildable, Node, Place, Positive, absolute
from covseg.errors import ConfigError, setting

_UNET = "covseg.learn.networks.unet.UNet"
_LITE = "covseg.learn.networks.lite_unet.LiteUNet"


class UNet(Node):
    """covseg's U-Net."""

    target: Literal["covseg.learn.networks.unet.UNet"] = Field(alias="_target_")
    depth: Annotated[int, Field(ge=1, le=8)]  # down- and up-samplings
    base_channels: Annotated[int, Field(ge=1, le=1024)]  # of the first level, doubled each level
    norm: Literal["none", "batch", "group"]

    @property
    def size_multiple(self) -> int:
        """What ``data.image_size`` must be a multiple of."""
        return 1 << self.depth

    @property
    def misfit(self) -> str:
        """What is wrong with a ``data.image_size`` that is none."""
        return f"cannot be halved {self.depth} times (model.depth)"


class LiteUNet(Node):
    """covseg's U-Net with an EfficientNet-lite encoder."""

    target: Literal["covseg.learn.networks.lite_unet.LiteUNet"] = Field(alias="_target_")
    encoder: Literal["lite0", "lite2"]
    # whether the encoder begins with the weights of ImageNet, or a file of such weights
    pretrained: bool | Place

    @property
    def size_multiple(self) -> int:
        """What ``data.image_size`` must be a multiple of."""
        return 32

    @property
    def misfit(self) -> str:
        """What is wrong with a ``data.image_size`` that is none."""
        return f"is not a multiple of {self.size_multiple}, which this network needs"


class OtherNetwork(Buildable):
    """Any ``nn.Module`` from [batch, 1, size, size] to [batch, targets, size, size].

    The other keys are the arguments of its constructor. ``out_channels``, or ``classes``, is the
    number of targets where the constructor takes it and the configuration does not set it.
    """

    # what data.image_size must be a multiple of; null: the network's own attribute, or anything
    size_multiple: Positive | None = None

    @property
    def misfit(self) -> str:
        """What is wrong with a ``data.image_size`` that is none."""
        return f"is not a multiple of {self.size_multiple} (model.size_multiple)"


def _name_or_file(weights: str) -> str:
    return absolute(weights) if {".", "/", "\\"} & set(weights) else weights


class SMPNetwork(OtherNetwork):
    """A network of segmentation_models_pytorch, with any of its encoders."""

    encoder_name: str
    # a name of its published weights, which are downloaded; a file of such weights; null: none
    encoder_weights: Annotated[str, AfterValidator(_name_or_file)] | None

    @model_validator(mode="after")
    def _check_weights(self) -> "SMPNetwork":
        if {":", "/"} & set(self.encoder_name):  # a run folder may have come by mail
            raise ConfigError(
                setting("model.encoder_name", self.encoder_name),
                "is an address, from which covseg downloads nothing",
                "name an encoder of segmentation_models_pytorch",
            )
        own = ("checkpoint", "pretrained", "cache_dir")  # of timm, to which other keys are passed
        for key, value in (self.model_extra or {}).items():
            if key.startswith(own):
                raise ConfigError(
                    setting(f"model.{key}", value),
                    "is not taken by covseg",
                    "set model.encoder_weights",
                )
        if self.weights_file and self.encoder_name.startswith("tu-"):
            raise ConfigError(
                setting("model.encoder_weights", self.encoder_weights),
                f"is a file, which model.encoder_name={self.encoder_name} cannot read",
                "set model.encoder_weights=imagenet, or an encoder without tu-",
            )
        return self

    @property
    def weights_file(self) -> Path | None:
        """The file that ``encoder_weights`` names, if it names one."""
        path = Path(self.encoder_weights or "")
        return path if path.is_absolute() else None


def _kind(model: Any) -> str:
    target = model.get("_target_") if isinstance(model, dict) else getattr(model, "target", _UNET)
    if str(target).startswith("segmentation_models_pytorch."):
        return "smp"
    return {_UNET: "unet", _LITE: "lite"}.get(str(target), "other")


Model = Annotated[
    Annotated[UNet, Tag("unet")]
    | Annotated[LiteUNet, Tag("lite")]
    | Annotated[SMPNetwork, Tag("smp")]
    | Annotated[OtherNetwork, Tag("other")],
    Discriminator(_kind),
]
