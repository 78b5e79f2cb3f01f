"""Draw made-up radiographs with their masks, so that everything runs without COVID-QU-Ex.

A phantom adds up what an X-ray beam crosses (soft tissue and bone, less the air of the lungs) and
exposes a film with the sum. Realistic: the order of the shadows, lungs cut off by heart and
diaphragm, opacities that replace air, the spread of exposures and of lung and infection areas. Not
realistic: fine texture, devices, any disease. Phantoms show that code works, not how well it would
do on patients.

Coordinates and lengths are those of ``film``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from covseg.data.phantom.film import Field, Film, Grey, bell, step

# Down the lateral wall, along the diaphragm, up the mediastinum. A point given twice is a corner:
# the costophrenic and the cardiophrenic angle. Aortic knob (y = 0.3) and heart indent the left one.
# fmt: off
_RIGHT = [(.42, 0), (.66, .07), (.83, .27), (.93, .55), (1, 1), (1, 1), (.8, .88), (.55, .83),
          (.23, .9), (.23, .9), (.24, .7), (.16, .5), (.17, .3), (.2, .08)]
_LEFT = [(.42, 0), (.66, .07), (.83, .27), (.93, .55), (1, 1), (1, 1), (.84, .92), (.6, .88),
         (.6, .88), (.5, .74), (.3, .56), (.19, .44), (.24, .32), (.2, .22), (.2, .08)]
_HEART = [(-.1, .35), (.2, .44), (.34, .56), (.54, .74), (.62, .9), (.3, 1), (-.2, .95), (-.26, .7)]
_BODY = [(.3, -.7), (.28, -.16), (.7, -.07), (1.2, .02), (1.4, .3), (1.3, .6), (1.25, 1), (1.3, 2)]
_BONES = [  # width, grey, course
    (.05, 120, [(1.18, .04), (1.34, .2), (1.4, .8)]),  # humerus
    (.01, 110, [(1.15, .02), (.95, .1), (.93, .3), (1.05, .5), (1.12, .25)]),  # edge of the scapula
    (.026, 255, [(.12, .12), (.35, .1), (.6, .02), (.85, -.03), (1.1, -.02)]),  # clavicle
]
# fmt: on


@dataclass(frozen=True)
class Phantom:
    """One radiograph: three uint8 arrays [H, W]; `infection` and `lung` are exactly {0, 255}."""

    image: Grey
    infection: Grey
    lung: Grey


def _lungs(rng: Generator, film: Film) -> Grey:
    outlines = []
    for side, outline in ((-1, _RIGHT), (1, _LEFT)):
        points = np.array(outline, np.float64)
        points += rng.normal(0, 0.02, points.shape) * (points[:, 1:] < 0.85)  # corners stay sharp
        points[:, 1] -= rng.uniform(0, 0.12) * (points[:, 1] > 0.75)  # the diaphragm, raised
        outlines.append(points * (side, 1))
    return film.fill(*outlines, line_type=cv2.LINE_8)


def _soft_tissue(rng: Generator, film: Film) -> Field:
    """Chest wall, mediastinum, heart, abdomen, breasts, as if the lungs held no air."""
    half = np.array(_BODY) * (rng.uniform(0.92, 1.3), 1)
    body = film.blur(film.fill(np.concatenate([half, half[::-1] * (-1, 1)])), 0.03)
    heart = np.array(_HEART) * (rng.uniform(0.9, 1.1), 1)
    tissue = 0.6 + 0.04 * film.noise(rng, 5) + 0.15 * np.exp(-np.square(film.x / 0.35))
    tissue += rng.uniform(0.1, 0.3) * step(film.y - 0.78, 0.07) * bell(film.x / 1.2)
    tissue += 0.1 * film.blur(film.fill(heart), 0.03)
    # Breasts veil both lower zones as an infection would: without them the task is too easy.
    veil = rng.uniform(0, 0.2) * (rng.random() < 0.5)
    for side in (-1, 1):
        r = np.hypot((film.x - side * 0.62) / 0.5, (film.y - 0.68) / 0.32)
        tissue += veil * step(1 - r, 0.05)
    r = np.hypot((film.x - rng.uniform(0.35, 0.7)) / 0.25, (film.y - 1.08) / 0.08)
    gas = step(1 - r + 0.3 * film.noise(rng, 16), 0.15)  # in the stomach
    tissue -= rng.uniform(0, 0.15) * gas
    return np.asarray(tissue * body, np.float32)


def _spine_and_trachea(rng: Generator, film: Film) -> Field:
    vertebrae = 0.6 + 0.4 * np.abs(np.sin(film.y * rng.uniform(28, 36)))
    trachea = bell((film.x + 0.02) / 0.075) * step(0.34 - film.y, 0.02)
    bone = rng.uniform(0.05, 0.13) * bell(film.x / 0.14) * vertebrae
    return np.asarray(bone - rng.uniform(0.07, 0.2) * trachea, np.float32)


def _ribs(rng: Generator, film: Film) -> Field:
    """Nine pairs: a posterior arc from the spine, an anterior one that ends in cartilage."""
    posterior, anterior = np.zeros((2, film.size, film.size), np.uint8)
    turn = np.linspace(0, np.pi / 2, 12)
    spacing, drop, width = rng.uniform((0.1, 0.1, 0.02), (0.125, 0.22, 0.03))
    for top in spacing * np.arange(9) - 0.06:
        end = top + drop
        wall = np.interp(end, (0, 0.1, 0.3, 0.6, 1), (0.5, 0.76, 0.9, 0.99, 1.05))
        y = end - drop * np.cos(turn) - 0.05 * np.sin(2 * turn)
        back = np.stack([0.1 + (wall - 0.1) * np.sin(turn), y], 1)
        front = np.stack([0.3 + (wall - 0.3) * np.cos(turn), end + 1.2 * drop * np.sin(turn)], 1)
        for canvas, arc in ((posterior, back), (anterior, front)):
            # The cortex outlines a rib: its inside is less dense.
            film.stroke(canvas, [arc * (-1, 1), arc], width, 255)
            film.stroke(canvas, [arc * (-1, 1), arc], width - 0.008, 160)
    bony = np.clip(np.abs(film.x) / 0.4 - 0.9, 0, 0.8)
    ribs = film.blur(posterior, 0.005) + bony * film.blur(anterior, 0.005)
    return np.asarray(ribs, np.float32)


def _shoulders(rng: Generator, film: Film) -> Field:
    canvas = np.zeros((film.size, film.size), np.uint8)
    lift = rng.uniform(-0.06, 0.06)
    for width, grey, course in _BONES:
        arc = np.add(course, (0, lift))
        film.stroke(canvas, [arc * (-1, 1), arc], width, grey)
    return film.blur(canvas, 0.006)


def _vessels(rng: Generator, film: Film) -> Field:
    """They fan out from the hila, fork, and thin out towards the pleura."""
    canvas = np.zeros((film.size, film.size), np.uint8)
    for side in (-1, 1):
        start = np.tile((side * 0.22, 0.47), (9, 1)) + rng.normal(0, 0.03, (9, 2))
        angle = np.linspace(-1.4, 1.4, 9) + rng.normal(0, 0.15, 9)
        for width, grey in ((0.012, 140), (0.008, 150), (0.004, 170), (0.004, 130), (0.003, 90)):
            reach = rng.uniform(0.05, 0.2, (len(angle), 1))
            end = start + reach * np.stack([side * np.cos(angle), np.sin(angle)], 1)
            film.stroke(canvas, np.stack([start, end], 1), width, grey)
            start, angle = np.repeat(end, 2, axis=0), np.repeat(angle, 2)
            angle += rng.normal(0, 0.45, angle.size)
    hila = bell(np.hypot((np.abs(film.x) - 0.22) / 0.14, (film.y - 0.47) / 0.16))
    return np.asarray(film.blur(canvas, 0.004) + 0.5 * hila, np.float32)


def _opacity(lung: Grey, field: Field, area: float, softness: float) -> Field:
    """0 to 1 inside the lung, above 0.5 on the `area` of the image where `field` is highest."""
    inside = field[lung > 0]
    first = int(np.clip(inside.size - area * lung.size, 0, inside.size - 1))
    return step(field - np.partition(inside, first)[first], softness)


def _covid(rng: Generator, film: Film, lung: Grey) -> tuple[Field, Grey]:
    """Hazy and patchy, on both sides, towards the pleura and the bases."""
    # As in the real masks: 14 % of the image in the mean, the whole lungs in one of eight.
    share = min(1, 1.15 * rng.beta(0.95, 1.0))
    area = np.clip(share * np.mean(lung > 0), 0.004, 0.34)
    first = rng.choice((-1, 1))
    field = np.full_like(film.x, -np.inf)
    for number in range(1 + round(4 * share + rng.random())):
        x = first * (-1) ** number * rng.uniform(0.4, 0.95)
        y, (width, height) = rng.triangular(0.2, 0.75, 0.95), rng.uniform(0.18, 0.4, 2)
        field = np.maximum(field, 1 - np.hypot((film.x - x) / width, (film.y - y) / height))
    field += 0.16 * film.noise(rng, 9) + 0.08 * film.noise(rng, 24)
    opacity = _opacity(lung, field, float(area), rng.uniform(0.05, 0.16))
    infection = np.where((lung > 0) & (opacity >= 0.5), 255, 0).astype(np.uint8)
    patchy = 0.8 + 0.13 * film.noise(rng, 20) + 0.13 * film.noise(rng, 64)
    return np.asarray(rng.uniform(0.25, 0.8) * opacity * patchy, np.float32), infection


def _pneumonia(rng: Generator, film: Film, lung: Grey) -> Field:
    """Denser and sharper: a zone of one lung, or around one hilum, or around both."""
    x = film.x * rng.choice((-1, 1))
    if rng.random() < 0.6:
        middle, tilt = rng.uniform((0.1, -0.3), (0.8, 0.3))
        field = -np.abs(film.y - middle - tilt * x) - 9 * (x < 0)
    else:
        x = np.abs(x) if rng.random() < 0.4 else x
        field = -np.hypot((x - 0.3) / rng.uniform(0.8, 1.6), film.y - rng.uniform(0.35, 0.65))
    field += 0.07 * film.noise(rng, 8) + 0.03 * film.noise(rng, 24)
    area = rng.uniform(0.1, 0.4) * float(np.mean(lung > 0))
    opacity = _opacity(lung, field, area, rng.uniform(0.01, 0.04))
    even = 0.95 + 0.07 * film.noise(rng, 30)
    return np.asarray(rng.uniform(0.4, 0.9) * opacity * even, np.float32)


def _exposed(rng: Generator, film: Film, shadow: Field) -> Grey:
    """Window, gamma, grain and, on every second film, a side marker."""
    dark, bright = np.percentile(shadow[::4, ::4], (0.5, 99.5))
    curve = np.clip((shadow - dark) / (bright - dark), 0, 1) ** np.float32(rng.uniform(0.65, 1.4))
    low, high = rng.uniform((0, 200), (30, 255))
    grain = rng.uniform(1, 5) * rng.standard_normal(curve.shape, np.float32)
    grey: Grey = np.clip(low + (high - low) * curve + grain, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        text, x = ("R", rng.uniform(0.02, 0.08)) if rng.random() < 0.5 else ("L", 0.9)
        at = int(x * film.size), int(rng.uniform(0.08, 0.5) * film.size)
        scale = rng.uniform(0.002, 0.004) * film.size  # OpenCV's letters are 22 pixels high at 1
        cv2.putText(grey, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 250, 1, cv2.LINE_AA)
    return grey


def draw(seed: Sequence[int], patient_class: str, size: int = 256) -> Phantom:
    """The phantom of `seed`, arrays [size, size]; the classes of one seed share their anatomy."""
    rng, disease, exposure = default_rng(SeedSequence(seed)).spawn(3)
    film = Film(rng, size)
    lung = _lungs(rng, film)
    opacity, infection = np.zeros((size, size), np.float32), np.zeros((size, size), np.uint8)
    if patient_class == "COVID-19":
        opacity, infection = _covid(disease, film, lung)
    elif patient_class == "Non-COVID":
        opacity = _pneumonia(disease, film, lung)
    # Lungs are thinner towards their edges; an opacity replaces air.
    air = film.blur(lung, 0.012) * (0.35 + 0.8 * film.blur(lung, 0.12)) * (1 - opacity)
    bones = rng.uniform(0.08, 0.24) * _ribs(rng, film) * (0.35 + 0.65 * air)
    bones += rng.uniform(0.1, 0.25) * _shoulders(rng, film) + _spine_and_trachea(rng, film)
    shadow = _soft_tissue(rng, film) * (1 + bones - rng.uniform(0.5, 0.7) * air)
    shadow += rng.uniform(0.08, 0.2) * _vessels(rng, film) * air
    return Phantom(_exposed(exposure, film, np.asarray(shadow, np.float32)), infection, lung)
