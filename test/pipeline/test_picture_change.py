import numpy as np
import pytest

from aif_ros.autofocus.searches import make_search
from aif_ros.devices.clock import SimulatedClock
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.focus_step import focus_window
from aif_ros.pipeline.picture_change import STUCK, PictureChange, differs_by_noise_only
from aif_ros.pipeline.rig import Rig
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens

SIZE = (256, 192)
LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 3e4, SIZE[0])
VIEW = SceneView(texture(SIZE, np.random.default_rng(1)), np.full(SIZE[::-1], 5e-4, np.float32))


class Wall:
    """A wall through a lens that reports its motion, and goes where `stuck_at` says if it does."""

    size = SIZE

    def __init__(self, stuck_at=None):
        self.stuck_at = stuck_at
        self.sensor = Sensor()

    def expose(self, position, seconds, travel=0.0):
        seen = position if self.stuck_at is None else self.stuck_at
        return self.sensor.expose(render(VIEW, LENS, seen))


def picture(position, seed, noise=0.01):
    dice = np.random.default_rng(seed)
    image = render(VIEW, LENS, position)
    return (image + dice.normal(0, noise, image.shape)).astype(np.float32)


@pytest.mark.parametrize("position", [0.0, 5e-4, 1.5e-3])
def test_noise_and_brightness_are_no_change(position):
    first, second = picture(position, 1), picture(position, 2)
    assert differs_by_noise_only(first, second)
    assert differs_by_noise_only(first, 0.7 * second)
    assert differs_by_noise_only(first, first)


@pytest.mark.parametrize(("before", "after"), [(5e-4, 8e-4), (8e-4, 1.1e-3), (0.0, 1.5e-3)])
@pytest.mark.parametrize("noise", [0.01, 0.2])
def test_a_change_of_blur_is_detected(before, after, noise):
    first, second = picture(before, 1, noise), picture(after, 2, noise)
    assert not differs_by_noise_only(first, second)
    assert differs_by_noise_only(first, picture(before, 3, noise))


def test_a_flat_object_looks_the_same_on_either_side_of_its_focus():
    """Yet one difference on the way shows that the lens moves."""
    change = PictureChange()
    for position, seed, missing in (
        (0.0, 1, False),
        (1e-3, 2, True),
        (7e-4, 3, False),
        (1e-3, 4, False),
    ):
        change.add(position, picture(position, seed), 5e-4)
        assert change.missing is missing


def focus(subject, search):
    clock = SimulatedClock()
    lens = SimulatedLens(LENS, clock)
    camera = SimulatedCamera(subject, clock, lens)
    rig = Rig(camera, lens, clock, LENS, exposure_time=0.01)
    return focus_window(rig, search)


class Lost:
    """A search that goes to both ends and gives up."""

    def begin(self, position, limits, image_width):
        from aif_ros.autofocus.search import Decision

        self.measurements = []
        self._ahead = [
            Decision(limits[1], False, None, "looking"),
            Decision(limits[0], True, False, "lost"),
        ]

    def update(self, patch, position):
        return self._ahead.pop(0)


class LostNearby:
    """A search that goes to places two pixels of blur apart and gives up at the last one."""

    def begin(self, position, limits, image_width):
        self.measurements = []
        self._ahead = [5e-4, 5.7e-4]

    def update(self, patch, position):
        from aif_ros.autofocus.search import Decision

        if self._ahead:
            return Decision(self._ahead.pop(0), False, None, "looking")
        return Decision(position, True, False, "lost")


@pytest.mark.parametrize("search", [Lost(), LostNearby()])
@pytest.mark.parametrize("stuck_at", [4.7e-4, 5.6e-4])
def test_a_search_that_fails_names_a_lens_that_does_not_move(search, stuck_at):
    run = focus(Wall(stuck_at), search)
    assert not run.focused
    assert run.reason == STUCK


@pytest.mark.parametrize("stuck_at", [5e-4, 5.3e-4])
def test_a_lens_that_is_stuck_near_focus_is_not_blamed_for_backlash(stuck_at):
    assert focus(Wall(stuck_at), make_search("neural", LENS)).reason == STUCK


@pytest.mark.parametrize("search", [Lost(), LostNearby()])
def test_a_wall_without_texture_shows_no_lens_that_is_stuck(search):
    blank = Wall()
    blank.expose = lambda position, seconds, travel=0.0: blank.sensor.expose(
        np.full((*SIZE[::-1], 3), 0.5, np.float32)
    )
    assert focus(blank, search).reason == "lost"


@pytest.mark.parametrize(("search", "end"), [(Lost(), 0.0), (LostNearby(), 5.7e-4)])
def test_a_search_that_fails_with_a_lens_that_moves(search, end):
    run = focus(Wall(), search)
    assert (run.reason, run.position) == ("lost", pytest.approx(end))


def test_a_search_that_succeeds_is_not_touched():
    run = focus(Wall(), make_search("fibonacci", LENS))
    assert run.focused
    assert "picture does not change" not in run.reason
