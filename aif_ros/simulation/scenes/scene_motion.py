"""Motion put upon still scenes: a camera that shakes or pans, an object that crosses."""

import numpy as np

from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.planes import paste, texture
from aif_ros.simulation.scenes.scene import Scene, SceneView


class MovedCamera:
    """A scene seen by a camera that pans and shakes.

    Small rotations of the camera move the whole image, whatever its depth.

    Args:
        scene: its subject.
        shake: standard deviation of a hand's shake, pixels; it swings at 1 to 7 Hz.
        pan: pixels per second to the left and back again.
        pan_reach: pixels after which the pan turns.
        seed: of the shake.
    """

    moving = True

    def __init__(
        self,
        scene: Scene,
        *,
        shake: float = 0.0,
        pan: float = 0.0,
        pan_reach: float = 30.0,
        seed: int = 0,
    ) -> None:
        self.name = f"{scene.name}, moved camera"
        self._scene = scene
        self._pan, self._pan_reach = pan, pan_reach
        random = np.random.default_rng(seed)
        # A sum of incommensurate swings: smooth, never repeating, the same for the same seed.
        self._frequency = random.uniform(1.0, 7.0, (2, 5))
        self._phase = random.uniform(0.0, 2 * np.pi, (2, 5))
        self._amplitude = shake * np.sqrt(2.0 / 5)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels."""
        return self._scene.size

    def view(self, seconds: float) -> SceneView:
        """Return the scene, shifted."""
        view = self._scene.view(seconds)
        swings = np.sin(2 * np.pi * self._frequency * seconds + self._phase)
        shake = self._amplitude * swings.sum(axis=1)
        x = view.shift[0] + float(shake[0]) - self._pan_offset(seconds)
        return SceneView(view.image, view.focus_position, (x, view.shift[1] + float(shake[1])))

    def _pan_offset(self, seconds: float) -> float:
        reach = self._pan_reach
        travelled = (abs(self._pan) * seconds) % (2 * reach)
        return float(np.sign(self._pan)) * min(travelled, 2 * reach - travelled)


class CrossingObject:
    """A scene with a textured object moving back and forth in front of it.

    Args:
        scene: what is behind it.
        lens_model: of the lens; the object is at the focus position 95 % up its travel.
        speed: pixels per second.
        share: its width and height as a share of the image's.
        seed: of its texture.
    """

    moving = True

    def __init__(
        self,
        scene: Scene,
        lens_model: LensModel,
        *,
        speed: float = 60.0,
        share: float = 0.25,
        seed: int = 0,
    ) -> None:
        self.name = f"{scene.name}, crossing object"
        self._scene = scene
        self._speed = speed
        low, high = lens_model.limits
        self._depth = low + 0.95 * (high - low)
        width, height = scene.size
        side = (max(8, int(width * share)), max(8, int(height * share)))
        self._patch = texture(side, np.random.default_rng(seed))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels."""
        return self._scene.size

    def view(self, seconds: float) -> SceneView:
        """Return the scene with the object where it is at that time."""
        behind = self._scene.view(seconds)
        image, focus = behind.image.copy(), behind.focus_position.copy()
        patch = self._patch if image.ndim == 3 else self._patch.mean(axis=2)
        width, height = self.size
        path = width + patch.shape[1]
        travelled = (self._speed * seconds) % (2 * path)
        x = round(min(travelled, 2 * path - travelled)) - patch.shape[1]
        paste(image, focus, patch, self._depth, x, (height - patch.shape[0]) // 2)
        return SceneView(image, focus, behind.shift)
