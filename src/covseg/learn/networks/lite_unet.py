"""A U-Net whose encoder is EfficientNet-lite, and may begin with the weights of ImageNet."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from covseg.learn.networks.efficientnet_lite import EfficientNetLite, Size

_WIDTHS = (96, 64, 48, 32, 16)  # channels of the decoder, the coarsest level first
_RARE = -2.0  # logit that training begins with: most pixels are negative


class LiteUNet(nn.Module):
    """U-Net with an EfficientNet-lite encoder and a decoder of nearest-neighbour upsamplings.

    Args:
        encoder: ``lite0`` (3.6 million weights) or ``lite2`` (5.1 million).
        out_channels: logits per pixel, one per target.
    """

    size_multiple = 32

    def __init__(self, encoder: Size = "lite0", out_channels: int = 1) -> None:
        super().__init__()
        self.encoder = EfficientNetLite(encoder)
        skips = [*reversed(self.encoder.channels[:-1]), 0]  # none at the size of the image
        widths = (self.encoder.channels[-1], *_WIDTHS)
        self.decoder = nn.ModuleList(
            _double_convolution(coarse + skip, fine)
            for (coarse, fine), skip in zip(pairwise(widths), skips, strict=True)
        )
        self.head = nn.Conv2d(_WIDTHS[-1], out_channels, 1)
        nn.init.constant_(self.head.bias, _RARE)  # type: ignore[arg-type]  # there is one

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of an image.

        Args:
            image: in [0, 1], [batch, 1, height, width], multiples of ``size_multiple``.

        Returns:
            [batch, out_channels, height, width].
        """
        *skips, x = self.encoder(image)
        for level in self.decoder:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = level(torch.cat([x, skips.pop()], dim=1) if skips else x)
        logits: torch.Tensor = self.head(x)
        return logits


def _double_convolution(n_in: int, n_out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (n_in, n_out):
        layers += [
            nn.Conv2d(channels, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
