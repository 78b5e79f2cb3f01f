"""The U-Net of the source report, of any depth and width."""

from itertools import pairwise
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

Norm = Literal["none", "batch", "group"]
_CHANNELS_A_GROUP = 8  # group norm: small enough that base_channels=8 still has a group


class UNet(nn.Module):
    """U-Net: ``depth`` down- and up-samplings with skip connections.

    Two 3x3 convolutions with ReLU per level, max-pooling on the way down, transposed convolutions
    on the way up, concatenated skips, a 1x1 convolution to one logit per pixel and target
    (O. Ronneberger et al., 2015, doi 10.1007/978-3-319-24574-4_28; here with padding, so that the
    output has the input's size). At base_channels 64 and depth 3 the widths are 64-128-256-512.

    The source report does not specify normalisation and padding. The default is batch norm: without
    it the network learns far more slowly at the learning rates used here, and diverges at the
    higher ones. A convolution before a norm has no bias, which the norm would cancel.

    Args:
        depth: number of down-samplings.
        base_channels: channels of the first level; doubled at every level down.
        norm: after each 3x3 convolution; ``group`` has groups of 8 channels, or one group if the
            channels are no multiple of 8.
        in_channels: channels of the image.
        out_channels: logits per pixel, one per target.
    """

    def __init__(
        self,
        depth: int = 3,
        base_channels: int = 64,
        norm: Norm = "batch",
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        widths = [base_channels * 2**level for level in range(depth + 1)]
        self.size_multiple = 2**depth
        self.first = _double_convolution(in_channels, widths[0], norm)
        self.down = nn.ModuleList(
            _double_convolution(fine, coarse, norm) for fine, coarse in pairwise(widths)
        )
        upwards = list(pairwise(reversed(widths)))  # (coarse, fine)
        self.up = nn.ModuleList(nn.ConvTranspose2d(c, f, 2, stride=2) for c, f in upwards)
        self.merge = nn.ModuleList(_double_convolution(2 * f, f, norm) for _, f in upwards)
        self.head = nn.Conv2d(widths[0], out_channels, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of an image.

        Args:
            image: [batch, in_channels, height, width]; height and width are multiples of
                ``size_multiple``.

        Returns:
            [batch, out_channels, height, width].
        """
        levels = [self.first(image)]
        for down in self.down:
            levels.append(down(F.max_pool2d(levels[-1], 2)))
        x = levels.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([levels.pop(), up(x)], dim=1))
        logits: torch.Tensor = self.head(x)
        return logits


def _double_convolution(in_channels: int, out_channels: int, norm: Norm) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [
            nn.Conv2d(channels, out_channels, 3, padding=1, bias=norm == "none"),
            *_norm(norm, out_channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _norm(norm: Norm, channels: int) -> list[nn.Module]:
    if norm == "batch":
        return [nn.BatchNorm2d(channels)]
    if norm == "group":
        whole_groups = channels % _CHANNELS_A_GROUP == 0
        return [nn.GroupNorm(channels // _CHANNELS_A_GROUP if whole_groups else 1, channels)]
    return []
