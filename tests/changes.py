"""What makes a copy hard to see: the ways in which a radiograph is published again.

Each takes a grey image (uint8) and a generator, and gives an image of the same size.
"""

import cv2
import numpy as np

Image = np.ndarray


def crop(image: Image, rng: np.random.Generator) -> Image:
    """Up to 5 % less on each side, and as large as before."""
    height, width = image.shape
    top, bottom, left, right = (rng.uniform(0.01, 0.05, 4) * height).round().astype(int)
    return cv2.resize(image[top : height - bottom, left : width - right], (width, height))


def tone(image: Image, rng: np.random.Generator) -> Image:
    """Gamma of 0.7 to 1.4, and never hardly any."""
    gamma = rng.choice([rng.uniform(0.7, 0.95), rng.uniform(1.05, 1.4)])
    return (255 * (image / 255) ** gamma).round().astype(np.uint8)


def compress(image: Image, rng: np.random.Generator) -> Image:
    """JPEG of quality 30 to 89."""
    quality = int(rng.integers(30, 90))
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0)


def turn(image: Image, rng: np.random.Generator) -> Image:
    """Up to 3 degrees, either way."""
    height, width = image.shape
    how = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-3, 3), 1)
    return cv2.warpAffine(image, how, (width, height))


def mirror(image: Image, _: object = None) -> Image:
    """Left for right."""
    return image[:, ::-1].copy()
