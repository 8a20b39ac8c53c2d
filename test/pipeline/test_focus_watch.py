import numpy as np
import pytest

from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.focus_watch import FocusWatch
from aif_ros.types.frame import Window

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90e3, 640)
SIZE = (64, 48)
REACH = LENS.half_depth_of_focus(64)
WINDOW = Window(16, 16, 16, 16)


def maps(distance, in_focus):
    """Known within the window and elsewhere in focus."""
    values = np.zeros((3, 4, 4), np.float32)
    values[..., 2] = 1.0
    values[1, 1] = (distance, 0.0, in_focus, 0.1)
    return DefocusMaps(values, 0)


def watched(watch, distance, in_focus, now, frames=3):
    return [watch.needs_search(maps(distance, in_focus), WINDOW, SIZE, now) for _ in range(frames)]


@pytest.fixture
def watch():
    return FocusWatch(LENS)


def test_the_third_blurred_frame_in_a_row_starts_a_search(watch):
    assert watched(watch, 5 * REACH, 0.1, 10.0) == [False, False, True]


def test_a_window_in_focus_is_not_searched(watch):
    assert not any(watched(watch, 0.5 * REACH, 0.9, 10.0, frames=10))


def test_blur_elsewhere_does_not_matter(watch):
    values = maps(0.0, 1.0).values
    values[0, :, 2] = 0.0
    seen = [watch.needs_search(DefocusMaps(values, 0), WINDOW, SIZE, 10.0) for _ in range(5)]
    assert not any(seen)


def test_unknown_is_not_blurred(watch):
    assert not any(watched(watch, np.nan, np.nan, 10.0, frames=5))


def test_a_window_at_best_focus_is_not_searched_whatever_its_estimate(watch):
    watch.ended(True, 10.0)
    assert not any(watched(watch, 3 * REACH, 0.2, 20.0, frames=20))
    # Noise of the estimate is no reason.
    for factor in (0.8, 1.2, 0.9, 1.1, 1.2, 1.2, 1.2):
        assert not any(watched(watch, 3 * factor * REACH, 0.2, 20.0, frames=1))


def test_a_window_out_of_focus_is_searched_again(watch):
    watch.ended(True, 10.0)
    watched(watch, 3 * REACH, 0.2, 20.0)
    assert watched(watch, 5 * REACH, 0.1, 20.0) == [False, False, True]


def test_pauses_grow_after_failed_searches(watch):
    for pause in (2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        watch.ended(False, 100.0)
        assert not any(watched(watch, 5 * REACH, 0.1, 100.0 + pause))
        assert watched(watch, 5 * REACH, 0.1, 100.01 + pause)[-1]
