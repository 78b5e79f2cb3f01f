"""What ``covseg.predict`` writes for an image: pictures at its size, and its rows of the table."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from covseg.data.dicom import is_dicom
from covseg.data.image import Pixels
from covseg.data.index import LUNG
from covseg.errors import DataError
from covseg.files import write_whole
from covseg.measure.extent import Extent
from covseg.report.dicom_segmentation import segmentation
from covseg.report.overlay import overlay
from covseg.run.verbs.input_files import InputFile
from covseg.run.verbs.predictor import Predictor, Probability


def write_results(
    output: Path, predictor: Predictor, file: InputFile, image: Pixels, probability: Probability
) -> list[dict[str, Any]]:
    """Write mask, probability and overlay of each target, and a DICOM Segmentation for DICOM.

    Args:
        output: the folder.
        predictor: that made the probability.
        file: of the image.
        image: uint8 [height, width].
        probability: [targets, height, width].

    Returns:
        a row of the table for each target.
    """
    threshold = predictor.threshold
    of_targets = dict(zip(predictor.targets, probability, strict=True))
    extents = {target: Extent.of(p, threshold) for target, p in of_targets.items()}
    warnings = [predictor.typical.difference(image)] if predictor.typical else []
    if is_dicom(file.path):
        try:
            masks = {target: p > threshold for target, p in of_targets.items()}
            write_whole(output / f"{file.result}_seg.dcm", segmentation(file.path, masks))
        except DataError as error:
            warnings.append(error.args[1])
    rows = []
    for target, of_target in of_targets.items():
        name = file.result if len(of_targets) == 1 else f"{file.result}_{target}"
        _write_png((of_target > threshold).astype(np.uint8) * 255, output / f"{name}_mask.png")
        sixteen_bits = np.round(of_target * 65535).astype(np.uint16)
        _write_png(sixteen_bits, output / f"{name}_probability.png")
        drawn = overlay(image, of_target, threshold)
        _write_png(drawn[..., ::-1], output / f"{name}_overlay.png")
        row = {"input": file.name, "target": target, "result": name}
        row |= {"width": image.shape[1], "height": image.shape[0]}
        row["warning"] = "; ".join(filter(None, warnings))
        rows.append(row | _numbers(target, extents, predictor.infected_from(image.size)))
    return rows


def _numbers(target: str, extents: Mapping[str, Extent], min_pixels: float) -> dict[str, Any]:
    """The columns of numbers; what cannot be said of a target is missing."""
    numbers = dataclasses.asdict(extents[target])
    if target != LUNG:
        numbers["infected"] = int(extents[target].pixels >= min_pixels)
        if LUNG in extents and extents[LUNG].pixels:
            numbers["share_of_lung"] = extents[target].pixels / extents[LUNG].pixels
    return numbers


def _write_png(picture: Any, path: Path) -> None:
    encoded, data = cv2.imencode(".png", picture)
    assert encoded
    write_whole(path, data.tobytes())
