"""What W&B shows beside numbers: curves over thresholds, and a table of the images."""

from typing import Any

import wandb

from covseg.measure.histogram import Histogram
from covseg.report.pictures import tinted
from covseg.report.result import RunResult


def plots(above: str, histogram: Histogram) -> dict[str, Any]:
    """Precision over recall, and the share of positive pixels over the mean probability."""
    curve = zip(histogram.recall, histogram.precision, histogram.thresholds, strict=True)
    precision = wandb.Table(
        ["recall", "precision", "threshold"], [list(map(float, p)) for p in curve]
    )
    reliability = wandb.Table(
        ["mean probability", "share of positive pixels", "pixels"],
        histogram.reliability().tolist(),
    )
    return {
        f"{above}/precision_recall": wandb.plot.line(
            precision, "recall", "precision", title=f"{above}: precision and recall"
        ),
        f"{above}/reliability": wandb.plot.line(
            reliability,
            "mean probability",
            "share of positive pixels",
            title=f"{above}: reliability",
        ),
    }


def image_table(result: RunResult, target: str) -> wandb.Table:
    """One row per image; the telling ones with masks over the image, and with the probability."""
    columns, rows = result.of_each_image(target)
    telling = result.telling(target)
    drawn: dict[int, tuple[wandb.Image, wandb.Image]] = {}
    for number, shown in zip(telling, result.predict(target, telling), strict=True):
        image, truth, probability = shown.at_truth_size()
        masks = {"truth": truth, "prediction": probability > result.threshold}
        overlay = wandb.Image(
            image,
            masks={
                name: {"mask_data": mask.astype("uint8"), "class_labels": {1: target}}
                for name, mask in masks.items()
            },
        )
        drawn[number] = overlay, wandb.Image(tinted(image, probability))
    table = wandb.Table([*columns, "overlay", "probability"])
    for number, row in enumerate(rows):
        table.add_data(*row, *drawn.get(number, (None, None)))
    return table
