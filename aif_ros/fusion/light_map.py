"""Averages of the light of an image over cells, by which exposures are compared.

Encoded values y stand for light y^2.25 here: cameras have exponents of 2.2 to 2.4.
"""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.flicker import COLUMNS, ROWS, Bands
from aif_ros.fusion.motion.geometry import Transform, translation

EXPONENT = 2.25
"""Light is about the encoded value to this power: between gamma 2.2 and the 2.4 of sRGB's curve."""


@dataclass(frozen=True)
class Cells:
    """Cells over which light is averaged.

    Attributes:
        along: cells along the longer side. Blur must be small against a cell, and cells be many
            enough for a median: at 24, 40 px of blur radius are 1.5 cells in an image of 640 px.
        saturated: encoded value from which on a pixel counts as clipped.
        clipped: largest share of clipped pixels in a usable cell.
        dark: least light in a usable cell.
        least_usable: least share of usable cells for an estimate.
    """

    along: int = 24
    saturated: float = 0.985
    clipped: float = 0.02
    dark: float = 1e-3
    least_usable: float = 0.1


CELLS = Cells()
"""Of all light maps."""


@dataclass(frozen=True)
class LightMap:
    """Averages of light over cells.

    Attributes:
        light: (h, w, C) float32.
        encoded: (h, w, C) float32, averages of the encoded values.
        contrast: (h, w) float32, squared coefficient of variation of the light in a cell.
        usable: (h, w) bool, cells that are neither clipped nor dark.
        rows: (ROWS, COLUMNS) float32, averages of the encoded values of all channels, NaN where
            clipped or dark; see `find_bands`.
    """

    light: NDArray[np.float32]
    encoded: NDArray[np.float32]
    contrast: NDArray[np.float32]
    usable: NDArray[np.bool_]
    rows: NDArray[np.float32]

    def without(self, bands: Bands) -> "LightMap":
        """Return the light of a frame without its bands."""
        count = len(self.usable)
        factors = bands.factors((np.arange(count) + 0.5) / count)[:, None, None]
        return replace(self, light=self.light / factors**EXPONENT, encoded=self.encoded / factors)


def light_map(image: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> LightMap:
    """Average the light of an image over cells.

    Args:
        image: (H, W) or (H, W, 3), uint8, uint16 or float32 in [0, 1].
        valid: (H, W), pixels to use; None: all.
    """
    height, width = image.shape[:2]
    step = max(1, min(height, width) // (8 * CELLS.along))
    # A sample of a large image will do.
    sample = image[::step, ::step].astype(np.float32) / np.float32(full_scale(image))
    sample = sample[..., None] if sample.ndim == 2 else sample
    longer = max(height, width)
    size = (
        max(1, round(CELLS.along * width / longer)),
        max(1, round(CELLS.along * height / longer)),
    )
    planes = cv2.split(sample)
    # Operations on whole planes: those along the short last axis take several times as long.
    clipped = (reduce(cv2.max, planes) >= CELLS.saturated).astype(np.float32)
    if valid is not None:
        clipped = np.maximum(clipped, ~valid[::step, ::step])
    sample = np.maximum(sample, 0)
    # y^2.25 by square roots, which are fast.
    light = _averages(sample * sample * np.sqrt(np.sqrt(sample)), size)
    total = np.square(reduce(cv2.add, (np.maximum(plane, 0) for plane in planes)) / len(planes))
    mean = _averages(total, size)[..., 0]
    contrast = _averages(total * total, size)[..., 0] / np.maximum(mean * mean, 1e-12) - 1
    share = cv2.resize(clipped, size, interpolation=cv2.INTER_AREA).reshape(size[::-1])
    usable = (share <= CELLS.clipped) & (light > CELLS.dark).all(axis=2)
    rows = _averages(np.sqrt(total), (COLUMNS, ROWS))[..., 0]
    row_share = cv2.resize(clipped, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    rows[(row_share > CELLS.clipped) | (rows < CELLS.dark ** (1 / EXPONENT))] = np.nan
    return LightMap(light, _averages(sample, size), contrast.astype(np.float32), usable, rows)


def registered(light: LightMap, transform: Transform, size: tuple[int, int]) -> LightMap:
    """Bring the light map of a slice into the geometry of the fused image.

    Args:
        light: of the slice.
        transform: from the coordinates of the fused image to the slice's.
        size: (width, height) of the slice, pixels.
    """

    def moved(plane: NDArray[np.float32], outside: float = 0.0) -> NDArray[np.float32]:
        rows, columns = plane.shape[:2]
        cells = np.diag([columns / size[0], rows / size[1], 1.0])
        # Pixels and cells are counted by their middles.
        cells = translation(-0.5, -0.5) @ cells @ translation(0.5, 0.5)
        matrix = (cells @ transform @ np.linalg.inv(cells))[:2]
        result = cv2.warpAffine(
            plane,
            matrix,
            (columns, rows),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderValue=(outside,) * 4,
        )
        return np.asarray(result.reshape(plane.shape), np.float32)

    return LightMap(
        moved(light.light),
        moved(light.encoded),
        moved(light.contrast),
        moved(light.usable.astype(np.float32)) > 0.99,
        moved(light.rows, np.nan),
    )


def full_scale(image: NDArray[Any]) -> float:
    """Value of an image, uint8, uint16 or float32, that stands for white."""
    floating = np.issubdtype(image.dtype, np.floating)
    return 1.0 if floating else float(np.iinfo(image.dtype).max)


def _averages(plane: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Averages (h, w, C) over the cells of a plane (H, W, C)."""
    cells = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cells.reshape(*size[::-1], -1).astype(np.float32, copy=False))
