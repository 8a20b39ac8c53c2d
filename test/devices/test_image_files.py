"""Pictures on disk; `aif stack`'s tests read and write more of them."""

import cv2
import numpy as np
import pytest

from aif_ros.devices.image_files import read_image
from aif_ros.simulation.scenes.planes import texture

PICTURE = texture((60, 40), np.random.default_rng(2))


@pytest.mark.parametrize(
    ("name", "dtype", "tolerance"),
    [("a.jpg", np.uint8, 2), ("a.png", np.uint8, 1), ("a.png", np.uint16, 256)],
)
def test_luma_alone(tmp_path, name, dtype, tolerance):
    pixels = (PICTURE * np.iinfo(dtype).max).astype(dtype)
    cv2.imwrite(str(tmp_path / name), pixels)
    luma = read_image(tmp_path / name, mono=True)
    expected = cv2.cvtColor(read_image(tmp_path / name), cv2.COLOR_RGB2GRAY)
    assert luma.dtype == dtype
    # A JPEG's colours may lie beyond those of RGB, and are clipped.
    assert np.abs(np.subtract(luma, expected, dtype=np.float32)).mean() < tolerance
