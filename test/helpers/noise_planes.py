"""A scene of planes of noise, read and fused without networks, for episodes of focus control."""

import numpy as np

from aif_ros.benchmarks.control_episode import RigSettings
from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.fusion.fusion import Fused
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.scene import SceneView

# No breathing: objects are identified by their position in the image.
LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 640)
WIDTH, HEIGHT = 96, 64
COLUMNS = 12


class Steps:
    """Planes of noise side by side; in the moving scene their depths change places."""

    name = "steps"
    size = (WIDTH, HEIGHT)

    def __init__(self, moving=False):
        self.moving = moving
        noise = np.random.default_rng(0).random((HEIGHT, WIDTH, 3))
        self._image = noise.astype(np.float32)

    def view(self, seconds):
        focus = np.repeat(np.array([0.2e-3, 0.5e-3, 1.1e-3]), WIDTH // 3)
        if self.moving and seconds >= 0.5:
            focus = focus[::-1]
        return SceneView(self._image, focus[None].repeat(HEIGHT, axis=0).astype(np.float32))


class Sharpest:
    """Fuses by the true blur, from the scene."""

    def __init__(self, scene):
        self._scene = scene
        self.fused = None

    def reset(self):
        self.fused = None

    def add(self, image, position, valid=None):
        source = np.full(image.shape[:2], position, np.float32)
        if self.fused is not None:
            focus = self._scene.view(0.0).focus_position
            better = np.abs(position - focus) < np.abs(self.fused.source_position - focus)
            image = np.where(better[..., None], image, self.fused.image)
            source = np.where(better, position, self.fused.source_position).astype(np.float32)
        self.fused = Fused(image, np.ones_like(source), source, 1)
        return self.fused

    def follow(self, image, position):
        return self.fused


class Contrast:
    """Reads blur off the contrast of the noise; for images of `Steps` only."""

    def estimate(self, image):
        cells = image.mean(axis=2).reshape(8, 8, COLUMNS, 8).std(axis=(1, 3))
        radius = np.clip(0.16 / np.maximum(cells, 0.01) - 0.5, 0, 20).astype(np.float32)
        in_focus = (radius < 1.3).astype(np.float32)
        return DefocusMap(radius, 0.3 + 0.3 * radius, in_focus, 0 * radius + 0.07, (WIDTH, HEIGHT))


def rig(scene):
    return RigSettings(LENS, Contrast(), lambda moving: Sharpest(scene))
