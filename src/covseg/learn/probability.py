"""A network from a grey image to a probability, as one module: what an exported file holds."""

import torch
from torch import nn

from covseg.data.dataset import to_network


class ProbabilityNetwork(nn.Module):
    """Scales an image, applies a network and turns its logits into probabilities.

    Args:
        network: float32 in [0, 1], [batch, 1, size, size] -> logits [batch, targets, size, size].
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Probability of every pixel.

        Args:
            image: uint8 [batch, 1, size, size].

        Returns:
            float32 [batch, targets, size, size].
        """
        logits: torch.Tensor = self.network(to_network(image))
        return logits.float().sigmoid()
