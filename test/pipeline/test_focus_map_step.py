"""Which frames enter the focus map."""

import numpy as np
import pytest

from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline import focus_map_step
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.focus_map import FocusMapper
from aif_ros.pipeline.focus_map_step import FocusMapStep
from aif_ros.types.frame import Frame

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 3840)
SIZE = (64, 96)
NEAR, FAR = 2e-4, 1.2e-3


def frame(position, size=SIZE, travel=0.0):
    return Frame(np.zeros(size, np.uint8), 1, position, travel)


def maps(position, focus=7e-4):
    distance = np.full((2, 3), abs(position - focus))
    sure = np.full_like(distance, 1e-5)
    return DefocusMaps(np.stack([distance, sure, sure, sure], -1).astype(np.float32), 1)


def add(step, position, focus=7e-4, *, dynamic=False, **options):
    step.add(maps(position, focus), frame(position, **options), dynamic=dynamic)


def found(step):
    """What the focus map says; None: there is none."""
    return None if step.mapper is None else step.mapper.focus_map().position


@pytest.fixture
def step():
    return FocusMapStep(LENS)


def test_frames_of_a_static_scene_at_rest_are_combined(step):
    for position in (0.0, 1.5e-3):
        add(step, position)
    np.testing.assert_allclose(found(step), 7e-4, atol=2e-5)


@pytest.mark.parametrize("travel", [1e-6, np.inf])
def test_a_frame_exposed_in_motion_is_not_used(step, travel):
    add(step, 0.0, travel=travel)
    assert step.mapper is None


def test_a_dynamic_scene_has_no_focus_map(step):
    add(step, 0.0)
    add(step, 1.5e-3, dynamic=True)
    assert step.mapper is None


def test_a_frame_that_turns_out_to_show_another_scene_is_taken_out(step):
    for position in (0.0, 1.5e-3):
        add(step, position)
    expected = found(step)
    add(step, FAR, focus=1e-4)
    assert abs(found(step) - expected).max() > 1e-6
    step.leave_out((FAR,))
    np.testing.assert_array_equal(found(step), expected)


def test_frames_from_a_position_that_is_left_out_are_not_used(step):
    step.leave_out((FAR,))
    # Nor those of the same position but for jitter.
    for position in (FAR, FAR + 1e-9):
        add(step, position)
    assert step.mapper is None
    step.leave_out(())
    assert step.mapper is None
    add(step, FAR)
    assert step.mapper is not None


def test_a_scene_of_which_all_is_left_out_has_no_focus_map(step):
    add(step, NEAR)
    step.leave_out((NEAR,))
    assert step.mapper is None


@pytest.mark.parametrize("size", [(64, 128), (32, 96)])
def test_images_of_another_size_begin_a_new_map(step, size):
    add(step, NEAR)
    first = step.mapper
    add(step, FAR, size=size)
    assert step.mapper is not first
    assert step.mapper.image_width == size[1]


def test_readings_fade():
    step, mapper = FocusMapStep(LENS, memory=2.0), FocusMapper(LENS, SIZE[1], memory=2.0)
    for position in (0.0, 1.5e-3, 5e-4, 1e-3):
        add(step, position)
        mapper.add(maps(position), position)
    np.testing.assert_array_equal(found(step), mapper.focus_map().position)


def test_the_maps_of_many_frames_are_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(focus_map_step, "_MOST_KEPT", 3)
    step = FocusMapStep(LENS)
    for number in range(6):
        add(step, 1e-4 * number)
    assert len(step._entries) == 3
