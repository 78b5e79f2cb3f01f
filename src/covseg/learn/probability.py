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
        logits: torch.Tensor = self.network(scaled)
        return logits.float().sigmoid()
