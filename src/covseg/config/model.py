"""``model``: the network, covseg's own or any other."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from covseg.config.node import Buildable, Node, Positive

_UNET = "covseg.learn.networks.unet.UNet"


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


class OtherNetwork(Buildable):
    """Any ``nn.Module`` from [batch, 1, size, size] to [batch, targets, size, size].

    The other keys are the arguments of its constructor. ``out_channels`` is the number of targets
    where the constructor takes it and the configuration does not set it.
    """

    # what data.image_size must be a multiple of; null: the network's own attribute, or anything
    size_multiple: Positive | None = None


def _kind(model: Any) -> str:
    target = model.get("_target_") if isinstance(model, dict) else getattr(model, "target", _UNET)
    return "unet" if target == _UNET else "other"


Model = Annotated[
    Annotated[UNet, Tag("unet")] | Annotated[OtherNetwork, Tag("other")], Discriminator(_kind)
]
