"""A blank film with anatomical coordinates, and the shapes that are drawn on it.

Anatomical coordinates: x is 0 on the midline, -1 and +1 at the lateral ends of the right (left in
the picture) and the left lung; y is 0 at the apices of the lungs, 1 at the costophrenic angles.
Other lengths are fractions of the image side; 1 is the attenuation of a thick soft tissue.
"""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

Grey = NDArray[np.uint8]
Field = NDArray[np.float32]


class Film:
    """The anatomical `x`, `y` of every pixel, for a patient of random size, position and tilt."""

    def __init__(self, rng: Generator, size: int) -> None:
        lungs = np.diag(rng.uniform((0.28, 0.52), (0.44, 0.8)))  # half width, height
        lean = rng.normal(0, 0.035)  # radians: some two degrees
        turn = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
        self.size, self.linear = size, turn @ lungs * size
        middle = rng.normal((0.5, 0.46), (0.02, 0.025)) * size
        self.offset = middle - self.linear @ (0, 0.5)
        from_film = np.linalg.inv(self.linear)
        rows, columns = np.indices((size, size))
        x, y = np.tensordot(from_film, [columns - self.offset[0], rows - self.offset[1]], 1)
        self.x: Field = x.astype(np.float32)
        self.y: Field = y.astype(np.float32)

    def noise(self, rng: Generator, cells: int) -> Field:
        """Smooth noise of about unit variance from a grid of `cells` points a side."""
        grid = rng.standard_normal((cells, cells), np.float32)
        fine = cv2.resize(grid, (self.size, self.size), interpolation=cv2.INTER_CUBIC)
        return np.asarray(fine, np.float32)

    def blur(self, drawing: Grey, width: float) -> Field:
        """A drawing as a field of 0 to 1 with soft edges."""
        side = 2 * round(width * self.size) + 1
        return np.asarray(cv2.stackBlur(drawing.astype(np.float32) / 255, (side, side)), np.float32)

    def pixels(self, points: ArrayLike) -> NDArray[np.int32]:
        """Points [..., 2] in sixteenths of a pixel, which OpenCV draws with `shift=4`."""
        return (16 * (np.asarray(points) @ self.linear.T + self.offset)).astype(np.int32)

    def fill(self, *outlines: NDArray[np.float64], line_type: int = cv2.LINE_AA) -> Grey:
        """Closed outlines, rounded by Chaikin's corner cutting."""
        canvas = np.zeros((self.size, self.size), np.uint8)
        for points in outlines:
            for _ in range(3):
                ahead = np.roll(points, -1, axis=0)
                thirds = np.stack([0.75 * points + 0.25 * ahead, 0.25 * points + 0.75 * ahead], 1)
                points = thirds.reshape(-1, 2)
            cv2.fillPoly(canvas, [self.pixels(points)], 255, line_type, shift=4)
        return canvas

    def stroke(self, canvas: Grey, lines: ArrayLike, width: float, grey: int) -> None:
        """Lines [n, points, 2]."""
        thickness = max(1, round(width * self.size))
        cv2.polylines(canvas, [*self.pixels(lines)], False, grey, thickness, cv2.LINE_AA, 4)


def step(field: Field, softness: float) -> Field:
    """From 0 below zero to 1 above it."""
    return np.asarray(0.5 + 0.5 * np.tanh(field / (2 * softness)), np.float32)


def bell(r: Field) -> Field:
    """1 near zero, 0 beyond one: a shadow with a flat top."""
    return np.asarray(np.exp(-np.square(np.square(r))), np.float32)
