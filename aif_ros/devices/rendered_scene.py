"""A scene with known truth, rendered as the sensor behind the lens sees it."""

import numpy as np
from numpy.typing import NDArray

from aif_ros.images import Image
from aif_ros.optics.lens_model import LensModel
from aif_ros.optics.render import Renderer, Sensor, SensorNoise
from aif_ros.scenes.scene import Scene


class RenderedScene:
    """What a simulated camera sees of a scene: defocus, breathing, noise, 8 bit (its `Subject`).

    Args:
        scene: what it looks at.
        lens_model: the lens it looks through.
        noise: of the sensor; default: a good industrial camera's.
        seed: of the noise.
    """

    def __init__(
        self,
        scene: Scene,
        lens_model: LensModel,
        *,
        noise: SensorNoise | None = None,
        seed: int = 0,
    ) -> None:
        self._scene = scene
        self._lens_model = lens_model
        self._sensor = Sensor(noise, seed)
        self._renderer: Renderer | None = None
        # Position and noise-free image of the last exposure of a still scene.
        self._latest: tuple[float, Image] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the images, pixels."""
        return self._scene.size

    def expose(self, position: float, seconds: float) -> NDArray[np.uint8]:
        """Return the scene as it is `seconds` after its start, seen with the lens at `position`."""
        return self._sensor.expose(self._without_noise(position, seconds))

    def _without_noise(self, position: float, seconds: float) -> Image:
        if self._scene.moving:
            return Renderer(self._scene.view(seconds), self._lens_model).render(position)
        if self._renderer is None:
            self._renderer = Renderer(self._scene.view(0.0), self._lens_model)
        if self._latest is None or self._latest[0] != position:
            self._latest = (position, self._renderer.render(position))
        return self._latest[1]
