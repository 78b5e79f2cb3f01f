"""What each kind of finding is, and why it matters: the words of the tables and of the page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """Words about a kind of finding.

    Attributes:
        what: it is, short enough for a table.
        why: it matters to whoever trains or tests on this data, as whole sentences.
    """

    what: str
    why: str


_COPY = (
    "Within a split copies count one radiograph more than once. Across splits they are a leak: the "
    "network is tested on an image that it was fitted on, and the score is too good."
)
MEANINGS = {
    "missing": Meaning(
        "an image without its mask, or a mask without its image",
        "Without an infection mask there is nothing to fit or score: the image is left out.",
    ),
    "unreadable": Meaning(
        "a file that cannot be decoded",
        "The image is left out of everything else on this page, and a training refuses it.",
    ),
    "wrong_mode": Meaning(
        "a picture that is not 8-bit grey",
        "Colours or 16 bits would have to be guessed into grey values, so the image is left out.",
    ),
    "wrong_size": Meaning(
        "another size than most images have",
        "Pixels of another size are not comparable with the others, so the image is left out.",
    ),
    "wrong_values": Meaning(
        "a mask with other values than 0 and 255",
        "Where a mask is neither 0 nor 255 nobody has said whether it is infection; often the file "
        "was saved with loss.",
    ),
    "odd_name": Meaning(
        "a name that breaks the pattern of its class",
        "It can be a file of another class or another source; it is used nevertheless.",
    ),
    "empty_mask": Meaning(
        "COVID-19 without any infection marked",
        "Either the infection cannot be seen or nobody has drawn it: a network is told that there "
        "is none, and a Dice is not defined.",
    ),
    "unexpected_infection": Meaning(
        "infection marked where the class has none",
        "The class and the mask deny each other; one of the two is wrong.",
    ),
    "infection_outside_lung": Meaning(
        "infection marked where no lung is",
        "One of the two masks is wrong there. The value is the share of the infection outside.",
    ),
    "infection_is_lung": Meaning(
        "the infection mask is the lung mask",
        "Either the lungs are affected as a whole or nobody has drawn where the infection ends. "
        "A network learns from these to mark all of the lungs.",
    ),
    "exact_duplicate": Meaning("every pixel the same", _COPY),
    "near_duplicate": Meaning("correlation of 0.97 and more as they are", _COPY),
    "near_duplicate_mirrored": Meaning("the same, with one of them mirrored", _COPY),
    "aligned_duplicate": Meaning("the same once re-cropped, turned or re-toned", _COPY),
    "aligned_duplicate_mirrored": Meaning("the same, with one of them mirrored", _COPY),
    "masks_disagree": Meaning(
        "copies whose infection masks differ",
        "One radiograph, two truths. How well they agree (the value is their Dice) is a limit that "
        "no network's score on this data can be expected to pass.",
    ),
}
