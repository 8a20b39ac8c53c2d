"""Parts of the loop whose answers are known beforehand.

The camera's "pictures" hold the blur radius of each pixel, 10 grey values a pixel, so that
fusing is a minimum and estimating is reading.
"""

import numpy as np

from aif_ros.control.agent import Action
from aif_ros.control.agents import make_agent
from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.scene_watch import Scene
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.loop import AllInFocusPipeline
from aif_ros.types.image import ImageError

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 3840)
WIDTH, HEIGHT = 640, 48
FOCUS = np.linspace(0.2e-3, 1.3e-3, WIDTH)[None].repeat(HEIGHT, axis=0)


class Ramp:
    """A scene whose focus position rises from left to right."""

    size = (WIDTH, HEIGHT)

    def expose(self, position, seconds, travel=0.0):
        return (10 * np.abs(LENS.blur_radius(position, FOCUS, WIDTH))).clip(0, 255).astype(np.uint8)


class ReadOff:
    """An estimator that never errs."""

    def estimate(self, image):
        if image.shape[0] < 16:
            raise ImageError("too small")
        radius = image.reshape(3, HEIGHT // 3, 40, WIDTH // 40).mean(axis=(1, 3)) * 25.5
        in_focus = (radius <= 1.3).astype(np.float32)
        return DefocusMap(radius, np.full_like(radius, 0.3), in_focus, 0 * radius, (WIDTH, HEIGHT))


class SmallestBlur:
    """Fuses by the minimum."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.fused = None
        self.followed = []

    def add(self, image, position, valid=None):
        count = 1
        if self.fused is not None:
            image, count = np.minimum(image, self.fused.image), self.fused.frames + 1
        self.fused = Fused(image, 1 - image, np.full_like(image, position), count)
        return self.fused

    def follow(self, image, position):
        if self.fused is not None:
            self.followed.append(position)
        return self.fused


class Always:
    """An agent that always sends the lens to the same position."""

    def __init__(self, position):
        self.position = position
        self.shown = []

    def reset(self):
        pass

    def act(self, observation):
        self.shown.append(observation)
        return Action(self.position, None, "always")


class OneScene:
    """Maps of blur from different positions look like different scenes, and are not."""

    def __init__(self, lens_model):
        pass

    def add(self, image, position):
        return Scene.SAME


def pipeline(agent, **options):
    agent = make_agent(agent, LENS) if isinstance(agent, str) else agent
    return AllInFocusPipeline(LENS, SmallestBlur(), ReadOff(), agent, **options)
