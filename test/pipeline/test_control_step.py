"""When the agent is asked, and what it is shown."""

import numpy as np
import pytest

from aif_ros.control.agent import Action
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.control_step import ControlStep, Missing
from aif_ros.types.frame import LensState

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90e3, 640)


class Script:
    """Sends the lens to one position after the other."""

    def __init__(self, *positions):
        self.positions = list(positions)
        self.seen = []

    def reset(self):
        pass

    def act(self, observation):
        self.seen.append(observation)
        return Action(self.positions.pop(0), None, "next")


def maps(stamp, value=0.0):
    return DefocusMaps(np.full((2, 2, 4), value, np.float32), stamp)


def fused_maps(stamp, value=0.0):
    return DefocusMaps(np.full((2, 2, 40), value, np.float32), stamp)


def make(agent, dynamic=False):
    step = ControlStep(agent, LENS, dynamic=dynamic)
    step.image_size = (64, 48)
    step.observe(LensState(1, 1e-4, False))
    return step


def test_names_what_is_missing():
    step = ControlStep(Script(5e-4), LENS, dynamic=False)
    assert step.missing is Missing.SETTLED_LENS
    step.observe(LensState(1, 1e-4, False))
    assert step.missing is Missing.IMAGE_SIZE
    step.image_size = (64, 48)
    assert step.missing is Missing.FRAME_MAPS
    step.add_frame_maps(maps(5))
    assert step.missing is Missing.FUSED_MAPS
    assert step.decide() is None
    step.add_fused_maps(fused_maps(5))
    assert step.missing is None
    assert step.decide().position == 5e-4
    assert step.frames == 1


@pytest.mark.parametrize("position, sent", [(9.0, 1.5e-3), (-9.0, 0.0)])
def test_never_sends_the_lens_beyond_its_limits(position, sent):
    step = make(Script(position))
    step.add_frame_maps(maps(5))
    step.add_fused_maps(fused_maps(5))
    assert step.decide().position == sent


def test_maps_from_before_the_lens_settled_do_not_count():
    step = make(Script(5e-4, 7e-4))
    step.add_frame_maps(maps(5))
    step.add_fused_maps(fused_maps(5))
    step.decide()
    step.commanded(5e-4, 6)
    step.observe(LensState(7, 2e-4, True))
    step.observe(LensState(20, 5e-4, False))
    for stamp in (15, 25):
        step.add_frame_maps(maps(stamp))
        step.add_fused_maps(fused_maps(stamp))
        assert (step.decide() is not None) == (stamp > 20)


@pytest.fixture
def decided():
    """A step that has decided on a frame at 0.1 mm and sent the lens to 0.5 mm."""
    step = make(Script(5e-4, 7e-4))
    step.add_frame_maps(maps(5))
    step.add_fused_maps(fused_maps(5))
    step.decide()
    step.commanded(5e-4, 6)
    return step


def test_lost_lens_states_do_not_end_the_loop(decided):
    """No state between 7 and 20 has come; the frame of 15 is the only one merged there."""
    decided.observe(LensState(7, 1e-4, True))
    decided.observe(LensState(20, 5e-4, False))
    decided.add_fused_maps(fused_maps(15))
    decided.add_frame_maps(maps(15))
    assert decided.missing is Missing.FRAME_MAPS
    decided.add_frame_maps(maps(25))
    assert decided.decide() is not None


@pytest.fixture
def searched(decided):
    """The same after a search by others has sent the lens to 0.9 mm, where J has a frame of 12."""
    for stamp, position, moving in ((7, 2e-4, True), (10, 9e-4, False), (14, 9e-4, False)):
        decided.observe(LensState(stamp, position, moving))
    decided.add_fused_maps(fused_maps(12))
    return decided


def test_after_a_search_the_frame_merged_meanwhile_counts(searched):
    searched.release()
    searched.observe(LensState(16, 9e-4, False))
    searched.add_frame_maps(maps(17))
    assert searched.decide() is not None


def test_a_frame_from_elsewhere_does_not_count(searched):
    searched.observe(LensState(15, 11e-4, True))
    searched.release()
    searched.observe(LensState(16, 12e-4, False))
    searched.add_frame_maps(maps(17))
    assert searched.missing is Missing.FUSED_MAPS


def test_a_lens_that_stays_is_decided_on_with_the_last_observation():
    script = Script(1e-4 + 1e-7, None)
    step = make(script)
    step.add_frame_maps(maps(5))
    step.add_fused_maps(fused_maps(5))
    step.decide()
    step.commanded(1e-4 + 1e-7, 6)
    assert step.decide() is None
    step.observe(LensState(7, 1e-4, False))
    assert step.decide().position is None
    assert script.seen[0] is script.seen[1]
    assert step.frames == 1


def test_in_a_static_scene_the_frame_may_be_newer_than_the_fused_image():
    step = make(Script(5e-4))
    step.add_fused_maps(fused_maps(5))
    step.add_frame_maps(maps(9))
    assert step.decide() is not None


def test_in_a_dynamic_scene_the_fused_image_must_be_as_of_the_frame():
    script = Script(5e-4)
    step = make(script, dynamic=True)
    step.add_fused_maps(fused_maps(5))
    step.add_frame_maps(maps(9, 0.1))
    step.add_frame_maps(maps(12, 0.2))
    assert step.missing is Missing.FUSED_MAPS
    step.add_fused_maps(fused_maps(10))
    step.decide()
    assert (script.seen[0].stamp, script.seen[0].frame.contrast[0, 0]) == (9, np.float32(0.1))


@pytest.mark.parametrize("dynamic", [False, True])
def test_what_was_passed_is_shown_in_a_dynamic_scene(dynamic):
    script = Script(5e-4, 7e-4)
    step = make(script, dynamic=dynamic)
    for stamp, moving, position in ((5, False, 1e-4), (15, True, 3e-4), (25, False, 5e-4)):
        step.observe(LensState(stamp - 1, position, moving))
        step.add_frame_maps(maps(stamp))
        step.add_fused_maps(fused_maps(stamp))
        step.observe(LensState(stamp + 1, position, moving))
        if step.decide() is not None:
            step.commanded(5e-4, stamp + 2)
    passed = [(each.stamp, each.position) for each in script.seen[1].passed]
    assert passed == ([(15, pytest.approx(3e-4))] if dynamic else [])


def test_begins_anew_with_frames_exposed_later():
    first, second = Script(5e-4), Script(6e-4)
    step = make(first)
    step.add_frame_maps(maps(5))
    step.add_fused_maps(fused_maps(5))
    step.decide()
    step.begin(second, not_before=8)
    assert step.last is None
    step.add_frame_maps(maps(7))
    step.add_fused_maps(fused_maps(7))
    assert step.decide() is None
    step.add_frame_maps(maps(9))
    step.add_fused_maps(fused_maps(9))
    assert step.decide().position == 6e-4
