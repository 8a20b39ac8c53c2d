"""What a frame is used for, by the travel of the lens during its exposure."""

import numpy as np
import pytest

from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.frame_use import FrameUse, frame_use
from aif_ros.types.frame import Frame

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 24000.0, 640)
HALF = LENS.half_depth_of_focus(640)


@pytest.mark.parametrize(
    ("travel", "static", "dynamic"),
    [
        (0.0, FrameUse.DECIDE, FrameUse.DECIDE),
        (0.99 * HALF, FrameUse.REJECT, FrameUse.PASS),
        (1.01 * HALF, FrameUse.REJECT, FrameUse.FOLLOW),
    ],
)
def test_use_by_travel_and_scene(travel, static, dynamic):
    image = np.zeros((480, 640, 3), np.uint8)
    frame = Frame(image, stamp=0, position=0.5e-3, travel=travel)
    assert frame_use(frame, LENS, dynamic=False) is static
    assert frame_use(frame, LENS, dynamic=True) is dynamic


def test_the_depth_of_focus_is_that_of_the_image_size():
    small = Frame(np.zeros((240, 320, 3), np.uint8), stamp=0, position=0.5e-3, travel=1.5 * HALF)
    assert frame_use(small, LENS, dynamic=True) is FrameUse.PASS
