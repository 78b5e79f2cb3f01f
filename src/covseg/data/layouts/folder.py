"""Images and masks in folders or an archive, found by patterns: see ``pattern``."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from covseg.config.data import Dataset
from covseg.data.dicom import begins_as_dicom
from covseg.data.grey import ENDINGS
from covseg.data.layouts.pattern import Pattern, SortedFiles
from covseg.data.layouts.records import Record, listing_of
from covseg.data.listing import Listing
from covseg.data.source.archive import ZipSource
from covseg.data.source.folder import FolderSource
from covseg.data.source.source import Source, existing
from covseg.errors import ConfigError, DataError, setting


def folder(data: Dataset) -> Listing:
    """List the images that match ``data.images``, each with the masks that match its fields.

    Raises:
        ConfigError: a pattern that cannot be used.
        DataError: no image matches, or one has several masks where it may have one.
    """
    images, masks = _patterns(data)
    path = existing(data.root or "", "set data.root= to the folder or zip archive of the images")
    is_folder = path.is_dir()
    source = FolderSource(path, cache_dir=data.cache_dir) if is_folder else ZipSource(path)
    files = SortedFiles(source.names())
    records = list(_records(source, files, images, masks))
    _check(records, path, files, images)
    used = {file for record in records for file in (record.image, *record.mask_files)}
    rest = [file for file in files if file not in used]
    every = [pattern for of in masks.values() for pattern in of]
    unmatched = tuple(file for file in rest if any(one.fields(file) is not None for one in every))
    ignored = tuple(sorted({*rest} - {*unmatched}))
    listing = listing_of(records, list(masks), source, data)
    return replace(listing, ignored=ignored, unmatched=unmatched)


def _records(
    source: Source, files: SortedFiles, images: Pattern, masks: dict[str, list[Pattern]]
) -> Iterator[Record]:
    for file in files:
        if (fields := images.fields(file)) is not None:
            found = {target: _masks(of, files, fields) for target, of in masks.items()}
            found = {target: of for target, of in found.items() if of}
            if found or _is_image(source, file):
                yield _record(f"{source.path}: {file}", file, fields, found)


def _check(records: Sequence[Record], path: Path, files: Iterable[str], images: Pattern) -> None:
    """Refuse a pattern of images that matches nothing, or masks."""
    if not records:
        some = next(iter(files), None)
        raise DataError(
            str(path),
            f"has no picture that matches {setting('data.images', images.text)}"
            + (f" (there is {some}, for example)" if some else "; it has no picture at all"),
            "set data.images to a pattern of paths below data.root",
        )
    of_masks = {file for record in records for file in record.mask_files}
    if both := next((record for record in records if record.image in of_masks), None):
        raise DataError(
            both.where,
            "matches data.images, and is a mask of another image",
            "set data.images to a pattern that leaves masks out",
        )


def _is_image(source: Source, file: str) -> bool:
    """Whether a file is an image; one without an ending, such as LICENSE, may be a text."""
    return PurePosixPath(file).suffix.lower() in ENDINGS or begins_as_dicom(source.read(file))


def _patterns(data: Dataset) -> tuple[Pattern, dict[str, list[Pattern]]]:
    if not data.images:
        raise ConfigError("data.images", "is not given", "set data.images='images/*', for example")
    if not data.patterns:
        raise ConfigError(
            "data.masks", "is empty", "set data.masks.infection='masks/{name}*', for example"
        )
    masks = {
        target: [Pattern(f"data.masks.{target}", text) for text in texts]
        for target, texts in data.patterns.items()
    }
    for pattern in (pattern for of in masks.values() for pattern in of):
        if not pattern.has_name:
            cause = "has no {name}, so that every image would have the same masks"
            raise ConfigError(f"{pattern.key}={pattern.text}", cause, "put {name} into it")
    return Pattern("data.images", data.images), masks


def _masks(
    patterns: Sequence[Pattern], files: SortedFiles, fields: dict[str, str]
) -> tuple[str, ...]:
    """The files of one mask, one per pattern.

    Raises:
        DataError: several files match a pattern.
    """
    parts: list[str] = []
    for pattern in patterns:
        match pattern.find(files, fields):
            case [file]:
                parts.append(file)
            case [one, other, *_]:
                raise DataError(
                    one,
                    f"and {other} both match {setting(pattern.key, pattern.text)} for the image "
                    f"{fields['name']}",
                    "set a pattern that only one of them matches",
                )
    if 0 < len(parts) < len(patterns):
        raise DataError(
            parts[0],
            f"is only a part of the mask of the image {fields['name']}, which has {len(patterns)}",
            "restore the other part, or remove this one",
        )
    return tuple(parts)


def _record(
    where: str, image: str, fields: dict[str, str], masks: dict[str, tuple[str, ...]]
) -> Record:
    return Record(
        where=where,
        image=image,
        name=fields["name"],
        split=fields.get("split", ""),
        patient_class=fields.get("patient_class", ""),
        patient=fields.get("patient", ""),
        masks=masks,
    )
