"""Which frames are assessed, and the maps that travel."""

import numpy as np
import pytest

from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import SOURCES_PER_SIDE, AssessStep, DefocusMaps
from aif_ros.pipeline.fusion_result import FusedImage
from aif_ros.pipeline.reference_frame import ReferenceFrame
from aif_ros.types.frame import Frame

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90e3, 640)
SECOND = 10**9


class Constant:
    """Finds the same blur everywhere."""

    def estimate(self, image):
        maps = (np.full((3, 4), value, np.float32) for value in (9.0, 0.9, 0.2, 0.1))
        return DefocusMap(*maps, (image.shape[1], image.shape[0]))


def reference(position, stamp, travel=0.0):
    return ReferenceFrame(Frame(np.zeros((48, 64), np.uint8), stamp, position, travel), LENS)


def step(dynamic=False):
    return AssessStep(Constant(), LENS, dynamic=dynamic)


def test_maps_are_in_metres_and_can_be_turned_back():
    maps = step().frame(reference(1e-4, 7))
    assert maps.stamp == 7
    assert maps.distance == pytest.approx(np.full((3, 4), 1e-3))
    assert maps.uncertainty == pytest.approx(np.full((3, 4), 1e-4))
    blur = maps.blur(LENS, (64, 48))
    assert blur.radius == pytest.approx(np.full((3, 4), 9.0))
    assert blur.image_size == (64, 48)
    assert (blur.in_focus == np.float32(0.2)).all()


def test_maps_of_the_fused_image_hold_its_sources_cell_by_cell():
    samples = np.linspace(0.0, 1e-3, 10 * 13, dtype=np.float32).reshape(10, 13)
    maps = step().fused(FusedImage(np.zeros((48, 64), np.uint8), samples, 5))
    assert maps.values.shape == (3, 4, 4 + SOURCES_PER_SIDE**2)
    sources = maps.source_position
    assert sources.shape == (18, 24)
    assert set(sources.ravel()) <= set(samples.ravel())
    assert (np.diff(sources, axis=0) >= 0).all()
    assert (np.diff(sources, axis=1) >= 0).all()


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match="4 or 40 channels"):
        DefocusMaps(np.zeros((3, 4, 5), np.float32), 0)


def test_a_static_scene_is_assessed_at_rest_and_again_after_a_while():
    assess = step()
    assert assess.frame(reference(1e-4, 10, travel=1e-9)) is None
    assert assess.frame(reference(1e-4, 20)) is not None
    assert assess.frame(reference(1e-4, 30)) is None
    assert assess.frame(reference(1e-4, 30), repeat=True) is not None
    assert assess.frame(reference(9e-4, 40)) is not None
    assert assess.frame(reference(9e-4, 40 + SECOND)) is not None


def test_a_dynamic_scene_is_assessed_in_slow_motion_too():
    assess, reach = step(dynamic=True), LENS.half_depth_of_focus(64)
    assert assess.frame(reference(1e-4, 20, travel=reach)) is not None
    assert assess.frame(reference(1e-4, 30)) is not None
    assert assess.frame(reference(1e-4, 30)) is None
    assert assess.frame(reference(1e-4, 40, travel=2 * reach)) is None
