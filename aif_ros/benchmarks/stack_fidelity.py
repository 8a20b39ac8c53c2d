"""How true a fused image is to a stack without ground truth: fog and blotches.

Each tile of the result is compared with the slice in which the tile and the tiles around it have
the most detail: for a flat tile, the slice in which the edges around it are sharp. Fog changes its
mean, blotches change its contrast. Detail that is only finer than a tile's mean and contrast, and
halos narrower than a tile, do not show here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image, to_gray

TILE = 32
"""Side of a tile, pixels."""


class Fidelity(NamedTuple):
    """Differences of tiles from the slices that show them sharp, in levels of 255.

    Attributes:
        fog: mean absolute difference of the tiles' means.
        worst_fog: its 99th percentile.
        contrast: mean absolute difference of the tiles' standard deviations.
    """

    fog: float
    worst_fog: float
    contrast: float


class _Tiles(NamedTuple):
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


def stack_fidelity(image: Image, slices: Sequence[Image]) -> Fidelity:
    """Measure the fidelity of a fused image to the registered slices.

    Args:
        image: (H, W) or (H, W, 3), float32 in [0, 1]; at least `TILE` pixels high and wide.
        slices: of the same height and width.
    """
    grays = [to_gray(each) for each in slices]
    detail = np.stack([_around(_tiles(_detail(gray)).mean) for gray in grays])
    sharpest = detail.argmax(axis=0)
    tiles = [_tiles(gray) for gray in grays]
    mean = np.choose(sharpest, [each.mean for each in tiles])
    deviation = np.choose(sharpest, [each.deviation for each in tiles])
    result = _tiles(to_gray(image))
    fog = 255 * np.abs(result.mean - mean)
    contrast = 255 * np.abs(result.deviation - deviation)
    return Fidelity(float(fog.mean()), float(np.quantile(fog, 0.99)), float(contrast.mean()))


def _tiles(plane: NDArray[np.float32]) -> _Tiles:
    rows, columns = plane.shape[0] // TILE, plane.shape[1] // TILE
    tiles = plane[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE)
    values = tiles.astype(np.float64)
    return _Tiles(values.mean(axis=(1, 3)), values.std(axis=(1, 3)))


def _detail(gray: Image) -> NDArray[np.float32]:
    return np.asarray(np.square(cv2.Laplacian(gray, cv2.CV_32F, ksize=3)), np.float32)


def _around(tiles: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.blur(tiles, (3, 3)))
