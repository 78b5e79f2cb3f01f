"""Severity: the infected share of the lungs of each image, and its error.

The dataset's authors grade severity in this way. It needs a network with both targets; a share is
pixels of infection per pixel of lung, as ``covseg.predict`` gives it. Everything can be recomputed
from ``per_image.csv``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from covseg.data.index import Key
from covseg.measure.counts import Numbers, ratio
from covseg.measure.intervals import mean_interval
from covseg.measure.records import Records

TARGETS = ("infection", "lung")


@dataclass(frozen=True)
class Severity:
    """The infected share of the lungs of n images; NaN where no lung is there or predicted.

    Attributes:
        infection: records of the images, of the target infection.
        true: share in the truth, [n].
        predicted: share in the prediction, [n]; above 1 where more infection than lung is.
    """

    infection: Records
    true: Numbers
    predicted: Numbers

    @classmethod
    def of(cls, records: Records) -> "Severity":
        """From the records of both targets."""
        of_targets = [records.where(records.target == target) for target in TARGETS]
        infection, lung = (of.counts() for of in of_targets)
        true = ratio(infection.truth_pixels, lung.truth_pixels)
        return cls(of_targets[0], true, ratio(infection.predicted_pixels, lung.predicted_pixels))

    def summary(self, families: Mapping[Key, int] | None = None) -> dict[str, Any]:
        """Errors over all images, and over positive ones, as ``summary.json`` has them.

        Args:
            families: a number for each image, equal for copies; None if copies are not known.
        """
        defined = np.isfinite(self.true) & np.isfinite(self.predicted)
        positive = self.infection.counts().positive
        return {
            "n_undefined": int((~defined).sum()),
            "all": self._errors(defined, families),
            "positive": self._errors(defined & positive, families),
        }

    def _errors(self, chosen: Any, families: Mapping[Key, int] | None) -> dict[str, Any] | None:
        """Mean absolute error and mean error, with intervals; None without any image."""
        if not chosen.any():
            return None
        of, errors = self.infection.where(chosen), (self.predicted - self.true)[chosen]
        labels = None if families is None else [families[key] for key in of.keys]

        def entry(values: Numbers) -> dict[str, float]:
            low, high = mean_interval(values, of.patient_class, labels)
            return {"value": float(values.mean()), "low": low, "high": high}

        return {
            "n_images": len(errors),
            "mean_share": float(self.true[chosen].mean()),
            "mean_absolute_error": entry(np.abs(errors)),
            "mean_error": entry(errors),
            # of predicting nothing, whose error is the share itself
            "predict_nothing": float(self.true[chosen].mean()),
        }
