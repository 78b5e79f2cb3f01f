"""Several networks as one."""

from collections.abc import Iterable

import torch
from torch import nn

_TINY = 1e-7  # a logit of 0 or 1 would be infinite


class Ensemble(nn.Module):
    """The mean of the probabilities of several networks, as logits.

    Args:
        networks: image -> logits, for the same images and targets.
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of an image.

        Args:
            image: in [0, 1], [batch, 1, height, width].

        Returns:
            [batch, targets, height, width], float32.
        """
        probabilities = [network(image).float().sigmoid() for network in self.networks]
        return torch.logit(torch.stack(probabilities).mean(dim=0), eps=_TINY)
