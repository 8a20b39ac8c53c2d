import numpy as np
import pytest
import skimage.data

from aif_ros.simulation.conditions import CONDITIONS
from aif_ros.simulation.defocused_planes import draw_planes

PHOTO = skimage.data.stereo_motorcycle()[0]


@pytest.mark.parametrize("name", CONDITIONS)
def test_radii_are_alike_in_all_conditions_far_from_focus(name) -> None:
    condition = CONDITIONS[name]
    assert condition.blur_radius(20.0) == pytest.approx(20, rel=0.03)
    assert condition.blur_radius(8.0) == pytest.approx(8, rel=0.03)


@pytest.mark.parametrize("name", ["gaussian", "points", "camera_noise", "low_contrast"])
def test_planes_are_rendered_with_the_condition(name) -> None:
    random = np.random.default_rng(0)
    condition = CONDITIONS[name]
    (plane,) = draw_planes([PHOTO], [6.0], 256, random, condition)
    assert plane.light.shape == (256, 256) and plane.light.min() >= 0
    assert plane.radius == pytest.approx(6, rel=0.1)
    patch = plane.photograph(condition.camera, random)
    spread = patch.luma.astype(float).std()
    assert spread < 8 if name == "low_contrast" else spread > 1.5
