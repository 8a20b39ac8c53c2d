"""Sharp drawings of what photographs rarely contain: lettering, test charts, points of light.

Each function draws (size, size) float32, encoded, in [0, 1]; `points` may exceed 1 (saturated).
"""

import string
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image

_FINE = 4
"""Drawn so many times larger, then averaged: edges are exact to a quarter of a pixel."""
_GLYPHS = string.ascii_letters + string.digits + ".,:-+"
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)

Draw = Callable[[int, np.random.Generator], Image]


def lettering(size: int, random: np.random.Generator) -> Image:
    """Lines of print, large or small, on plain ground."""
    return _text(size, random, random.uniform(10, 60))


def small_text(size: int, random: np.random.Generator) -> Image:
    """A page of print, letters 4 to 9 px high."""
    return _text(size, random, random.uniform(4, 9))


def checkerboard(size: int, random: np.random.Generator) -> Image:
    """Squares of 6 to 60 px, turned."""
    x, y = _turned(size, random)
    side = float(np.exp(random.uniform(np.log(6), np.log(60)))) * _FINE
    pattern = (np.floor(x / side) + np.floor(y / side)) % 2
    return _toned(pattern.astype(np.float32), random)


def grating(size: int, random: np.random.Generator) -> Image:
    """Bars of one to three periods, 4 to 40 px each, side by side."""
    x, y = _turned(size, random)
    pattern = np.zeros_like(x)
    for field in np.linspace(-1, 1, int(random.integers(1, 4)), endpoint=False):
        period = float(np.exp(random.uniform(np.log(4), np.log(40)))) * _FINE
        bars = (x / period) % 1 < random.uniform(0.3, 0.7)
        pattern = np.where(y > field * size * _FINE / 2, bars, pattern)
    return _toned(pattern.astype(np.float32), random)


def points(size: int, random: np.random.Generator) -> Image:
    """Beads on dark ground, some of them saturated: fluorescence, stars, lamps at night."""
    image = np.full((size * _FINE,) * 2, random.uniform(0, 0.08), np.float32)
    radius = random.uniform(0.5, 3) * _FINE
    brightness = random.uniform(0.3, 2.5)
    # As many for each area, whatever the size of the image.
    for _ in range(max(1, round(float(10 ** random.uniform(0.3, 2)) * (size / 256) ** 2))):
        x, y = random.integers(0, size * _FINE, 2)
        value = brightness * random.uniform(0.5, 1)
        cv2.circle(image, (int(x), int(y)), max(1, round(radius)), float(value), -1)
    return _averaged(image)


def edges(size: int, random: np.random.Generator) -> Image:
    """A few large even shapes: little texture, sharp edges."""
    image = np.full((size * _FINE,) * 2, random.random(), np.float32)
    for _ in range(int(random.integers(1, 7))):
        corners = random.integers(0, size * _FINE, (int(random.integers(3, 6)), 2))
        cv2.fillConvexPoly(image, cv2.convexHull(corners.astype(np.int32)), random.random())
    return _averaged(image)


DRAWINGS: Mapping[str, Draw] = {
    "lettering": lettering,
    "small_text": small_text,
    "checkerboard": checkerboard,
    "grating": grating,
    "points": points,
    "edges": edges,
}
"""All of them, by name."""


def _text(size: int, random: np.random.Generator, height: float) -> Image:
    side = size * _FINE
    image = np.zeros((side, side), np.float32)
    font = int(random.choice(_FONTS))
    # OpenCV's capitals are about 21 px high at scale 1.
    scale = height * _FINE / 21
    thickness = max(1, round(scale * random.uniform(1.2, 3)))
    spacing = height * _FINE * random.uniform(1.4, 2.5)
    margin = random.uniform(-0.1, 0.3) * side
    letters = np.array(list(_GLYPHS + "    "))
    for baseline in np.arange(random.uniform(0.3, 1) * spacing, side + spacing, spacing):
        count = int(side / (0.6 * height * _FINE)) + 2
        line = "".join(random.choice(letters, count))
        place = (int(margin), int(baseline))
        cv2.putText(image, line, place, font, scale, 1.0, thickness, cv2.LINE_AA)
    if random.random() < 0.5:
        matrix = cv2.getRotationMatrix2D((side / 2, side / 2), random.uniform(-180, 180), 1.0)
        image = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    return _toned(image, random)


def _turned(size: int, random: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Coordinates of the fine pixels, turned and shifted."""
    axis = np.arange(size * _FINE, dtype=np.float32) - size * _FINE / 2
    angle, shift = random.uniform(0, np.pi), random.uniform(0, 100, 2)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    x, y = axis[None], axis[:, None]
    return cosine * x + sine * y + np.float32(shift[0]), cosine * y - sine * x + np.float32(
        shift[1]
    )


def _toned(pattern: Image, random: np.random.Generator) -> Image:
    """Average a pattern of 0 and 1 to its size, between two levels of grey."""
    dark, bright = random.uniform(0, 0.35), random.uniform(0.5, 1)
    if random.random() < 0.5:
        dark, bright = bright, dark
    return _averaged(dark + (bright - dark) * pattern)


def _averaged(image: NDArray[np.floating]) -> Image:
    side = image.shape[0] // _FINE
    small = cv2.resize(image.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
