"""Focus windows: blocks of cells, and the pixels under them."""

import numpy as np
from numpy.typing import NDArray

from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.types.frame import Window

Block = tuple[slice, slice]
"""Rows and columns of a grid of cells."""


def heaviest_block(weight: NDArray[np.floating], share: float) -> Block:
    """Return the block of cells with the largest sum; its sides are a share of the grid's.

    Args:
        weight: (rows, columns), one for each cell.
        share: side of the block as a share of the side of the grid, 0 to 1.

    Example:
        >>> weight = np.zeros((4, 8))
        >>> weight[2, 5] = weight[3, 6] = 1.0
        >>> heaviest_block(weight, share=0.5)
        (slice(2, 4, None), slice(3, 7, None))
    """
    rows, columns = weight.shape
    height, width = max(1, round(rows * share)), max(1, round(columns * share))
    sums = np.pad(weight, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    blocks = (sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]) + sums[
        :-height, :-width
    ]
    row, column = np.unravel_index(blocks.argmax(), blocks.shape)
    return slice(int(row), int(row) + height), slice(int(column), int(column) + width)


def pixels(blur: DefocusMap, block: Block) -> Window:
    """Return the pixels under a block of cells.

    Args:
        blur: its grid.
        block: rows and columns of the grid.
    """
    first = blur.window(block[0].start, block[1].start)
    last = blur.window(block[0].stop - 1, block[1].stop - 1)
    return Window(first.x, first.y, last.x + last.width - first.x, last.y + last.height - first.y)
