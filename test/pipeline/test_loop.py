"""The steps of the loop, frame by frame, with parts whose answers are known beforehand."""

import numpy as np
import pytest
from known_blur import LENS, WIDTH, Always, OneScene, Ramp, pipeline

from aif_ros.pipeline import still_scene
from aif_ros.types.frame import Frame, LensState
from aif_ros.types.image import ImageError


@pytest.fixture(autouse=True)
def one_scene(monkeypatch):
    monkeypatch.setattr(still_scene, "SceneWatch", OneScene)


def frame(position, stamp, travel=0.0):
    return Frame(Ramp().expose(position, 0.0), stamp, position, travel)


def take(loop, frame):
    """The lens reports before and after the exposure, then the frame is taken in."""
    for stamp in (frame.stamp - 1, frame.stamp + 1):
        loop.observe(LensState(stamp, frame.position, frame.moving))
    step = loop.step(frame)
    if step.action is not None and step.action.position is not None:
        loop.commanded(step.action.position, frame.stamp + 1)
    return step


class TestStep:
    @pytest.fixture
    def loop(self):
        return pipeline(Always(0.9e-3))

    def test_fuses_assesses_and_decides(self, loop):
        take(loop, frame(0.1e-3, 1))
        step = take(loop, frame(0.9e-3, 2))
        assert step.unused is None
        assert step.fused.frames == 2
        assert step.fused is loop.fused
        assert step.reference.image.dtype == np.float32
        assert (step.fused_maps.distance <= step.maps.distance + 1e-6).all()
        assert step.action.position == 0.9e-3

    @pytest.mark.parametrize(
        "useless, reason",
        [
            (frame(0.5e-3, 20, travel=10e-6), "moved"),
            (frame(0.5e-3, 10), "not newer"),
            (frame(0.5e-3, 9), "not newer"),
        ],
    )
    def test_useless_frames_change_nothing_and_give_a_reason(self, loop, useless, reason):
        take(loop, frame(0.1e-3, 10))
        before = loop.fused
        step = take(loop, useless)
        assert reason in step.unused
        assert step.action is None
        assert loop.fused is before

    def test_a_frame_of_a_moving_lens_is_not_used_as_the_first_either(self, loop):
        assert take(loop, frame(0.1e-3, 10, travel=10e-6)).action is None
        assert loop.fused is None

    def test_a_still_scene_is_not_fused_twice_from_one_position(self, loop):
        take(loop, frame(0.1e-3, 10))
        before = loop.fused
        step = take(loop, frame(0.1e-3 + 5e-6, 20))
        assert "position" in step.unused
        assert loop.fused is before
        assert step.action.position == 0.9e-3  # the agent was asked all the same

    def test_a_changing_scene_is_followed_while_the_lens_moves(self):
        loop = pipeline(Always(0.9e-3), dynamic=True)
        assert take(loop, frame(0.1e-3, 10, travel=np.inf)).fused is None
        fused = take(loop, frame(0.1e-3, 20)).fused
        step = take(loop, frame(0.5e-3, 30, travel=np.inf))
        assert "moved" in step.unused
        assert step.action is None
        assert step.fused is fused
        assert loop._fuse._fuser.followed == [0.5e-3]
        assert step.maps is None
        assert step.fused_maps.stamp == 30

    def test_in_a_dynamic_scene_frames_of_slow_motion_are_fused_and_observed(self):
        agent = Always(0.9e-3)
        loop = pipeline(agent, dynamic=True)
        take(loop, frame(0.1e-3, 10))
        slow = LENS.half_depth_of_focus(WIDTH)
        step = take(loop, frame(0.5e-3, 20, travel=slow))
        assert (step.unused, step.action) == (None, None)
        assert step.fused.frames == 2
        take(loop, frame(0.7e-3, 30, travel=1.01 * slow))
        assert loop.fused.frames == 2
        assert len(agent.shown) == 1
        for stamp in (40, 50):
            take(loop, frame(0.9e-3, stamp))
        _, then, later = agent.shown
        assert [(each.position, each.stamp) for each in then.new_observations] == [
            (0.5e-3, 20),
            (0.9e-3, 40),
        ]
        assert later.passed == ()

    @pytest.mark.parametrize("stamp", [20, 15])
    def test_frames_of_slow_motion_are_not_fused_twice(self, stamp):
        loop = pipeline(Always(0.9e-3), dynamic=True)
        take(loop, frame(0.1e-3, 10))
        take(loop, frame(0.5e-3, 20, travel=1e-6))
        assert "not newer" in take(loop, frame(0.5e-3, stamp, travel=1e-6)).unused

    def test_a_changing_scene_is(self):
        loop = pipeline(Always(0.9e-3), dynamic=True)
        take(loop, frame(0.1e-3, 10))
        assert take(loop, frame(0.1e-3, 20)).fused.frames == 2

    def test_bad_images_are_errors_and_lose_nothing(self, loop):
        take(loop, frame(0.1e-3, 10))
        before = loop.fused
        with pytest.raises(ImageError):
            take(loop, Frame(np.zeros((0, 0), np.uint8), 20, 0.5e-3))
        assert loop.fused is before
        assert take(loop, frame(0.5e-3, 20)).fused.frames == 2

    def test_an_image_the_estimator_refuses_is_not_fused(self):
        loop = pipeline(Always(0.9e-3))
        with pytest.raises(ImageError, match="too small"):
            take(loop, Frame(np.zeros((8, 8), np.uint8), 1, 0.1e-3))
        assert loop.fused is None

    def test_reset_discards_the_state(self, loop):
        take(loop, frame(0.1e-3, 10))
        loop.reset()
        assert loop.fused is None
        assert take(loop, frame(0.1e-3, 5)).fused.frames == 1

    def test_bits_per_sample_of_the_camera_can_be_given(self):
        """Otherwise a dark image of 16 bits would be taken for one of 10."""
        loop = pipeline(Always(0.9e-3), bits_per_sample=12)
        for stamp in (10, 20):
            image = Ramp().expose(0.1e-3, 0.0).astype(np.uint16)
            step = take(loop, Frame(image, stamp, 0.1e-3))
            np.testing.assert_allclose(step.reference.image, image / np.float32(4095), atol=1e-6)
            loop.reset()
