"""Pictures of the images that tell most about a run: worst, median, best, false alarms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from covseg.measure.records import Records
from covseg.measure.scores import dice_of_each, iou_of_each, rmse_of_each
from covseg.report.html.thumbnails import embedded
from covseg.report.pictures import row
from covseg.report.result import RunResult

_N = 6  # images of a kind
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Picture:
    """An image with truth, probability and error."""

    name: str
    patient_class: str
    numbers: str
    url: str


def galleries(result: RunResult, target: str, records: Records) -> dict[str, list[Picture]]:
    """The pictures of a target, by kind; without a kind that has no image.

    Args:
        result: of the run.
        target: that is shown.
        records: of the target.
    """
    chosen = chosen_images(records)
    order = [int(place) for places in chosen.values() for place in places]
    shown = dict(zip(order, result.predict(target, order), strict=True))
    captions = _numbers(records)

    def picture(place: int) -> Picture:
        of = shown[place]
        drawn = row(of.image, of.truth, of.probability, result.threshold)
        name, patient_class = str(records.name[place]), str(records.patient_class[place])
        return Picture(name, patient_class, captions(place), embedded(drawn))

    return {kind: [picture(int(place)) for place in places] for kind, places in chosen.items()}


def chosen_images(records: Records) -> Mapping[str, Places]:
    """Numbers of the records of each kind; an image is shown once.

    The median ones are nearest to the median Dice of positive images; false alarms are negative
    images, those with the most predicted pixels first.
    """
    counts = records.counts()
    dice, positive = dice_of_each(counts), np.flatnonzero(counts.positive)
    # of images with the same Dice, such as 0, the one with the most infection is the worst
    ordered = positive[np.lexsort((-counts.truth_pixels[positive], dice[positive]))]
    n = min(_N, len(ordered) // 3 or len(ordered))
    middle = (len(ordered) - n) // 2
    alarms = np.flatnonzero(~counts.positive & (counts.predicted_pixels > 0))
    alarms = alarms[np.argsort(-counts.predicted_pixels[alarms], kind="stable")]
    chosen = {"Worst": ordered[:n]}
    if len(ordered) >= 3:
        chosen |= {"Median": ordered[middle : middle + n], "Best": ordered[::-1][:n]}
    chosen["False alarms"] = alarms[:_N]
    return {kind: places for kind, places in chosen.items() if len(places)}


def _numbers(records: Records) -> Callable[[int], str]:
    counts = records.counts()
    dice, iou, rmse = dice_of_each(counts), iou_of_each(counts), rmse_of_each(counts)

    def text(place: int) -> str:
        predicted, true = counts.predicted_pixels[place], counts.truth_pixels[place]
        pixels = f"{predicted:,.0f} pixels predicted, {true:,.0f} true, RMSE {rmse[place]:.3f}"
        if not counts.positive[place]:
            return pixels
        return f"Dice {dice[place]:.3f}, IoU {iou[place]:.3f}, {pixels}"

    return text
