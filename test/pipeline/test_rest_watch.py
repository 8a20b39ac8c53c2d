import numpy as np
import pytest

from aif_ros.devices.device import DeviceError
from aif_ros.pipeline.rest_watch import PATIENCE, RestWatch
from aif_ros.types.frame import Frame

IMAGE = np.zeros((4, 4), np.uint8)
REST, MOTION = (Frame(IMAGE, 0, 1e-4, travel) for travel in (0.0, 1e-5))


def test_frames_exposed_in_motion_are_refused():
    watch = RestWatch()
    assert [watch.at_rest(frame) for frame in (MOTION, REST, MOTION)] == [False, True, False]


def test_too_many_in_a_row_are_an_error():
    watch = RestWatch()
    for _ in range(3):
        for frame in (*[MOTION] * (PATIENCE - 1), REST):
            watch.at_rest(frame)
    with pytest.raises(DeviceError, match=f"during {PATIENCE} exposures in a row"):
        for _ in range(PATIENCE):
            watch.at_rest(MOTION)
