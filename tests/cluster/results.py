"""A run that is long enough to be interrupted, and whether two runs had the same result."""

from pathlib import Path

TRAIN = (
    *("experiment=debug", "data.image_size=64", "augment=standard", "callbacks=none"),
    "data.phantom.n_images={Train:48,Val:8,Test:8}",
)


def assert_same_result(one: Path, other: Path) -> None:
    for name in ("metrics.csv", "per_image.csv", "summary.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
