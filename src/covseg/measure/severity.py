"""Severity: the infected share of the lungs of each image, and its error.

The authors of COVID-QU-Ex grade severity in this way. It needs a network with the lungs and another
target, the lesion; a share is pixels of the lesion per pixel of lung, as ``covseg.predict`` gives
it. Everything can be recomputed from ``per_image.csv``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from covseg.data.index import LUNG, Key
from covseg.measure.counts import Numbers, ratio
from covseg.measure.intervals import mean_interval
from covseg.measure.records import Records


@dataclass(frozen=True)
class Severity:
    """The infected share of the lungs of n images; NaN where no lung is there or predicted.

    Attributes:
        lesion: records of the images, of the first target other than the lungs.
        true: share in the truth, [n].
        predicted: share in the prediction, [n]; above 1 where more lesion than lung is.
    """

    lesion: Records
    true: Numbers
    predicted: Numbers

    @classmethod
    def of(cls, records: Records) -> "Severity | None":
        """From the records of all targets; None without the lungs, or of them alone."""
        targets = list(dict.fromkeys(records.target.tolist()))
        name = next((target for target in targets if target != LUNG), None)
        if name is None or LUNG not in targets:
            return None
        of_lesion, of_lung = (records.where(records.target == target) for target in (name, LUNG))
        lesion, lung = of_lesion.counts(), of_lung.counts()
        true = ratio(lesion.truth_pixels, lung.truth_pixels)
        return cls(of_lesion, true, ratio(lesion.predicted_pixels, lung.predicted_pixels))

    def summary(self, families: Mapping[Key, int] | None = None) -> dict[str, Any]:
        """Errors over all images, and over positive ones, as ``summary.json`` has them.

        Args:
            families: a number for each image, equal for copies; None if copies are not known.
        """
        defined = np.isfinite(self.true) & np.isfinite(self.predicted)
        positive = self.lesion.counts().positive
        return {
            "n_undefined": int((~defined).sum()),
            "all": self._errors(defined, families),
            "positive": self._errors(defined & positive, families),
        }

    def _errors(self, chosen: Any, families: Mapping[Key, int] | None) -> dict[str, Any] | None:
        """Mean absolute error and mean error, with intervals; None without any image."""
        if not chosen.any():
            return None
        of, errors = self.lesion.where(chosen), (self.predicted - self.true)[chosen]
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
