"""What rows and columns of a frame are compared by."""

import numpy as np
import pytest

from aif_ros.fusion.line_profile import FrameLines


def noisy(shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(40, 200, shape).astype(dtype)


@pytest.mark.parametrize("colours", [(), (3,)])
def test_equal_and_plain_rows_are_found(colours):
    image = noisy((300, 64, *colours))
    image[10:13] = 7
    image[257] = image[256]
    rows = FrameLines.of(image).rows
    assert np.flatnonzero(rows.plain).tolist() == [10, 11, 12]
    assert np.flatnonzero(rows.same).tolist() == [11, 12, 257]
    assert np.flatnonzero(rows.equal).tolist() == [10, 11, 12, 257]
    assert rows.means.shape == (300, 8)


def test_columns_are_profiled_as_the_rows_of_the_turned_image():
    image = noisy((48, 600))
    image[:, 100:103] = 0
    columns, rows = FrameLines.of(image).columns, FrameLines.of(np.ascontiguousarray(image.T)).rows
    for name in ("means", "same", "plain", "varied"):
        np.testing.assert_array_equal(getattr(columns, name), getattr(rows, name))


def test_the_share_of_parts_that_vary():
    image = noisy((20, 64))
    image[5] = image[4]
    image[5, :16] += 1
    assert FrameLines.of(image).rows.varied[5] == pytest.approx(2 / 8)


def test_brightness_is_a_share_of_the_full_scale():
    image = np.full((20, 64), 1023, np.uint16)
    np.testing.assert_allclose(FrameLines.of(image, 4092.0).rows.means, 0.25)
