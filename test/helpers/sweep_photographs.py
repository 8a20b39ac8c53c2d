"""Photographs of a flat texture through a lens of known blur and focus breathing."""

import numpy as np

from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.types.image import to_float

# 20 px of blur radius per millimetre of travel, 3 % of magnification.
LENS = LensModel("test", 1e-6, (0.0, 1e-3), 20e3, 320, breathing_per_metre=30.0)
SIZE = (320, 240)
PICTURE = texture(SIZE, np.random.default_rng(0))


def photograph(position, focus=0.0, seed=0, picture=PICTURE, lens=LENS):
    """A picture whose plane is in focus at `focus`, metres; (H, W, 3) float32 in [0, 1]."""
    view = SceneView(picture, np.full(SIZE[::-1], focus, np.float32))
    return to_float(Sensor(seed=seed).expose(render(view, lens, position)))
