"""Measurements within one window of a focal sweep: contrast, focus position, blur radii.

The blur radius is found by blurring the focused photograph, in linear light, until it matches.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from aif_ros.defocus.sharpness import tenengrad
from aif_ros.optics.psf import Aperture
from aif_ros.types.image import DISPLAY_GAMMA, Image

Place = tuple[slice, slice]
"""Rows and columns of a window."""

_RADII = np.concatenate([np.arange(0.0, 3.0, 0.25), np.geomspace(3.0, 48.0, 48)])
"""Radii that are tried, pixels."""
LEAST_RADIUS, LARGEST_RADIUS = 1.5, 32.0
"""Radii, pixels, that slopes are fitted to: smaller ones are masked by the softness of the lens."""
_LEAST_CORRELATION = 0.9
"""Least correlation of a match."""
GRID = (6, 8)
"""Rows and columns of windows."""
LEAST_TEXTURE = 1e-5
"""Least Tenengrad of a focused window, squared grey levels per pixel."""


def windows(shape: tuple[int, ...]) -> list[Place]:
    """Return the windows of an image of that shape (H, W), row by row."""
    rows = np.linspace(0, shape[0], GRID[0] + 1).astype(int)
    columns = np.linspace(0, shape[1], GRID[1] + 1).astype(int)
    return [
        (slice(int(rows[i]), int(rows[i + 1])), slice(int(columns[j]), int(columns[j + 1])))
        for i in range(GRID[0])
        for j in range(GRID[1])
    ]


class WindowBlurs:
    """One window of a focused photograph, blurred by every radius that is tried.

    Args:
        focused: (H, W) float32 in [0, 1].
        place: rows and columns of the window.
    """

    def __init__(self, focused: Image, place: Place) -> None:
        rows, columns = place
        margin = int(_RADII[-1])
        inner = (
            slice(margin, margin + rows.stop - rows.start),
            slice(margin, margin + columns.stop - columns.start),
        )
        light = np.pad(focused, margin, mode="reflect")[
            rows.start : rows.stop + 2 * margin, columns.start : columns.stop + 2 * margin
        ]
        shape = tuple(fft.next_fast_len(side, real=True) for side in light.shape)
        spectrum = fft.rfft2(np.power(light, np.float32(DISPLAY_GAMMA)), s=shape)
        self._place = place
        self._blurred = np.stack(
            [
                _standardised(
                    fft.irfft2(spectrum * _transfer(float(radius), shape), s=shape)[inner]
                )
                for radius in _RADII
            ]
        )

    def radius(self, defocused: Image) -> float | None:
        """Blur radius, pixels, that turns the focused photograph into another within the window.

        Args:
            defocused: (H, W) float32 in [0, 1], registered to the focused one.

        Returns:
            The radius, or None where no radius makes them match.
        """
        seen = np.power(defocused[self._place], np.float32(DISPLAY_GAMMA))
        scores = np.asarray(self._blurred @ _standardised(seen), dtype=np.float64)
        best = int(scores.argmax())
        if not scores[best] > _LEAST_CORRELATION or best == len(_RADII) - 1:
            return None
        return _peak(_RADII, scores, best)


@lru_cache(maxsize=4 * len(_RADII))
def _transfer(radius: float, shape: tuple[int, int]) -> NDArray[np.floating]:
    return Aperture().transfer_function(radius, shape)


def _standardised(window: NDArray[np.floating]) -> NDArray[np.float32]:
    """Pixels less their mean, of unit length: dot products are correlations; 0 if all are alike."""
    values = window.ravel().astype(np.float64)
    values -= values.mean()
    length = float(np.linalg.norm(values))
    return (values / length if length > 0 else values).astype(np.float32)


def follow(
    stack: NDArray[np.float32], positions: NDArray[np.float64], place: Place
) -> tuple[float, float, dict[float, float]] | None:
    """Measure one window throughout the sweep.

    Args:
        stack: (N, H, W) luma, registered.
        positions: (N,) lens positions, metres, ascending.
        place: rows and columns of the window.

    Returns:
        Pixels per metre, its focus position in metres, and the blur radius at each position that
        counts; None where the window is unusable.
    """
    best = sharpest(stack, place)
    if best is None:
        return None
    # Signed radii lie on one line through focus, whose slope is wanted.
    signed, where = [], []
    blurs = WindowBlurs(stack[best], place)
    for index, position in enumerate(positions):
        if index == best:
            continue
        radius = blurs.radius(stack[index])
        if radius is not None and LEAST_RADIUS <= radius <= LARGEST_RADIUS:
            signed.append(radius if index > best else -radius)
            where.append(position)
    if len(where) < 3:
        return None
    sides = np.sign(signed)
    # An offset for each side: the sharpest slice is not exactly in focus.
    columns = np.stack([np.array(where), sides > 0, sides < 0], axis=1).astype(np.float64)
    columns = columns[:, [0, *(1 + side for side in range(2) if columns[:, 1 + side].any())]]
    solution = np.linalg.lstsq(columns, np.array(signed), rcond=None)[0]
    slope = float(solution[0])
    if slope <= 0:
        return None
    peak = float(positions[best])
    return slope, peak, dict(zip(where, np.abs(signed), strict=True))


def _contrast(stack: NDArray[np.float32], place: Place) -> NDArray[np.float64]:
    return np.array([tenengrad(image[place]) for image in stack])


def sharpest(stack: NDArray[np.float32], place: Place) -> int | None:
    """Index of the slice of highest contrast; None where there is no texture.

    Args:
        stack: (N, H, W) grey values of the slices.
        place: part of the image.
    """
    contrast = _contrast(stack, place)
    best = int(contrast.argmax())
    if contrast[best] < max(LEAST_TEXTURE, 2.0 * float(contrast.min())):
        return None
    return best


def focus_position(
    stack: NDArray[np.float32], positions: NDArray[np.float64], place: Place
) -> float:
    """Focus position of a window, metres: the peak of a parabola through three log contrasts.

    Args:
        stack: (N, H, W) luma, registered.
        positions: (N,) lens positions, metres.
        place: rows and columns of the window.
    """
    contrast = _contrast(stack, place)
    return _peak(positions, np.log(contrast + 1e-9), int(contrast.argmax()))


def _peak(x: NDArray[np.float64], y: NDArray[np.float64], index: int) -> float:
    """Place of the maximum of a parabola through a sample and its neighbours."""
    if index in (0, len(x) - 1):
        return float(x[index])
    a, b, _ = np.polyfit(x[index - 1 : index + 2], y[index - 1 : index + 2], 2)
    return float(-b / (2 * a)) if a < 0 else float(x[index])
