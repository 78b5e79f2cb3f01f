"""What a published pair of Dice and IoU can mean, where a paper does not say how it averaged.

Of one set of pixels IoU = D / (2 - D), which is convex: by Jensen's inequality a mean over sets has
D / (2 - D) <= IoU <= D, with equality on the left if all sets have the same Dice.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from covseg.measure.counts import Numbers

_STEPS = 1001  # of the false alarm rate


Value = TypeVar("Value", float, Numbers)


def iou_of(dice: Value) -> Value:
    """IoU of one set of pixels with this Dice."""
    return dice / (2 - dice)


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
        rounding: largest error by rounding of either, e.g. 0.00005 of 88.21 %.
    """

    dice: float
    iou: float
    rounding: float

    @classmethod
    def of(cls, dice: float, iou: float) -> "PublishedPair":
        """As printed: shares, or per cent where one is above 1."""
        scale = 100 if max(dice, iou) > 1 else 1
        decimals = max(len(repr(value).partition(".")[2]) for value in (dice, iou))
        return cls(dice / scale, iou / scale, 0.5 * 10**-decimals / scale)

    def readings(self, n_images: int, n_positive: int) -> list[Reading]:
        """The pair by each convention, for a test set of so many images.

        Args:
            n_images: in the test set.
            n_positive: with infection.
        """
        mean = self._is_mean(self.dice, self.iou)
        apart = "IoU is outside D / (2 - D) to D, between which every mean over images is"
        return [
            Reading("positive", mean, *self._pair(mean), "as it is" if mean else apart),
            self._of_all(n_images, n_positive),
            self._of_all_empty_0(n_images / n_positive),
            self._pooled(),
            Reading("batches", mean, None, None, "depends on the batches" if mean else apart),
            self._with_background(),
        ]

    def _is_mean(self, dice: float, iou: float, rounding: float | None = None) -> bool:
        """Whether sets of pixels can have these means, to within the rounding."""
        off = self.rounding if rounding is None else rounding
        in_range = -off <= iou and dice <= 1 + off
        least = iou_of(min(1.0, max(0.0, dice - off)))
        return in_range and least - off <= iou <= dice + 2 * off

    def _pair(self, known: bool) -> tuple[float | None, float | None]:
        return (self.dice, self.iou) if known else (None, None)

    def _of_all(self, n_images: int, n_positive: int) -> Reading:
        """Negative images count 1, but for the share of them with a false alarm, which count 0."""
        name, n_negative = "all, empty = 1", n_images - n_positive
        scale = n_images / n_positive

        def positive(score: float, alarms: float) -> float:
            return (n_images * score - n_negative * (1 - alarms)) / n_positive

        fitting = [
            alarms
            for alarms in np.linspace(0, 1, _STEPS).tolist()
            if self._is_mean(
                positive(self.dice, alarms), positive(self.iou, alarms), self.rounding * scale
            )
        ]
        if not fitting:
            reason = "at no false alarm rate can positive images have the rest"
            return Reading(name, False, None, None, reason)
        least = fitting[0]
        reason = f"false alarm rate {least:.0%} (possible up to {fitting[-1]:.0%})"
        pair = positive(self.dice, least), positive(self.iou, least)
        return Reading(name, True, *pair, reason.replace("%", " %"))

    def _of_all_empty_0(self, scale: float) -> Reading:
        dice, iou = self.dice * scale, self.iou * scale
        if not self._is_mean(dice, iou, self.rounding * scale):
            reason = f"positive images would have a mean Dice of {dice:.3f}"
            if dice <= 1:
                reason += f" and IoU of {iou:.3f}, outside D / (2 - D) to D"
            return Reading("all, empty = 0", False, None, None, reason)
        return Reading("all, empty = 0", True, dice, iou, "negative images count 0")

    def _with_background(self) -> Reading:
        """The mean of two sets, of which background has the higher Dice: two equations for two."""
        name, total = "with background", 2 * self.dice
        least = max(0.0, total - 1)  # Dice of infection, where background has 1
        of_infection = np.linspace(least, self.dice, _STEPS)
        ious = (iou_of(of_infection) + iou_of(total - of_infection)) / 2
        nearest = int(np.abs(ious - self.iou).argmin())
        if abs(ious[nearest] - self.iou) > 3 * self.rounding + 1 / _STEPS**2:
            low, high = ious.min(), ious.max()
            reason = f"two classes with this Dice have an IoU of {low:.4f} to {high:.4f}"
            return Reading(name, False, None, None, reason)
        reason = f"the Dice of all pixels together is {of_infection[nearest]:.3f}"
        return Reading(name, True, None, None, reason)

    def _pooled(self) -> Reading:
        low, high = iou_of(self.dice - self.rounding), iou_of(self.dice + self.rounding)
        if low - self.rounding <= self.iou <= high + self.rounding:
            return Reading("pooled", True, None, None, "says nothing about single images")
        reason = f"a pooled Dice of {self.dice:.4f} has an IoU of {iou_of(self.dice):.4f}"
        return Reading("pooled", False, None, None, reason)
