"""What all fusion methods share."""

import numpy as np
import pytest

from aif_ros.fusion.fusion import Fused, blend, check_finite
from aif_ros.types.image import ImageError


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
def test_a_blend_moves_each_pixel_by_its_weight(shape):
    random = np.random.default_rng(0)
    fused, image = random.random((2, *shape), np.float32)
    weight = random.random(shape[:2], np.float32)
    weight[0, :2] = 0, 1
    before = fused.copy(), image.copy()
    blended = blend(fused, image, weight)
    assert blended.dtype == np.float32
    per_channel = weight if len(shape) == 2 else weight[..., None]
    np.testing.assert_allclose(blended, (1 - per_channel) * fused + per_channel * image, atol=1e-6)
    np.testing.assert_array_equal((fused, image), before)
    np.testing.assert_array_equal(blended[0, 0], fused[0, 0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value):
    image, plane = np.zeros((3, 3, 3), np.float32), np.zeros((3, 3), np.float32)
    check_finite(Fused(image, plane, plane, 1))
    image[1, 2, 0] = value
    with pytest.raises(ImageError, match="not finite"):
        check_finite(Fused(image, plane, plane, 1))
