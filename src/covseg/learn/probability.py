"""A network from a grey image to a probability, as one module: what an exported file holds."""

from collections.abc import Callable

import torch
from torch import nn

from covseg.data.dataset import to_network


class ProbabilityNetwork(nn.Module):
    """Scales an image, applies a network and turns its logits into probabilities.

    Args:
        network: float32 in [0, 1], [batch, 1, size, size] -> logits [batch, targets, size, size].
        flips: whether to average with the probabilities of the mirrored image.
    """

    def __init__(self, network: nn.Module, flips: bool = False) -> None:
        super().__init__()
        self.flips = flips
        # as when it was scored
        self.network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.eval()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Probability of every pixel.

        Args:
            image: uint8 [batch, 1, size, size].

        Returns:
            float32 [batch, targets, size, size].
        """
        scaled = to_network(image).contiguous(memory_format=torch.channels_last)
        return probability_of(self.network, scaled, self.flips)


def probability_of(
    network: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, flips: bool
) -> torch.Tensor:
    """Probability of every pixel.

    Args:
        network: image -> logits.
        image: what the network takes, [batch, 1, height, width].
        flips: whether to average with the probabilities of the mirrored image.

    Returns:
        float32 [batch, targets, height, width].
    """
    probability = network(image).float().sigmoid()
    if not flips:
        return probability
    mirrored = network(image.flip(-1)).float().sigmoid().flip(-1)
    return (probability + mirrored) / 2
