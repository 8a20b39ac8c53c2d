import numpy as np
import pytest

from aif_ros.calibration.sweep_calibration import calibrate_sweep, magnification_growth
from aif_ros.calibration.travel_direction import (
    UNKNOWN,
    TravelDirection,
    from_magnification,
    most_certain,
)
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


@pytest.mark.parametrize("breathing", [0.1, -0.1, 0.0])
def test_a_picture_that_hardly_grows_shows_no_direction(breathing):
    # 0.1 per metre moves the edge by 0.016 px: less than blur seems to move it.
    slices = sweep(breathing, nearer=0.0)
    assert direction(slices) == ("unknown", "")
    assert direction(slices[::-1]) == ("unknown", "")


@pytest.mark.parametrize(("breathing", "towards"), [(5.0, "near"), (-5.0, "far")])
def test_growth_is_separated_from_blur(breathing, towards):
    found = calibrate_sweep(sweep(breathing, nearer=0.0), list(POSITIONS))
    assert found.direction.towards == towards
    assert found.breathing_per_metre.value == pytest.approx(breathing, abs=1.0)


def test_too_few_slices_to_separate_growth_from_blur():
    positions = np.array([0.0, 1e-3, 2e-3])
    growth = magnification_growth(np.array([1.0, 1.001, 1.002]), positions, [1e-3], 2.0)
    assert growth.value == pytest.approx(1.0, rel=0.01)
    assert (growth.low, growth.high) == pytest.approx((growth.value - 2.0, growth.value + 2.0))


@pytest.mark.parametrize(
    ("interval", "towards"),
    [
        ((50.0, 60.0), "near"),
        ((-60.0, -50.0), "far"),
        ((-5.0, 5.0), "unknown"),
        ((1.0, 2.0), "unknown"),
        ((-2.0, -1.0), "unknown"),
    ],
)
def test_growth_of_the_picture(interval, towards):
    assert from_magnification(*interval, least=4.0).towards == towards


def test_the_best_evidence_decides():
    growth, device, stated, near = (
        TravelDirection(towards, evidence)
        for towards, evidence in (
            ("far", "magnification"),
            ("near", "device"),
            ("far", "stated"),
            ("near", "near object"),
        )
    )
    assert most_certain([growth, device]) == device
    assert most_certain([stated, device, growth]) == stated
    assert most_certain([stated, near]) == near
    assert most_certain([UNKNOWN]) == UNKNOWN
