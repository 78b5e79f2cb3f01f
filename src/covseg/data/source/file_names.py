"""Which files of a folder or archive are listed."""

from pathlib import PurePosixPath

from covseg.data.dicom import DICOM_ENDINGS, may_be_dicom
from covseg.data.grey import ENDINGS

LARGEST = 64 * 2**20  # bytes of a file; a PNG of the largest image that is read has 17 MiB


def stem(path: str) -> str:
    """The name of a file without its ending; a number after a dot is part of the name."""
    place = PurePosixPath(path)
    return place.stem if place.suffix.lower() in ENDINGS | DICOM_ENDINGS else place.name


def is_picture(path: str) -> bool:
    """Whether a path, with ``/`` between its parts, may be a picture, and no Mac's notes on one."""
    place = PurePosixPath(path)
    known = place.suffix.lower() in ENDINGS | DICOM_ENDINGS or may_be_dicom(place)
    return known and not path.startswith("__MACOSX/") and not place.name.startswith(".")
