from dataclasses import replace

import numpy as np
import pytest

from aif_ros.autofocus.searches import make_search
from aif_ros.devices.clock import SimulatedClock
from aif_ros.devices.device import DeviceError
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.direction_watch import DirectionWatch
from aif_ros.pipeline.focus_step import FocusOptions, focus_window
from aif_ros.pipeline.image_change import ImageWatch
from aif_ros.pipeline.rig import Rig
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens
from aif_ros.types.frame import Frame

SIZE = (320, 240)
# 5 px of blur radius and 2.4 % of magnification over the travel.
LENS = LensModel("test", 1e-6, (0.0, 1e-3), 5e3, SIZE[0], breathing_per_metre=24.0)
PICTURE = texture(SIZE, np.random.default_rng(3))


def frames(breathing, shift=0.0):
    """Three frames over the travel, of a lens that breathes by `breathing` per metre."""
    lens = replace(LENS, breathing_per_metre=breathing)
    focus = np.full(SIZE[::-1], 4e-4, np.float32)
    for index, position in enumerate((0.0, 9e-4, 1e-3)):
        view = SceneView(PICTURE, focus, (index * shift, 0.0))
        image = Sensor(seed=index).expose(render(view.settled(), lens, position))
        yield Frame(image, index, position)


def fault(watched, breathing, **motion):
    watch = DirectionWatch(watched)
    for frame in frames(breathing, **motion):
        watch.add(frame)
    return watch.fault


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_a_lens_that_counts_the_other_way_is_noticed(shift):
    assert "counts in the other direction" in fault(LENS, -24.0, shift=shift)


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_a_lens_as_calibrated_is_not(shift):
    assert not fault(LENS, 24.0, shift=shift)


def test_a_lens_without_breathing_shows_nothing():
    assert not fault(replace(LENS, breathing_per_metre=0.0), -24.0)


@pytest.mark.parametrize(("dynamic", "found"), [(False, True), (True, False)])
def test_a_loop_in_a_static_scene_ends_with_it(dynamic, found):
    watch = ImageWatch(LENS)
    for frame in frames(-24.0):
        watch.add(frame, dynamic=dynamic)
    assert ("counts in the other direction" in watch.fault) is found


class Inverted:
    """A wall through a lens that breathes the other way."""

    size = SIZE

    def expose(self, position, seconds, travel=0.0):
        view = SceneView(PICTURE, np.full(SIZE[::-1], 4e-4, np.float32))
        return Sensor().expose(render(view, replace(LENS, breathing_per_metre=-24.0), position))


def test_a_search_ends_with_the_error():
    clock = SimulatedClock()
    lens = SimulatedLens(LENS, clock)
    fine = replace(LENS, depth_of_field_px=0.3)
    rig = Rig(SimulatedCamera(Inverted(), clock, lens), lens, clock, fine)
    with pytest.raises(DeviceError, match="counts in the other direction"):
        focus_window(rig, make_search("sweep", fine))


def test_one_pair_does_not_decide():
    watch = DirectionWatch(LENS)
    first, second, _ = frames(-24.0)
    watch.add(first)
    watch.add(second)
    assert not watch.fault


def test_without_breathing_a_lens_that_counts_the_other_way_focuses_the_same():
    """Its images are those of the scene with near and far exchanged: nothing can show it."""
    lens_model = replace(LENS, breathing_per_metre=0.0)
    low, high = lens_model.limits
    runs = []
    for inverted in (False, True):
        clock = SimulatedClock()
        lens = SimulatedLens(lens_model, clock)
        camera = SimulatedCamera(Wall(lens_model, inverted=inverted), clock, lens)
        rig = Rig(camera, lens, clock, lens_model)
        start = low if not inverted else high
        runs.append(
            focus_window(
                rig, make_search("fibonacci", lens_model), options=FocusOptions(start=start)
            )
        )
    there, back = runs
    assert there.focused
    assert back.focused
    tolerance = lens_model.half_depth_of_focus(SIZE[0])
    assert there.position + back.position == pytest.approx(low + high, abs=tolerance)


class Wall:
    """A wall through a lens that counts as calibrated, or the other way."""

    size = SIZE

    def __init__(self, lens_model, *, inverted):
        self._lens_model, self._inverted, self._sensor = lens_model, inverted, Sensor()

    def expose(self, position, seconds, travel=0.0):
        view = SceneView(PICTURE, np.full(SIZE[::-1], 4e-4, np.float32))
        at = sum(self._lens_model.limits) - position if self._inverted else position
        return self._sensor.expose(render(view, self._lens_model, at))
