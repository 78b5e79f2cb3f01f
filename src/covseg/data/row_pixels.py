"""The pixels of one row: its image and masks, decoded, and of sizes that belong together."""

from collections.abc import Sequence
from pathlib import Path

from covseg.data.image import Pixels
from covseg.data.index import Row
from covseg.data.listing import Listing
from covseg.data.planes import Size
from covseg.data.resize import shrunk
from covseg.errors import DataError

_STRETCHED = 0.02  # of the sides' ratio, by which an image and its mask may differ
_REMEDY = "resize one of them, so that the mask lies where its image does"


def size_of_first(listing: Listing) -> Size:
    """Height and width of the first image."""
    path = listing.index.rows[0].image
    height, width = listing.reading.image(
        listing.source.read(path), f"{listing.source.path}: {path}"
    ).shape
    return height, width


def pixels_of(
    listing: Listing, row: Row, only: Size | None = None
) -> tuple[Pixels, Size, dict[str, Pixels]]:
    """The pixels of a row.

    Args:
        listing: with the row.
        row: of its index.
        only: the size that every image and mask has to have; None for any.

    Returns:
        the image at the size at which it is kept; the size of the masks, of the image as it is on
        disk where there are none; the masks.

    Raises:
        DataError: a file cannot be decoded, breaks a rule, or has another shape than others.
    """
    source, reading = listing.source, listing.reading
    image = reading.image(source.read(row.image), f"{source.path}: {row.image}")
    masks: dict[str, Pixels] = {}
    sizes = [(row.image, image.shape)]
    for target, path in list(row.files)[1:]:
        mask = reading.mask(source.read(path), f"{source.path}: {path}", target)
        sizes.append((path, mask.shape))
        check_sizes(source.path, sizes, only)
        masks[target] = mask | masks[target] if target in masks else mask
    check_sizes(source.path, sizes, only)
    height, width = sizes[-1][1]
    return shrunk(image, reading.store_size), (height, width), masks


def check_sizes(
    root: Path, sizes: Sequence[tuple[str, tuple[int, ...]]], only: Size | None
) -> None:
    """Refuse a file of a row that does not fit the others.

    Args:
        root: of the files.
        sizes: path, height and width of the image, then of its masks.
        only: the size that all have to have; None where masks have the image's proportions.

    Raises:
        DataError: names the file.
    """
    for number, (path, size) in enumerate(sizes):
        if only is not None and size != only:
            remedy = "resize all images and masks to one size"
            raise _misfit(f"{root}: {path}", size, only, "the first image", remedy)
        if number == 1 and _stretched(size, sizes[0][1]):
            raise _misfit(f"{root}: {path}", size, sizes[0][1], "its image", _REMEDY)
        if number > 1 and size != sizes[1][1]:
            raise _misfit(
                f"{root}: {path}", size, sizes[1][1], "another mask of the image", _REMEDY
            )


def _stretched(size: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two shapes have other proportions."""
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) > _STRETCHED


def _misfit(
    where: str, size: tuple[int, ...], expected: tuple[int, ...], of_what: str, remedy: str
) -> DataError:
    this, other = (f"{width}x{height}" for height, width in (size, expected))
    return DataError(where, f"has {this} pixels, and {of_what} has {other}", remedy)
