"""A loss that covseg does not have."""

import torch
from torch import nn


class LogCoshDice(nn.Module):
    """Log-cosh of the Dice loss (S. Jadon, 2020, arXiv 2006.14822).

    Args:
        smooth: added to intersection and sum, in pixels, so that an empty mask has a gradient.
    """

    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        self.smooth = smooth

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar; both are [batch, targets, height, width], the mask holds 0 and 1."""
        probability, mask = logits.float().sigmoid(), mask.float()
        intersection = (probability * mask).sum((-2, -1))
        total = (probability + mask).sum((-2, -1))
        dice = (2 * intersection + self.smooth) / (total + self.smooth)
        return torch.log(torch.cosh(1 - dice)).mean()
