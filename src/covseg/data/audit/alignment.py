"""Register two radiographs: a crop, a rotation or another tone of one image fits.

By enhanced correlation, which ignores brightness and contrast: G. D. Evangelidis and
E. Z. Psarakis, 2008 (doi 10.1109/TPAMI.2008.113).
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from covseg.data.image import Pixels

_Warp = npt.NDArray[np.float32]  # [2, 3], from the first image's pixels to the second's
_Image = npt.NDArray[np.float32]

_COARSE, _FINE = 64, 128  # pixels per side
_STEPS = 50
_WORTH_A_LOOK = 0.9  # copies reach 0.91 and more at the coarse size, most other pairs do not
_OVERLAP = 0.6  # share of the first image that the second has to cover
_STRETCH = 1.25  # more is not a crop of the same image


class Fit(NamedTuple):
    """How well an image fits another one, each from -1 to 1."""

    correlation: float  # Pearson's at 64 pixels per side: bodies of one posture fit
    detail: float  # of what is finer than a rib, at 128 pixels: only one radiograph fits


def aligned(image: Pixels, other: Pixels) -> Fit:
    """How well two images fit after an affine transform of the second; zeros if not at all."""
    warp = _registered(image, other, np.eye(2, 3, dtype=np.float32), _COARSE, blur=9)
    if warp is None or _fit(image, other, warp, _COARSE).correlation < _WORTH_A_LOOK:
        return Fit(0.0, 0.0)
    finer = _registered(image, other, _enlarged(warp), _FINE, blur=5)
    return Fit(0.0, 0.0) if finer is None else _fit(image, other, finer, _FINE)


def _registered(image: Pixels, other: Pixels, start: _Warp, size: int, blur: int) -> _Warp | None:
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _STEPS, 1e-4)
    first, second = _small(image, size), _small(other, size)
    try:
        _, transform = cv2.findTransformECC(
            first, second, start.copy(), cv2.MOTION_AFFINE, criteria, None, blur
        )  # type: ignore[call-overload]  # its stub lacks the last argument
    except cv2.error:  # raised if nothing correlates
        return None
    warp = np.asarray(transform, np.float32)
    stretches = np.linalg.svd(warp[:, :2], compute_uv=False)
    return warp if stretches.min() > 1 / _STRETCH and stretches.max() < _STRETCH else None


def _enlarged(warp: _Warp) -> _Warp:
    """The same movement at the fine size; pixels have their centres at halves."""
    scale = _FINE / _COARSE
    shift = (scale - 1) / 2 * (1 - warp[:, :2].sum(1))
    return np.column_stack([warp[:, :2], scale * warp[:, 2] + shift]).astype(np.float32)


def _fit(image: Pixels, other: Pixels, warp: _Warp, size: int) -> Fit:
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    first, second = _small(image, size), _small(other, size)
    moved = np.asarray(cv2.warpAffine(second, warp, (size, size), flags=how), np.float32)
    covered = cv2.warpAffine(np.ones_like(second), warp, (size, size), flags=how) > 0.999
    if covered.mean() < _OVERLAP:
        return Fit(0.0, 0.0)
    inside = _small(covered, _COARSE) == 1
    away_from_edges = cv2.erode(covered.astype(np.uint8), np.ones((9, 9), np.uint8)) == 1
    return Fit(
        _correlation(_small(first, _COARSE)[inside], _small(moved, _COARSE)[inside]),
        _correlation(_fine(first)[away_from_edges], _fine(moved)[away_from_edges]),
    )


def _fine(image: _Image) -> _Image:
    return np.asarray(image - cv2.GaussianBlur(image, (0, 0), 4.0), np.float32)


def _correlation(a: _Image, b: _Image) -> float:
    if not a.size:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 0 else 0.0


def _small(image: npt.NDArray[np.generic], size: int) -> _Image:
    shrunk = cv2.resize(np.asarray(image, np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.float32)
