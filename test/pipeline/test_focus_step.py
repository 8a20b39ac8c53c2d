"""Single-shot autofocus on simulated devices."""

import numpy as np
import pytest

from aif_ros.autofocus.search import Decision, FocusMeasurement
from aif_ros.autofocus.searches import make_search
from aif_ros.devices.clock import SimulatedClock
from aif_ros.devices.device import DeviceError
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.focus_step import FocusOptions, focus_window
from aif_ros.pipeline.rig import Rig
from aif_ros.settings.nodes import AutofocusSettings
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens
from aif_ros.types.frame import LensState, Window
from aif_ros.types.image import ImageError

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 20e3, 160)
VIEW = SceneView(
    texture((160, 120), np.random.default_rng(1)),
    np.where(np.arange(160) < 80, 0.3e-3, 0.7e-3).astype(np.float32)[None].repeat(120, axis=0),
)


class TwoPlanes:
    """In focus at 0.3 mm on the left, at 0.7 mm on the right."""

    size = (160, 120)

    def __init__(self):
        self.sensor = Sensor()

    def expose(self, position, seconds, travel=0.0):
        return self.sensor.expose(render(VIEW, LENS, position))


@pytest.fixture
def clock():
    return SimulatedClock(10**18)


@pytest.fixture
def lens(clock):
    return SimulatedLens(LENS, clock)


@pytest.fixture
def rig(clock, lens):
    return Rig(SimulatedCamera(TwoPlanes(), clock, lens), lens, clock, LENS, exposure_time=0.01)


@pytest.mark.parametrize("name", ["neural", "fibonacci", "rule_based"])
@pytest.mark.parametrize(
    "window, focus", [(Window(4, 10, 68, 100), 0.3e-3), (Window(90, 10, 66, 100), 0.7e-3)]
)
def test_brings_the_window_into_focus(rig, lens, name, window, focus):
    run = focus_window(rig, make_search(name, LENS), window, FocusOptions(start=0.5e-3))
    assert run.focused
    assert abs(run.position - focus) <= 1.2 * LENS.half_depth_of_focus(160)
    assert lens.state().position == pytest.approx(run.position, abs=1e-6)
    assert len(run.measurements) <= 14


def test_default_window_is_the_centre(rig):
    search, shown = make_search("fibonacci", LENS), []
    update = search.update
    search.update = lambda patch, position: shown.append(patch.shape) or update(patch, position)
    focus_window(rig, search)
    assert set(shown) == {(120, 120, 3)}  # the shorter side of the image
    assert FocusOptions().window_size == AutofocusSettings().window_size > 120


def test_range_and_start_are_kept(rig):
    search = make_search("fibonacci", LENS)
    limits = (0.5e-3, 0.9e-3)
    run = focus_window(rig, search, Window(90, 10, 60, 100), FocusOptions(limits, 0.6e-3))
    assert run.measurements[0].position == pytest.approx(0.6e-3)
    assert all(limits[0] <= each.position <= limits[1] for each in run.measurements)


def test_every_look_is_reported(rig):
    frames = []
    window = Window(90, 10, 60, 100)
    run = focus_window(rig, make_search("fibonacci", LENS), window, on_frame=frames.append)
    assert [frame.position for frame in frames] == [each.position for each in run.measurements]


def test_window_outside_the_image(rig):
    with pytest.raises(ValueError, match="160x120"):
        focus_window(rig, make_search("fibonacci", LENS), Window(100, 0, 100, 50))


def test_lens_that_stalls(rig, lens):
    lens.stall()
    with pytest.raises(DeviceError, match="stalled"):
        focus_window(rig, make_search("fibonacci", LENS), Window(90, 10, 60, 100))


def test_lens_that_lies(clock, lens):
    """It says that it has arrived, somewhere else."""

    class Liar(SimulatedLens):
        def state(self):
            state = super().state()
            return LensState(state.stamp, 0.5 * state.position, state.moving)

    liar = Liar(LENS, clock)
    rig = Rig(SimulatedCamera(TwoPlanes(), clock, liar), liar, clock, LENS)
    with pytest.raises(DeviceError, match="rests at"):
        focus_window(rig, make_search("fibonacci", LENS), Window(90, 10, 60, 100))


def test_lens_that_stops_short_at_the_end(clock, lens):
    """It reaches every position of the search, but not the final one."""

    class Tired(SimulatedLens):
        moves = 0

        def move_to(self, position):
            self.moves += 1
            super().move_to(position if self.moves < 5 else 0.5 * position)

    class Search:
        def begin(self, position, limits, image_width):
            self.measurements = []

        def update(self, patch, position):
            self.measurements.append(FocusMeasurement(position, 0.0))
            return Decision(
                2e-4 * len(self.measurements), len(self.measurements) == 5, True, "found"
            )

    tired = Tired(LENS, clock)
    rig = Rig(SimulatedCamera(TwoPlanes(), clock, tired), tired, clock, LENS)
    with pytest.raises(DeviceError, match=r"sent to 0\.001000 m but rests at 0\.000500"):
        focus_window(rig, Search(), Window(90, 10, 60, 100))


def test_the_lens_passes_the_position_that_it_is_sent_via(clock, lens):
    """No image is taken there."""

    class Search:
        def begin(self, position, limits, image_width):
            self.measurements = []

        def update(self, patch, position):
            self.measurements.append(FocusMeasurement(position, 0.0))
            done = len(self.measurements) == 3
            via = None if done else 1e-4
            return Decision(position if done else 6e-4, done, True, "found", via=via)

    class Followed(SimulatedLens):
        sent = ()

        def move_to(self, position):
            self.sent = (*self.sent, position)
            super().move_to(position)

    followed = Followed(LENS, clock)
    rig = Rig(SimulatedCamera(TwoPlanes(), clock, followed), followed, clock, LENS)
    run = focus_window(rig, Search(), Window(90, 10, 60, 100), FocusOptions(start=0.3e-3))
    assert followed.sent == pytest.approx((3e-4, 1e-4, 6e-4, 1e-4, 6e-4, 6e-4))
    places = [each.position for each in run.measurements]
    assert places == pytest.approx([3e-4, 6e-4, 6e-4])


@pytest.mark.parametrize("name", ["fibonacci", "rule_based"])
@pytest.mark.parametrize("start", [0.0, 0.66e-3])
def test_backlash_that_the_calibration_lacks_is_taken_up(clock, lens, name, start):
    """The optics lie behind the motor by 3 px of blur after each reversal."""
    optics = []

    class Watched(TwoPlanes):
        def expose(self, position, seconds, travel=0.0):
            optics.append(position)
            return super().expose(position, seconds, travel)

    camera = SimulatedCamera(Watched(), clock, lens, backlash=1.5e-4)
    rig = Rig(camera, lens, clock, LENS, exposure_time=0.01)
    run = focus_window(
        rig, make_search(name, LENS), Window(90, 10, 66, 100), FocusOptions(start=start)
    )
    assert run.focused
    assert abs(optics[-1] - 0.7e-3) <= 1.2 * LENS.half_depth_of_focus(160)


def test_lens_that_reports_no_position(clock, lens):
    class Lost(SimulatedLens):
        def state(self):
            return LensState(super().state().stamp, float("nan"), False)

    lost = Lost(LENS, clock)
    rig = Rig(SimulatedCamera(TwoPlanes(), clock, lost), lost, clock, LENS)
    with pytest.raises(DeviceError, match="reports nan as its position"):
        focus_window(rig, make_search("fibonacci", LENS), Window(90, 10, 60, 100))


@pytest.mark.parametrize("name", ["neural", "fibonacci", "rule_based", "sweep"])
@pytest.mark.parametrize("level", [0, 255])
def test_nothing_to_focus_on(clock, lens, name, level):
    class Flat:
        size = (160, 120)

        def expose(self, position, seconds, travel=0.0):
            return np.full((120, 160, 3), level, np.uint8)

    rig = Rig(SimulatedCamera(Flat(), clock, lens), lens, clock, LENS)
    run = focus_window(rig, make_search(name, LENS), options=FocusOptions(start=0.4e-3))
    assert not run.focused
    assert run.position == lens.state().position == pytest.approx(0.4e-3)
    assert "nothing to focus on" in run.reason


def test_picture_with_nan(clock, lens):
    class Broken:
        size = (160, 120)

        def expose(self, position, seconds, travel=0.0):
            return np.full((120, 160), np.nan, np.float32)

    rig = Rig(SimulatedCamera(Broken(), clock, lens), lens, clock, LENS)
    for name in ("neural", "fibonacci"):
        with pytest.raises(ImageError, match="not finite"):
            focus_window(rig, make_search(name, LENS))


def test_window_smaller_than_the_networks_need(rig):
    with pytest.raises(ImageError, match="less than 64 x 64 px, got 60 x 100"):
        focus_window(rig, make_search("neural", LENS), Window(90, 10, 60, 100))


def test_lens_beyond_its_limits_is_brought_back_first(clock):
    """A search within limits begins within them, wherever the lens stands."""
    lens = SimulatedLens(LENS, clock, start=0.9e-3)
    rig = Rig(SimulatedCamera(TwoPlanes(), clock, lens), lens, clock, LENS)
    search = make_search("fibonacci", LENS)
    run = focus_window(rig, search, Window(4, 10, 68, 100), FocusOptions((0.1e-3, 0.6e-3)))
    assert run.measurements[0].position == pytest.approx(0.6e-3)
    assert all(each.position <= 0.6e-3 + 1e-9 for each in run.measurements)


def test_a_full_scale_that_is_recognised_late_does_not_mislead_the_search(clock, lens):
    """A 16-bit camera that does not state its bits, and whose first picture is dark."""

    class Deep(TwoPlanes):
        pictures = 0

        def expose(self, position, seconds, travel=0.0):
            image = super().expose(position, seconds, travel).astype(np.uint16) * 4
            self.pictures += 1
            if self.pictures > 1:
                image[0, 0] = 4095  # outside the window
            return image

    rig = Rig(SimulatedCamera(Deep(), clock, lens), lens, clock, LENS, exposure_time=0.01)
    window = Window(90, 10, 66, 100)
    run = focus_window(rig, make_search("fibonacci", LENS), window, FocusOptions(start=0.1e-3))
    assert run.focused
    assert abs(run.position - 0.7e-3) <= 1.2 * LENS.half_depth_of_focus(160)
