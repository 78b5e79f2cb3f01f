"""Losses on logits; an image with an empty mask still contributes.

Each takes ``logits`` [batch, targets, height, width] and ``mask`` of the same shape with {0, 1},
computes in float32 (squares overflow in 16 bits) and returns the mean over images, so that the mean
over the batches of two processes is the mean over the joint batch. A configuration is validated
against the annotations of the arguments.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from covseg.config.node import Share

_TINY = 1e-7
# a product with a much larger weight would overflow float32
Weight = Annotated[float, Field(ge=0, le=1e6)]
PositiveWeight = Annotated[float, Field(gt=0, le=1e6)]


class BCE(nn.Module):
    """Binary cross-entropy, the mean over pixels.

    Args:
        positive_weight: weight of an infected pixel against one that is not.
    """

    def __init__(self, positive_weight: PositiveWeight = 1.0) -> None:
        super().__init__()
        self.positive_weight = positive_weight

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar."""
        # created on the device: copying a number to it would synchronise
        weight = torch.full((), self.positive_weight, dtype=torch.float32, device=logits.device)
        return F.binary_cross_entropy_with_logits(logits.float(), mask.float(), pos_weight=weight)


class Focal(nn.Module):
    """Focal loss (T.-Y. Lin et al., 2017, arXiv 1708.02002): cross-entropy of the hard pixels.

    Args:
        gamma: how strongly well-classified pixels are down-weighted; 0 is cross-entropy.
        alpha: weight of an infected pixel; the others have 1 - alpha.
    """

    def __init__(
        self, gamma: Annotated[float, Field(ge=0, le=100)] = 2.0, alpha: Share = 0.25
    ) -> None:
        super().__init__()
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar."""
        mask = mask.float()
        cross_entropy = F.binary_cross_entropy_with_logits(logits.float(), mask, reduction="none")
        right = torch.exp(-cross_entropy)  # the probability given to the truth
        weight = self.alpha * mask + (1 - self.alpha) * (1 - mask)
        wrong = (1 - right).clamp_min(_TINY)  # a power below 1 has an infinite slope at 0
        return (weight * wrong**self.gamma * cross_entropy).mean()


class Tversky(nn.Module):
    """Tversky loss (S. S. M. Salehi et al., 2017, arXiv 1706.05721), per image and target.

    ``1 - (tp + s) / (tp + alpha fp + beta fn + s)``; alpha = beta = 0.5 is the Dice loss. The
    smoothing ``s`` is proportional to the image's size, so that a false alarm on an empty mask has
    a gradient that does not vanish, and the same one at every image size.

    Args:
        alpha: weight of false positives.
        beta: weight of false negatives.
        smooth: ``s`` as a share of the image's pixels.
    """

    def __init__(
        self,
        alpha: Weight = 0.5,
        beta: Weight = 0.5,
        smooth: PositiveWeight = 1e-3,
    ) -> None:
        super().__init__()
        self.alpha, self.beta, self.smooth = alpha, beta, smooth

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar."""
        probability, mask = logits.float().sigmoid(), mask.float()
        tp = (probability * mask).sum((-2, -1))
        fp = (probability * (1 - mask)).sum((-2, -1))
        fn = ((1 - probability) * mask).sum((-2, -1))
        s = self.smooth * mask.shape[-2] * mask.shape[-1]
        return (1 - (tp + s) / (tp + self.alpha * fp + self.beta * fn + s)).mean()


class BCEDice(nn.Module):
    """Binary cross-entropy plus Dice loss.

    Args:
        dice_weight: weight of the Dice loss; that of cross-entropy is 1.
        smooth: smoothing of the Dice loss, as a share of the image's pixels.
    """

    def __init__(self, dice_weight: Weight = 1.0, smooth: PositiveWeight = 1e-3) -> None:
        super().__init__()
        self.bce, self.dice, self.dice_weight = BCE(), Tversky(smooth=smooth), dice_weight

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar."""
        loss: torch.Tensor = self.bce(logits, mask) + self.dice_weight * self.dice(logits, mask)
        return loss


class TargetWeights(nn.Module):
    """A loss with a weight for each target: the weighted mean of its values for each of them.

    Args:
        loss: (logits, mask) -> scalar.
        weights: one per target.
    """

    def __init__(self, loss: nn.Module, weights: Sequence[float]) -> None:
        super().__init__()
        self.loss, self.weights = loss, list(weights)

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar."""
        of_targets = [
            weight * self.loss(logits[:, n : n + 1], mask[:, n : n + 1])
            for n, weight in enumerate(self.weights)
        ]
        total: torch.Tensor = torch.stack(of_targets).sum() / sum(self.weights)
        return total
