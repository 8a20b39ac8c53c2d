"""Blocks of cells, and the pixels under them."""

import numpy as np
import pytest

from aif_ros.control.focus_windows import heaviest_block, pixels
from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.types.frame import Window


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (7, 1), (5, 4), (6, 7)])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.75, 1.0])
def test_no_block_of_that_size_is_heavier(shape, share):
    weight = np.random.default_rng(0).integers(0, 100, shape)
    block = heaviest_block(weight, share)
    height, width = weight[block].shape
    rows, columns = weight.shape
    assert (height, width) == (max(1, round(rows * share)), max(1, round(columns * share)))
    assert weight[block].sum() == max(
        weight[top : top + height, left : left + width].sum()
        for top in range(rows - height + 1)
        for left in range(columns - width + 1)
    )


def test_the_whole_grid_is_one_block():
    assert heaviest_block(np.ones((3, 5)), 1.0) == (slice(0, 3), slice(0, 5))


def test_a_small_share_is_one_cell():
    weight = np.zeros((4, 6))
    weight[3, 1] = 1.0
    assert heaviest_block(weight, 0.01) == (slice(3, 4), slice(1, 2))


def grid(rows, columns, size):
    cells = np.zeros((rows, columns), np.float32)
    return DefocusMap(cells, cells, cells, cells, size)


class TestPixels:
    def test_of_one_cell_are_its_window(self):
        blur = grid(3, 4, (640, 480))
        assert pixels(blur, (slice(1, 2), slice(2, 3))) == blur.window(1, 2)

    def test_of_all_cells_are_the_image(self):
        whole = (slice(0, 7), slice(0, 9))
        assert pixels(grid(7, 9, (1001, 333)), whole) == Window(0, 0, 1001, 333)

    def test_rows_are_vertical(self):
        assert pixels(grid(2, 4, (400, 100)), (slice(1, 2), slice(1, 3))) == Window(
            x=100, y=50, width=200, height=50
        )

    @pytest.mark.parametrize("size", [(640, 480), (101, 67)])
    def test_blocks_side_by_side_share_no_pixel_and_leave_none(self, size):
        blur = grid(5, 6, size)
        seen = np.zeros(size[::-1], int)
        for rows in (slice(0, 2), slice(2, 5)):
            for columns in (slice(0, 1), slice(1, 4), slice(4, 6)):
                window = pixels(blur, (rows, columns))
                seen[window.y : window.y + window.height, window.x : window.x + window.width] += 1
        assert (seen == 1).all()
