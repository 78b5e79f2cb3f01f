"""What a published pair of Dice and IoU can mean, where a paper does not say how it averaged.

Of one set of pixels IoU = D / (2 - D), which is convex: by Jensen's inequality a mean over sets has
D / (2 - D) <= IoU <= D, with equality on the left if all sets have the same Dice.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from covseg.measure.counts import Numbers

_STEPS = 1001  # of the false alarm rate
_EXACT = 1e-9  # rounding of this computation


Value = TypeVar("Value", float, Numbers)


def iou_of(dice: Value) -> Value:
    """IoU of one set of pixels with this Dice."""
    return dice / (2 - dice)


def dice_of(iou: float) -> float:
    """Dice of one set of pixels with this IoU."""
    return 2 * iou / (1 + iou)


@dataclass(frozen=True)
class Reading:
    """A published pair, read as one convention.

    Attributes:
        convention: a name of ``CONVENTIONS``, those of batches as one.
        possible: whether any set of predictions has this pair.
        dice_positive: the same as mean over positive images; None where it cannot be known.
        iou_positive: likewise.
        reason: why it is impossible, or what ``dice_positive`` assumes.
    """

    convention: str
    possible: bool
    dice_positive: float | None
    iou_positive: float | None
    reason: str


@dataclass(frozen=True)
class PublishedPair:
    """A published Dice and IoU.

    Attributes:
        dice: in [0, 1].
        iou: in [0, 1].
        dice_rounding: largest error by rounding, e.g. 0.00005 of 88.21 %.
        iou_rounding: likewise.
    """

    dice: float
    iou: float
    dice_rounding: float
    iou_rounding: float

    @classmethod
    def of(cls, dice: float, iou: float, decimals: int | None = None) -> "PublishedPair":
        """As printed: shares, or per cent where both are above 1.

        Args:
            dice: share or per cent.
            iou: in the same unit.
            decimals: digits after the point; None: those that a number has.

        Raises:
            ValueError: one is a share and the other per cent, or IoU is above Dice.
        """
        if (dice > 1) != (iou > 1):
            raise ValueError("one is a share and the other is in per cent")
        if iou > dice:
            raise ValueError("IoU is above Dice, which it never is")
        scale = 100 if dice > 1 else 1

        def rounding(value: float) -> float:
            digits = len(repr(value).partition(".")[2]) if decimals is None else decimals
            return 0.5 * float(10**-digits) / scale

        return cls(dice / scale, iou / scale, rounding(dice), rounding(iou))

    def readings(self, n_images: int, n_positive: int) -> list[Reading]:
        """The pair by each convention, for a test set of so many images.

        Args:
            n_images: in the test set.
            n_positive: with infection.
        """
        mean = self._is_mean()
        apart = "IoU is outside D / (2 - D) to D, between which every mean over images is"
        return [
            Reading("positive", True, self.dice, self.iou, "as it is")
            if mean
            else Reading("positive", False, None, None, apart),
            self._of_all(n_images, n_positive),
            self._of_all_empty_0(n_images / n_positive),
            self._pooled(),
            Reading("batches", mean, None, None, "depends on the batches" if mean else apart),
            self._with_background(),
        ]

    def _is_mean(self, exact: bool = False) -> bool:
        """Whether sets of pixels can have these means, to within the rounding or exactly.

        See the module's docstring for the bounds.
        """
        dice_off, iou_off = self.dice_rounding, self.iou_rounding
        if exact:
            dice_off, iou_off = _EXACT, _EXACT
        least_iou, most_iou = max(0.0, self.iou - iou_off), min(1.0, self.iou + iou_off)
        least, most = max(0.0, self.dice - dice_off), min(1.0, self.dice + dice_off)
        return least_iou <= most_iou and max(least, least_iou) <= min(most, dice_of(most_iou))

    def _linear(self, scale: float, shift: float) -> "PublishedPair":
        """The pair of which this one is a linear function."""
        return PublishedPair(
            scale * self.dice - shift,
            scale * self.iou - shift,
            scale * self.dice_rounding,
            scale * self.iou_rounding,
        )

    def _clipped(self) -> tuple[float, float]:
        return min(1.0, max(0.0, self.dice)), min(1.0, max(0.0, self.iou))

    def _of_all(self, n_images: int, n_positive: int) -> Reading:
        """Negative images count 1, but for the share of them with a false alarm, which count 0."""
        name, negatives = "all, empty = 1", (n_images - n_positive) / n_positive
        rates = np.linspace(0, 1, _STEPS).tolist()
        of_rate = {r: self._linear(n_images / n_positive, negatives * (1 - r)) for r in rates}
        fitting = [rate for rate, pair in of_rate.items() if pair._is_mean()]
        if not fitting:
            reason = "at no false alarm rate can positive images have the rest"
            return Reading(name, False, None, None, reason)
        exact = [rate for rate in fitting if of_rate[rate]._is_mean(exact=True)]
        least = (exact or fitting)[0]
        reason = f"false alarm rate {least:.0%} (possible up to {fitting[-1]:.0%})"
        return Reading(name, True, *of_rate[least]._clipped(), reason.replace("%", " %"))

    def _of_all_empty_0(self, scale: float) -> Reading:
        pair = self._linear(scale, 0.0)
        if not pair._is_mean():
            reason = f"positive images would have a mean Dice of {pair.dice:.3f}"
            if pair.dice <= 1:
                reason += f" and IoU of {pair.iou:.3f}, outside D / (2 - D) to D"
            return Reading("all, empty = 0", False, None, None, reason)
        return Reading("all, empty = 0", True, *pair._clipped(), "negative images count 0")

    def _pooled(self) -> Reading:
        low = iou_of(max(0.0, self.dice - self.dice_rounding))
        high = iou_of(min(1.0, self.dice + self.dice_rounding))
        if low - self.iou_rounding <= self.iou <= high + self.iou_rounding:
            return Reading("pooled", True, None, None, "says nothing about single images")
        reason = f"a pooled Dice of {self.dice:.4f} has an IoU of {iou_of(self.dice):.4f}"
        return Reading("pooled", False, None, None, reason)

    def _with_background(self) -> Reading:
        """The mean of two sets, of which background has the higher Dice: two equations for two."""
        name, total = "with background, pooled", 2 * self.dice
        least = max(0.0, total - 1)  # Dice of infection, where background has 1
        of_infection = np.linspace(least, self.dice, _STEPS)
        ious = (iou_of(of_infection) + iou_of(total - of_infection)) / 2
        low, high = float(ious.min()), float(ious.max())
        # the slope of D / (2 - D) is at most 2
        rounding = self.iou_rounding + 2 * self.dice_rounding
        if not low - rounding <= self.iou <= high + rounding:
            reason = f"two classes with this Dice have an IoU of {low:.4f} to {high:.4f}"
            return Reading(name, False, None, None, reason)
        nearest = of_infection[np.abs(ious - self.iou).argmin()]
        reason = f"the Dice of all pixels together is {nearest:.3f}"
        return Reading(name, True, None, None, reason)
