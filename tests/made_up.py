"""Datasets of others in their exact layouts, with radiographs and masks that are drawn."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from covseg.data.phantom.drawing import draw


def _picture(number: int, size: tuple[int, int], positive: bool = True) -> dict[str, np.ndarray]:
    """Image, infection and lung, uint8 [height, width]."""
    drawn = draw((7, number), "COVID-19" if positive else "Normal", 256)
    planes = {"image": drawn.image, "infection": drawn.infection, "lung": drawn.lung}
    height, width = size
    return {
        name: cv2.resize(
            plane,
            (width, height),
            interpolation=cv2.INTER_LINEAR if name == "image" else cv2.INTER_NEAREST_EXACT,
        )
        for name, plane in planes.items()
    }


def _save(path: Path, pixels: np.ndarray, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path)


def qata_cov19(root: Path, n_train: int = 24, n_test: int = 8, side: int = 64) -> None:
    """QaTa-COV19-v2: Train and Test, ground truths with a prefix, the control group beside them."""
    for number in range(n_train + n_test):
        split = "Train" if number < n_train else "Test"
        folder = root / "QaTa-COV19" / "QaTa-COV19-v2" / f"{split} Set"
        name = f"sub-S{9466 + number:05}_ses-E1_run-1_bp-chest_vp-pa_dx"
        picture = _picture(number, (side, side))
        _save(folder / "Images" / f"{name}.png", picture["image"])
        soft = cv2.GaussianBlur(picture["infection"], (3, 3), 0)
        _save(folder / "Ground-truths" / f"mask_{name}.png", soft)
    control = root / "QaTa-COV19" / "Control_Group" / "Control_Group_I"
    _save(control / "control_1.png", _picture(99, (side, side), positive=False)["image"])


def montgomery(root: Path, n_images: int = 24, longer: int = 146) -> None:
    """Montgomery: two orientations, the lungs in two 1-bit files, a class in the name."""
    folder = root / "MontgomerySet"
    for number in range(n_images):
        shorter = round(longer * 4020 / 4892)
        size = (longer, shorter) if number % 3 else (shorter, longer)
        picture = _picture(number, size, positive=False)
        name = f"MCUCXR_{number + 1:04}_{number % 2}.png"
        half = size[1] // 2
        left, right = picture["lung"].copy(), picture["lung"].copy()
        left[:, half:], right[:, :half] = 0, 0
        _save(folder / "CXR_png" / name, picture["image"])
        _save(folder / "ManualMask" / "leftMask" / name, left, "1")
        _save(folder / "ManualMask" / "rightMask" / name, right, "1")
        reading = folder / "ClinicalReadings" / name.replace(".png", ".txt")
        reading.parent.mkdir(parents=True, exist_ok=True)
        reading.write_text("Patient's Sex: F\n")
    (folder / "CXR_png" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")


def shenzhen(root: Path, n_images: int = 24) -> None:
    """Shenzhen: any size, palettes and RGB, no mask for every seventh image."""
    for number in range(n_images):
        size = (100 + 7 * (number % 5), 110 + 5 * (number % 4))
        picture = _picture(number, size, positive=False)
        stem = f"CHNCXR_{number + 1:04}_{number % 2}"
        mode = "RGB" if number % 9 == 0 else "P"
        _save(root / "ChinaSet_AllFiles" / "CXR_png" / f"{stem}.png", picture["image"], mode)
        if number % 7:
            _save(root / "mask" / "mask" / f"{stem}_mask.png", picture["lung"])


def radiography(root: Path, n_of_class: int = 8) -> None:
    """The COVID-19 Radiography Database: images of 299, masks of 256, four classes."""
    folder = root / "COVID-19_Radiography_Dataset"
    for place, name in enumerate(("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")):
        for number in range(n_of_class):
            picture = _picture(place * n_of_class + number, (299, 299), positive=False)
            stem = f"{name}-{number + 1}"
            _save(folder / name / "images" / f"{stem}.png", picture["image"])
            mask = cv2.resize(picture["lung"], (256, 256), interpolation=cv2.INTER_NEAREST_EXACT)
            _save(folder / name / "masks" / f"{stem}.png", mask, "RGB")
        (folder / f"{name}.metadata.xlsx").write_bytes(b"PK")
