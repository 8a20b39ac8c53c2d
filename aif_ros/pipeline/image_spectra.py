"""Spectra of an image, in tiles and rings of spatial frequency, and what two images share."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image, to_float, to_gray
from aif_ros.types.resizing import downscale

LONGEST_SIDE = 640
"""Pixels; larger images are reduced: they show a change of blur as well, with less noise."""
TILES = 3
"""Tiles along each side."""
EDGES = np.geomspace(1 / 64, 0.35, 11)
"""Limits of the rings, cycles per pixel: below are brightness and shading, which no blur changes;
above is mostly noise."""
FREQUENCIES = np.sqrt(EDGES[1:] * EDGES[:-1])
"""Of each ring, cycles per pixel."""
OVERLAP = 2.25
"""How many neighbouring coefficients count as one: the noise bandwidth of a Hann window is 1.5 in
each direction."""
# Standard deviations by which images must differ in a ring: those of the same differ by up to 2.8
# in 100 rings.
_LIKELY = 3.0
# Share of what two images have in common in a ring by which the sharper one must exceed the
# other: light that drifts by 2 %, and what JPEG makes of it, change less.
_SHARPER = 0.1
# Variance of rounding to 8 bits, of full scale: no image has less noise.
_ROUNDING = 1 / 12 / 255**2

Spectra = list[NDArray[np.complex64]]


class ImageSpectra:
    """Spectra of one image.

    Brightness is divided out. Spectra of equal images are compared by `shared_power`.

    Args:
        image: (H, W) or (H, W, 3).

    Attributes:
        scale: factor by which the image was reduced, at most 1.
        shape: of the image that was transformed, (rows, columns).
        rings: for each ring of frequency, (tiles, coefficients).
        rounding: power of the noise of rounding.
    """

    def __init__(self, image: NDArray[np.generic]) -> None:
        gray = to_gray(to_float(image))
        self.scale = min(1.0, LONGEST_SIDE / max(gray.shape))
        gray = downscale(gray, self.scale)
        mean = max(float(gray.mean()), 1 / 255)
        self.shape = gray.shape
        self.rounding = _ROUNDING / mean**2
        self.rings = _rings(np.asarray(gray / np.float32(mean), np.float32))


def _rings(gray: Image) -> Spectra:
    rows, columns = (side // TILES for side in gray.shape)
    window, ring = _layout(rows, columns)
    parts: list[list[NDArray[np.complex64]]] = [[] for _ in FREQUENCIES]
    for top in range(0, TILES * rows, rows):
        for left in range(0, TILES * columns, columns):
            tile = gray[top : top + rows, left : left + columns]
            tile = (tile - (tile * window).sum() / max(window.sum(), 1e-6)) * window
            spectrum = np.fft.rfft2(tile).astype(np.complex64)
            spectrum /= np.sqrt(max(float((window**2).sum()), 1e-6))
            for index, part in enumerate(parts):
                part.append(spectrum[ring == index])
    return [np.stack(part) for part in parts]


@lru_cache(maxsize=8)
def _layout(rows: int, columns: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Window of a tile, and the ring of each coefficient of its transform."""
    window = np.outer(np.hanning(rows), np.hanning(columns)).astype(np.float32)
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None])
    ring = np.digitize(frequency, EDGES) - 1
    return window, np.where(ring < len(FREQUENCIES), ring, -1)


def shared_power(images: Sequence[ImageSpectra]) -> NDArray[np.float64]:
    """Sums over the coefficients of the real part of the product of two spectra.

    Args:
        images: N of equal shape.

    Returns:
        (tiles, rings, N, N).
    """
    rings = []
    for parts in zip(*(image.rings for image in images), strict=True):
        spectra = np.stack(parts, axis=1)  # (tiles, N, coefficients)
        rings.append((spectra @ spectra.conj().swapaxes(1, 2)).real)
    return np.stack(rings, axis=1).astype(np.float64)


def differ_in_sharpness(images: Sequence[ImageSpectra], power: NDArray[np.float64]) -> bool:
    """Return whether the scene, or a part of it, is sharper in one image than in another.

    Two images a and b of the same, with noise of their own, have the scene in common: at most the
    power of either. Where a lens attenuates a ring by h in b only, they have h (1 - h) more of the
    scene in common than b has power. Noise, shifts and things that move only take from that.

    Args:
        images: N of equal shape.
        power: of `shared_power`.
    """
    rounding = max(image.rounding for image in images)
    # Each tile, and all together: coarse detail has few coefficients in a tile.
    power = np.concatenate([power, power.sum(axis=0, keepdims=True)])
    in_tile = np.maximum([ring.shape[1] for ring in images[0].rings], 1)
    coefficients = np.vstack([np.tile(in_tile, (len(power) - 1, 1)), (len(power) - 1) * in_tile])
    mean = power / coefficients[..., None, None]
    for a, b in combinations(range(len(images)), 2):
        shared, weaker = mean[..., a, b], np.minimum(mean[..., a, a], mean[..., b, b])
        difference = mean[..., a, a] + mean[..., b, b] - 2 * shared + 2 * rounding
        variance = OVERLAP * 0.5 * difference * weaker / coefficients
        excess = shared - weaker - _LIKELY * np.sqrt(np.maximum(variance, 0))
        if (excess > _SHARPER * np.maximum(shared, 0)).any():
            return True
    return False
