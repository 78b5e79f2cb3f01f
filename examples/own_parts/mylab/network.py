"""A network from MONAI, as covseg wants it: one logit per pixel and target."""

from collections.abc import Sequence

from monai.networks.nets import UNet
from torch import nn


def residual_unet(channels: Sequence[int], out_channels: int) -> nn.Module:
    """A U-Net with residual units that halves an image ``len(channels) - 1`` times.

    Args:
        channels: of each level, the finest first.
        out_channels: number of targets; covseg gives it.
    """
    return UNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=out_channels,
        channels=channels,
        strides=[2] * (len(channels) - 1),
        num_res_units=2,
    )
