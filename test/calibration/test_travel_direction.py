import numpy as np
import pytest

from aif_ros.calibration.sweep_calibration import calibrate_sweep
from aif_ros.calibration.travel_direction import from_magnification
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.types.frame import Window
from aif_ros.types.image import to_float

SIZE = (320, 240)
NEAR = Window(160, 0, 160, 240)
POSITIONS = np.linspace(0.0, 1e-3, 9)


def sweep(breathing, nearer=0.4e-3):
    """A sweep over a wall whose right half is nearer."""
    lens = LensModel("test", 1e-6, (0.0, 1e-3), 14e3, SIZE[0], breathing_per_metre=breathing)
    focus = np.where(np.arange(SIZE[0]) < SIZE[0] // 2, 0.3e-3, 0.3e-3 + nearer)
    picture = texture(SIZE, np.random.default_rng(1))
    view = SceneView(picture, np.broadcast_to(focus, SIZE[::-1]).astype(np.float32))
    sensor = Sensor(seed=1)
    return [to_float(sensor.expose(render(view, lens, z))) for z in POSITIONS]


def direction(slices, near=None):
    found = calibrate_sweep(slices, list(POSITIONS), near=near).direction
    return found.towards, found.evidence


def test_a_near_object_decides_whatever_the_magnification_says():
    slices = sweep(-40.0)
    assert direction(slices) == ("far", "magnification")
    assert direction(slices, NEAR) == ("near", "near object")


def test_counts_that_grow_towards_far_objects_are_noticed():
    # The same sweep as a motor of the other sign lists it.
    slices = sweep(40.0)[::-1]
    assert direction(slices) == ("far", "magnification")
    assert direction(slices, NEAR) == ("far", "near object")


def test_an_object_that_is_not_nearer_decides_nothing():
    assert direction(sweep(40.0, nearer=0.0), NEAR) == ("near", "magnification")


@pytest.mark.parametrize(
    ("interval", "towards"),
    [((50.0, 60.0), "near"), ((-60.0, -50.0), "far"), ((-5.0, 5.0), "unknown")],
)
def test_growth_of_the_picture(interval, towards):
    assert from_magnification(*interval).towards == towards
