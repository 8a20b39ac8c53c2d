from dataclasses import replace

import cv2
import numpy as np
import pytest

from aif_ros.autofocus.searches import make_search
from aif_ros.devices.clock import SimulatedClock
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.focus_step import FocusOptions, focus_window
from aif_ros.pipeline.image_change import DOUBT_RECORDED, STUCK, STUCK_RECORDED, ImageChange
from aif_ros.pipeline.rig import Rig
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens
from aif_ros.types.image import DISPLAY_GAMMA

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


CAMERAS = {
    "white noise": SensorModel(read_noise=3 / 255),
    "much noise": SensorModel(read_noise=25 / 255),
    "smoothed noise": SensorModel(read_noise=3 / 255, noise_correlation=1.0),
    "mosaic": SensorModel(read_noise=2 / 255, demosaic="edge_aware", sharpen=0.8),
    "phone": SensorModel(photons=3000, demosaic="bilinear", denoise="bilateral", jpeg_quality=85),
    "webcam": SensorModel(read_noise=3 / 255, demosaic="bilinear", jpeg_quality=70),
}


def change(camera, positions, seen=None, *, stamp=False, lens=LENS):
    """ImageChange after pictures at reported positions; `seen`: where the lens really is."""
    result, random = ImageChange(lens), np.random.default_rng(5)
    for position, at in zip(positions, positions if seen is None else seen, strict=True):
        light = np.clip(render(VIEW, LENS, at), 0, 1) ** DISPLAY_GAMMA
        image = camera.capture(light.astype(np.float32), random)
        if stamp:
            cv2.putText(image, "12:00:00", (8, 180), 0, 1.0, (255, 255, 255), 2)
        result.add(position, image, SIZE[0])
    return result


SWEEP = (0.0, 3e-4, 6e-4, 9e-4, 1.2e-3)


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
@pytest.mark.parametrize("stuck_at", [3e-4, 5e-4])
def test_a_lens_that_is_stuck(camera, stuck_at):
    assert change(camera, SWEEP, [stuck_at] * 5).missing


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
@pytest.mark.parametrize(
    "positions",
    [
        SWEEP,
        SWEEP[::-1],
        (3e-4, 3e-4, 5e-4, 5e-4),
        (0.0, 1e-3, 4e-4, 6e-4),
        (1.5e-3, 8e-4, 0.0, 1e-3),
    ],
)
def test_a_lens_that_moves(camera, positions):
    assert not change(camera, positions).missing


def test_pictures_of_a_lens_that_moves_decide():
    assert not change(CAMERAS["webcam"], SWEEP).undecided


@pytest.mark.parametrize("scale", [0.6, 1.6])
def test_a_calibration_that_is_somewhat_wrong(scale):
    lens = replace(LENS, blur_per_metre=scale * LENS.blur_per_metre)
    assert not change(CAMERAS["phone"], SWEEP, lens=lens).missing
    assert change(CAMERAS["phone"], SWEEP, [5e-4] * 5, lens=lens).missing


def test_the_calibration_of_a_lens_with_far_more_blur():
    lens = replace(LENS, blur_per_metre=6 * LENS.blur_per_metre)
    assert not change(CAMERAS["phone"], SWEEP, lens=lens).missing


def test_brightness_is_no_change():
    cameras = [SensorModel(exposure=1 + 0.1 * (index % 3)) for index in range(5)]
    result, random = ImageChange(LENS), np.random.default_rng(1)
    light = (np.clip(render(VIEW, LENS, 5e-4), 0, 1) ** DISPLAY_GAMMA).astype(np.float32) / 2
    for camera, position in zip(cameras, SWEEP, strict=True):
        result.add(position, camera.capture(light, random), SIZE[0])
    assert result.missing


def test_a_time_printed_on_a_picture_out_of_focus_is_no_lens_that_is_stuck():
    camera, blurred = CAMERAS["white noise"], (1.1e-3, 1.2e-3, 1.35e-3, 1.5e-3, 1.15e-3)
    assert not change(camera, blurred, stamp=True).missing
    assert change(camera, SWEEP, [5e-4] * 5, stamp=True).missing


def test_a_short_travel_shows_nothing():
    """Backlash can swallow it."""
    near = (5e-4, 5.3e-4, 5.5e-4, 5.6e-4, 5.8e-4)
    assert not change(CAMERAS["white noise"], near, [5e-4] * 5).missing


def test_a_flat_object_looks_the_same_on_either_side_of_its_focus():
    result = change(CAMERAS["white noise"], (2e-4, 8e-4, 2e-4, 8e-4))
    assert not result.missing
    assert result.undecided


def test_a_picture_without_texture_shows_nothing():
    result, random = ImageChange(LENS), np.random.default_rng(2)
    light = np.full((*SIZE[::-1], 3), 0.2, np.float32)
    for position in SWEEP:
        result.add(position, CAMERAS["webcam"].capture(light, random), SIZE[0])
    assert not result.missing


@pytest.mark.parametrize("noise", [0.0, 0.002])
@pytest.mark.parametrize("size", [SIZE, (96, 96)])
def test_the_fixed_pattern_of_a_sensor_is_no_scene(noise, size):
    result, random = ImageChange(LENS), np.random.default_rng(4)
    pattern = random.normal(0.2, 0.01, size[::-1])
    for position in SWEEP:
        image = pattern + random.normal(0, noise, pattern.shape)
        result.add(position, image.astype(np.float32), SIZE[0])
    assert not result.missing


def test_large_pictures_are_reduced():
    result, random = ImageChange(LENS), np.random.default_rng(3)
    for position in SWEEP:
        image = cv2.resize(VIEW.image, (1280, 960)) + random.normal(0, 0.02, (960, 1280, 1))
        result.add(position, np.clip(image, 0, 1).astype(np.float32), 1280)
    assert result.missing


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
@pytest.mark.parametrize("count", [2, 3])
def test_a_lens_that_is_stuck_leaves_a_doubt_where_the_images_are_few(camera, count):
    result = change(camera, SWEEP[:count], [3e-4] * count)
    assert not result.missing
    assert f"no change with the lens position: {count} are too few" in result.doubt


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
@pytest.mark.parametrize("positions", [SWEEP[:2], SWEEP[:3], (9e-4, 5e-4), (4e-4, 8e-4, 5e-4)])
def test_few_images_of_a_lens_that_moves_leave_none(camera, positions):
    assert change(camera, positions).doubt == ""


def test_there_is_no_doubt_where_it_does_not_matter_whether_the_lens_moves():
    assert change(CAMERAS["webcam"], (5e-4, 5.5e-4), [5e-4] * 2).doubt == ""
    assert change(CAMERAS["webcam"], (5e-4, 5e-4, 5e-4)).doubt == ""


def test_there_is_no_doubt_about_a_lens_that_is_known_to_be_stuck():
    assert change(CAMERAS["webcam"], SWEEP, [5e-4] * 5).doubt == ""


def test_a_picture_without_texture_leaves_a_doubt():
    result, random = ImageChange(LENS), np.random.default_rng(2)
    light = np.full((*SIZE[::-1], 3), 0.2, np.float32)
    for number, position in enumerate(SWEEP, 1):
        result.add(position, CAMERAS["webcam"].capture(light, random), SIZE[0])
        assert bool(result.doubt) == (number > 1)


@pytest.mark.parametrize("drift", [0.98, 1.02])
def test_light_that_drifts_is_no_change_of_sharpness(drift):
    result, random = ImageChange(LENS), np.random.default_rng(1)
    light = (np.clip(render(VIEW, LENS, 5e-4), 0, 1) ** DISPLAY_GAMMA).astype(np.float32) / 2
    for position, factor in zip(SWEEP[:3], (1, drift, 1 / drift), strict=True):
        image = CAMERAS["webcam"].capture(factor * light, random)
        result.add(position, image, SIZE[0])
    assert result.doubt


def focus(subject, search, **options):
    clock = SimulatedClock()
    lens = SimulatedLens(LENS, clock)
    camera = SimulatedCamera(subject, clock, lens)
    rig = Rig(camera, lens, clock, LENS, exposure_time=0.01)
    return focus_window(rig, search, options=FocusOptions(**options))


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


def test_recorded_slices_that_are_alike_are_no_matter_of_a_motor():
    assert focus(Wall(4.7e-4), Lost(), recorded=True).reason == STUCK_RECORDED
    assert focus(Wall(5e-4), Easy(), recorded=True).doubt == DOUBT_RECORDED


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


class Easy:
    """A search that goes to one other place and is satisfied."""

    def begin(self, position, limits, image_width):
        self.measurements, self._images = [], 0

    def update(self, patch, position):
        from aif_ros.autofocus.search import Decision

        self._images += 1
        done = self._images == 2
        return Decision(6e-4, done, True if done else None, "satisfied")


def test_a_search_that_succeeds_with_images_that_do_not_change_leaves_a_doubt():
    run = focus(Wall(5e-4), Easy())
    assert (run.focused, run.reason) == (True, "satisfied")
    assert "2 are too few" in run.doubt
    assert focus(Wall(), Easy()).doubt == ""


def test_a_search_that_succeeds_is_not_touched():
    run = focus(Wall(), make_search("fibonacci", LENS))
    assert run.focused
    assert run.doubt == ""
    assert "image does not change" not in run.reason
