"""Pictures of the report: magnified crops, and what the fused image covers."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.benchmarks.coverage import TILE, CoverageReference
from aif_ros.benchmarks.figures import as_rgb
from aif_ros.types.frame import Window
from aif_ros.types.image import Image, to_float, to_gray, to_uint8

_MAGNIFICATION = 4
"""Factor by which crops are enlarged, so that single pixels show."""
_COVERED = np.array([0.10, 0.62, 0.56], np.float32)
_NOT_COVERED = np.array([0.93, 0.45, 0.10], np.float32)


def crop_windows(first: Image, fused: Image, truth: Image | None, count: int = 4) -> list[Window]:
    """Return where images differ most: half between first and fused, half from the truth.

    Args:
        first: first frame, (H, W) or (H, W, 3), float32 in [0, 1], in the reference geometry.
        fused: J, same shape.
        truth: the sharp scene, same shape; None: all windows between first and fused.
        count: number of windows at most.

    Returns:
        Windows that do not overlap, each about an eighth of the image wide.
    """
    height, width = first.shape[:2]
    side = min(max(16, width // 8), height, width)
    differences = [np.abs(to_gray(first) - to_gray(fused))]
    if truth is not None:
        differences.append(np.abs(to_gray(fused) - to_gray(truth)))
    windows: list[Window] = []
    free = np.ones((height - side + 1, width - side + 1), bool)
    for number in range(count):
        difference = differences[number * len(differences) // count]
        mean = cv2.boxFilter(difference, -1, (side, side), anchor=(0, 0))
        score = np.where(free, mean[: free.shape[0], : free.shape[1]], -1.0)
        row, column = (int(index) for index in np.unravel_index(score.argmax(), score.shape))
        if score[row, column] < 0:
            break
        windows.append(Window(column, row, side, side))
        free[max(row - side + 1, 0) : row + side, max(column - side + 1, 0) : column + side] = False
    return windows


def crops(
    images: Mapping[str, Image], windows: Sequence[Window]
) -> list[dict[str, NDArray[np.uint8]]]:
    """Return the windows of each image, magnified four times; (H, W, 3) RGB, 8 bits.

    Args:
        images: by name, all (H, W) or (H, W, 3) of one size.
        windows: to cut out, pixels.
    """
    return [
        {
            name: cv2.resize(
                as_rgb(image[each.y : each.y + each.height, each.x : each.x + each.width]),
                None,
                fx=_MAGNIFICATION,
                fy=_MAGNIFICATION,
                interpolation=cv2.INTER_CUBIC,
            )
            for name, image in images.items()
        }
        for each in windows
    ]


def marked(image: Image, windows: Sequence[Window]) -> NDArray[np.uint8]:
    """Return an image with numbered windows drawn in; (H, W, 3) RGB, 8 bits.

    Args:
        image: (H, W) or (H, W, 3).
        windows: to draw, pixels; numbered from 1.
    """
    picture = as_rgb(image).copy()
    for number, window in enumerate(windows, start=1):
        corner = (window.x, window.y)
        opposite = (window.x + window.width, window.y + window.height)
        for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 2)):
            cv2.rectangle(picture, corner, opposite, colour, thickness)
            cv2.putText(
                picture,
                str(number),
                (window.x + 6, window.y + 20),
                cv2.FONT_HERSHEY_SIMPLEX,
                0.6,
                colour,
                thickness,
                cv2.LINE_AA,
            )
    return picture


def coverage_picture(fused: Image, reference: CoverageReference) -> NDArray[np.uint8]:
    """Colour the tiles of J: covered, not covered, or without detail (grey).

    Args:
        fused: J, (H, W) or (H, W, 3), float32 in [0, 1].
        reference: what it is compared with.

    Returns:
        (H, W, 3) RGB, 8 bits.
    """
    gray = to_gray(to_float(fused))
    colours = np.full((*gray.shape, 3), 0.55, np.float32)
    covered = reference.covered_tiles(fused)
    for row, column in np.argwhere(reference.detailed):
        colour = _COVERED if covered[row, column] else _NOT_COVERED
        colours[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE] = colour
    return to_uint8(np.clip(colours * (0.35 + 0.85 * gray[..., None]), 0, 1))
