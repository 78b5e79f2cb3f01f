"""The images that tell most about a run."""

import numpy as np

from covseg.measure.records import Records
from covseg.measure.scores import dice_of_each


def telling_images(records: Records) -> dict[str, tuple[int, str]]:
    """Best, median and worst positive image by Dice, and the largest false alarm.

    Returns:
        name -> place in ``records`` and caption, for those that there are.
    """
    counts = records.counts()
    dice, positive = dice_of_each(counts), counts.positive
    by_dice = np.flatnonzero(positive)[np.argsort(dice[positive], kind="stable")]
    images = {}
    if len(by_dice):
        places = {"best": -1, "median": len(by_dice) // 2, "worst": 0}
        for name, rank in places.items():
            place = int(by_dice[rank])
            images[name] = place, f"{records.name[place]}: Dice {dice[place]:.3f}"
    if not positive.all():
        place = int(np.where(positive, -1, counts.fp).argmax())
        images["false_alarm"] = place, f"{records.name[place]}: {counts.fp[place]:.0f} px"
    return images
