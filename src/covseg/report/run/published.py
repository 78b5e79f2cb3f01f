"""Published results on the official Test split, each with its way of averaging where it is known.

Dice and IoU averaged in different ways cannot be compared: ``covseg.translate`` says what a
published pair can mean.
"""

from dataclasses import dataclass

from covseg.data.layouts.covid_qu_ex.names import PUBLISHED
from covseg.measure.summary import Summary

# of the infection segmentation data as it was published, see ``Store.fingerprint``
OFFICIAL_FINGERPRINT = "0d59ed5d34ce92862a2dbf7703baac077c281c101dffdd0039e7f91de15c6f04"


@dataclass(frozen=True)
class PublishedResult:
    """Dice and IoU of a work, as shares."""

    work: str
    url: str
    network: str
    averaging: str
    dice: float
    iou: float


_MEDSEGBENCH = ("MedSegBench (Kuş and Aydin, 2024)", "https://doi.org/10.1038/s41597-024-04159-2")
PER_IMAGE = "mean over positive images"
_UNKNOWN = "not stated"

RESULTS = [
    PublishedResult(
        "Tahir et al., 2021, the dataset's authors",
        "https://doi.org/10.1016/j.compbiomed.2021.105002",
        "best of U-Net, U-Net++ and FPN",
        f"{_UNKNOWN}; a mean over all images would agree with the others",
        0.8821,
        0.8305,
    ),
    *(
        PublishedResult(*_MEDSEGBENCH, f"U-Net, {encoder}", PER_IMAGE, dice, iou)
        for encoder, dice, iou in (
            ("DenseNet-121", 0.756, 0.647),
            ("EfficientNet-b0", 0.744, 0.633),
            ("MobileNetV2", 0.742, 0.631),
            ("ResNet-18", 0.740, 0.627),
            ("ResNet-50", 0.734, 0.620),
        )
    ),
    PublishedResult(
        "nguyen-brat/COVID-QU-Ex-Segmentation",
        "https://github.com/nguyen-brat/COVID-QU-Ex-Segmentation",
        "MobileNetV3, multi-task",
        _UNKNOWN,
        0.8565,
        0.8017,
    ),
]


def is_official_test(split: str, infection: Summary | None, fingerprint: str | None) -> bool:
    """Whether scores are of the infection on every image of the official Test split.

    Args:
        split: that was scored.
        infection: the summary of this target, None of a run without it.
        fingerprint: of the data.
    """
    return (
        fingerprint == OFFICIAL_FINGERPRINT
        and split == "Test"
        and infection is not None
        and infection["n_images"] == sum(PUBLISHED["Test"].values())
    )
