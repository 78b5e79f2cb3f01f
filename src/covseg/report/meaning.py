"""What each kind of finding means and why it matters, for the tables and the page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """The meaning of a kind of finding."""

    what: str  # definition, short enough for a table
    why: str  # why it matters for training and testing, in complete sentences


_COPY = (
    "Within a split, copies count one radiograph more than once. Across splits they are a leak: "
    "the network is tested on an image that it was trained on, and the score is too good."
)
MEANINGS = {
    "missing": Meaning(
        "an image without its mask, or a mask without its image",
        "An image without its mask cannot be used and is excluded.",
    ),
    "unreadable": Meaning(
        "a file that cannot be decoded",
        "The image is excluded from everything else on this page, and training refuses it.",
    ),
    "wrong_mode": Meaning(
        "a file that is not an 8-bit greyscale image",
        "The grey values of a colour or 16-bit image are ambiguous, so the image is excluded.",
    ),
    "wrong_size": Meaning(
        "a size that differs from that of most images",
        "Its pixels are not comparable with those of other images, so the image is excluded.",
    ),
    "wrong_values": Meaning(
        "a mask with values other than 0 and 255",
        "Whether a pixel with such a value is infected is undefined; often the file was saved with "
        "lossy compression.",
    ),
    "odd_name": Meaning(
        "a name that does not match the pattern of its class",
        "The file may belong to another class or another source; it is used nevertheless.",
    ),
    "empty_mask": Meaning(
        "a COVID-19 image with an empty infection mask",
        "Either the infection is not visible or it was not annotated: a network learns that there "
        "is none, and Dice is undefined.",
    ),
    "unexpected_infection": Meaning(
        "infection in an image of another class",
        "The class and the mask contradict each other; one of the two is wrong.",
    ),
    "infection_outside_lung": Meaning(
        "lesion outside the lung mask",
        "One of the two masks is wrong. The value is the share of the lesion outside the lungs.",
    ),
    "infection_is_lung": Meaning(
        "the mask of the lesion is the lung mask",
        "Either the lungs are completely affected or the lesion was not annotated in detail. "
        "A network learns from such masks to segment the lungs.",
    ),
    "patient_in_splits": Meaning(
        "two images of a patient in two splits",
        "The network is tested on a person on whom it was trained, and the score is too good. "
        "data.split=auto keeps a patient in one split.",
    ),
    "exact_duplicate": Meaning("all pixels are equal", _COPY),
    "near_duplicate": Meaning("correlation of at least 0.97", _COPY),
    "near_duplicate_mirrored": Meaning("the same, with one image mirrored", _COPY),
    "aligned_duplicate": Meaning("equal up to crop, rotation and grey values", _COPY),
    "aligned_duplicate_mirrored": Meaning("the same, with one image mirrored", _COPY),
    "masks_disagree": Meaning(
        "copies whose masks differ",
        "One radiograph has two different annotations. Their agreement (the value is their Dice) "
        "limits the score that can be expected of any network on this data.",
    ),
}
