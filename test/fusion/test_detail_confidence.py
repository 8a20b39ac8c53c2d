"""Maps of the source position."""

import numpy as np

from aif_ros.fusion.detail_confidence import confidence
from aif_ros.simulation.scenes.planes import texture


def test_flat_parts_are_not_known():
    image = texture((160, 120), np.random.default_rng(3))
    image[:, :80] = 0.5
    image += np.float32(0.005) * np.random.default_rng(0).standard_normal(image.shape, np.float32)
    known = confidence(image)
    assert known[:, :60].mean() < 0.1
    assert known[:, 100:].mean() > 0.9
