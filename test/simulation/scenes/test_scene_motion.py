"""Motion put upon still scenes."""

import numpy as np
import pytest

from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.simulation.scenes.open_scene import open_scene
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.simulation.scenes.scene_motion import CrossingObject, MovedCamera

LENS = LensModel.load(DEFAULT_CALIBRATION)


class Still:
    """An even scene, shifted from the start."""

    name = "still"
    moving = False
    size = (40, 30)

    def __init__(self, channels=(3,)):
        self.image = np.full((30, 40, *channels), 0.5, np.float32)
        self.focus = np.full((30, 40), LENS.limits[0], np.float32)

    def view(self, seconds):
        return SceneView(self.image, self.focus, (1.0, 2.0))


def test_shake_has_the_stated_size_and_repeats():
    scene = open_scene("planes", LENS, width=64, shake=4.0)
    shifts = np.array([scene.view(t).shift for t in np.arange(0, 60, 0.05)])
    assert shifts.std() == pytest.approx(4.0, rel=0.2)
    assert scene.view(1.2).shift == open_scene("planes", LENS, width=64, shake=4.0).view(1.2).shift


def test_pan_turns():
    scene = open_scene("planes", LENS, width=64, pan=20.0)
    assert scene.view(1.0).shift[0] == pytest.approx(-20.0)
    assert scene.view(2.0).shift[0] == pytest.approx(-20.0)
    assert scene.view(3.0).shift[0] == pytest.approx(0.0)


class TestMovedCamera:
    def test_adds_its_motion_to_that_of_the_scene(self):
        moved = MovedCamera(Still(), pan=10.0)
        assert moved.view(0.0).shift == (1.0, 2.0)
        assert moved.view(0.5).shift == pytest.approx((-4.0, 2.0))

    def test_the_image_itself_stays(self):
        still = Still()
        view = MovedCamera(still, shake=5.0).view(1.0)
        assert view.image is still.image
        assert view.focus_position is still.focus

    @pytest.mark.parametrize("pan", [20.0, -20.0])
    def test_a_pan_goes_to_its_reach_and_back(self, pan):
        moved = MovedCamera(Still(), pan=pan, pan_reach=10.0)
        offsets = [(moved.view(t).shift[0] - 1.0) * -np.sign(pan) for t in (0, 0.25, 0.5, 0.75, 1)]
        assert offsets == pytest.approx([0, 5, 10, 5, 0])

    def test_shakes_of_other_seeds_differ(self):
        shifts = [MovedCamera(Still(), shake=3.0, seed=seed).view(0.7).shift for seed in (0, 1)]
        assert shifts[0] != shifts[1]

    def test_a_shake_is_smooth(self):
        """Five swings of up to 7 Hz and 3 px, two thirds of them each."""
        moved = MovedCamera(Still(), shake=3.0)
        shifts = np.array([moved.view(t).shift for t in np.arange(0, 2, 0.001)])
        assert np.abs(np.diff(shifts, axis=0)).max() < 5 * 3 * 0.64 * 2 * np.pi * 7 * 0.001


class TestCrossingObject:
    def places(self, crossing, seconds):
        focus = crossing.view(seconds).focus_position
        return np.argwhere(focus > LENS.limits[0] + 1e-9)

    def test_comes_from_the_left_and_returns(self):
        """From beyond one side to beyond the other: 50 px of path at 10 px a second."""
        crossing = CrossingObject(Still(), LENS, speed=10.0)
        middles = [self.places(crossing, t)[:, 1].mean() for t in (1.5, 2.5, 3.5)]
        assert np.diff(middles) == pytest.approx([10.0, 10.0])
        assert len(self.places(crossing, 0.0)) == len(self.places(crossing, 5.0)) == 0
        assert self.places(crossing, 7.5)[:, 1].mean() == pytest.approx(middles[1])

    def test_is_near_in_the_middle_of_the_height_and_of_its_share(self):
        crossing = CrossingObject(Still(), LENS, speed=10.0, share=0.5)
        view, places = crossing.view(3.0), self.places(crossing, 3.0)
        low, high = LENS.limits
        assert view.focus_position.max() == pytest.approx(low + 0.95 * (high - low))
        assert np.ptp(places, axis=0).tolist() == [14, 19]
        assert places[:, 0].mean() == pytest.approx(14.0, abs=1)

    def test_leaves_the_scene_behind_it_as_it_is(self):
        still = Still()
        view = CrossingObject(still, LENS, speed=10.0).view(2.5)
        assert (still.image == 0.5).all()
        assert view.shift == (1.0, 2.0)
        assert (view.image != 0.5).any()

    def test_mono_scenes_stay_mono(self):
        view = CrossingObject(Still(channels=()), LENS, speed=10.0).view(2.5)
        assert view.image.shape == (30, 40)
        assert (view.image != 0.5).any()


def test_crossing_object_is_near_and_crosses():
    scene = open_scene("motorcycle", LENS, width=120, crossing=30.0)
    still = open_scene("motorcycle", LENS, width=120).view(0.0)
    covered = [scene.view(t).focus_position != still.focus_position for t in (0.0, 2.0, 3.0)]
    assert not covered[0].any()
    assert np.flatnonzero(covered[1].any(axis=0)).mean() < np.flatnonzero(covered[2].any(0)).mean()
