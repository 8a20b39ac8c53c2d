"""Images to make scenes of: squares cut out of photographs, graphics, and masks of objects."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.simulation.photos import read_photo
from aif_ros.training.fusion_statistics import STATISTICS
from aif_ros.types.image import Image, to_float


def draw_image(photos: Sequence[Path], size: int, random: np.random.Generator) -> Image:
    """Cut a square out of a photograph, or draw a graphic.

    Args:
        photos: files to choose from.
        size: side of the square, pixels.
        random: source of randomness.

    Returns:
        (size, size, 3) float32 in [0, 1].
    """
    photo = _photo_patch(photos, size, random)
    return draw_graphic(photo, random) if random.random() < STATISTICS.graphics else photo


def draw_graphic(photo: Image, random: np.random.Generator) -> Image:
    """Draw lettering, lines and discs in flat colours, with little of the photo's texture.

    Args:
        photo: (size, size, 3) float32 in [0, 1].
        random: source of randomness.

    Returns:
        The same shape and range.
    """
    size = 2 * len(photo)
    bright, dark = random.uniform(0.6, 1.1), random.uniform(-0.05, 0.3)
    tones = [dark, bright] if random.random() < 0.5 else [bright, dark]
    ground, ink, other = (
        np.clip(np.float32(tone) + random.uniform(-0.15, 0.15, 3), 0, 1)
        for tone in (*tones, random.uniform(0, 1))
    )
    drawn = np.full((size, size, 3), ground, np.float32)
    letters = [chr(code) for code in (*range(48, 58), *range(65, 91), *range(97, 123))]
    scale = float(np.exp(random.uniform(0, np.log(12))))
    for _ in range(int(random.integers(2, max(3, int(40 / scale))))):
        colour = tuple(float(x) for x in (ink if random.random() < 0.8 else other))
        at, to = random.integers(-size // 8, size, (2, 2)).tolist()
        thickness = int(random.integers(2, 4 + int(4 * scale)))
        kind = random.random()
        if kind < 0.6:
            text = "".join(random.choice(letters, int(random.integers(1, 9))))
            cv2.putText(drawn, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness)
        elif kind < 0.8:
            cv2.line(drawn, at, to, colour, thickness)
        elif kind < 0.9:
            cv2.circle(drawn, at, int(random.integers(3, 8 + int(10 * scale))), colour, -1)
        else:
            cv2.rectangle(drawn, at, to, colour, thickness)
    small = cv2.resize(drawn, photo.shape[1::-1], interpolation=cv2.INTER_AREA)
    # Letters are drawn at twice the size: their borders are sharp to the pixel, not jagged.
    texture = float(random.choice([0.0, random.uniform(0, 0.1)]))
    return np.asarray(np.clip(small + np.float32(texture) * (photo - photo.mean()), 0, 1))


def _photo_patch(photos: Sequence[Path], size: int, random: np.random.Generator) -> Image:
    """Cut a square out of a photograph, shrunk so that it is sharp to the pixel."""
    photo = read_photo(photos[int(random.integers(len(photos)))])
    scale = max(random.uniform(0.4, 0.75), (size + 1) / min(photo.shape[:2]))
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top = random.integers(small.shape[0] - size + 1)
    left = random.integers(small.shape[1] - size + 1)
    return to_float(np.ascontiguousarray(small[top : top + size, left : left + size]))


def draw_mask(size: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Mask (size, size) of an object: a blob, a polygon or a few thin strokes."""
    canvas = np.zeros((size, size), np.uint8)
    kind = random.integers(3)
    if kind == 0:
        noise = random.standard_normal((size, size)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), random.uniform(6, 24))
        return np.asarray(smooth > np.quantile(smooth, random.uniform(0.6, 0.85)))
    centre = random.uniform(0, size, 2)
    if kind == 1:
        angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 9)))
        reach = random.uniform(0.1, 0.4, len(angles)) * size
        corners = centre + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(canvas, [corners.astype(np.int32)], 1)
    else:
        for _ in range(random.integers(1, 6)):
            ends = random.integers(0, size, (2, 2))
            thickness = int(random.integers(2, 8))
            cv2.line(canvas, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1, thickness)
    return canvas > 0
