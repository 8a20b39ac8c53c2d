"""A scene with known ground truth, rendered as the image of the sensor."""

import math

import numpy as np
from numpy.typing import NDArray

from aif_ros.optics.lens_model import LensModel
from aif_ros.optics.pupil import PointSpread
from aif_ros.simulation.renderer import Renderer, Sensor, SensorNoise
from aif_ros.simulation.scenes.scene import Scene, SceneView, shifted
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.types.image import DISPLAY_GAMMA, Image


class RenderedScene:
    """Images of a scene by a simulated camera: defocus, breathing, noise, 8 bit (its `Subject`).

    Args:
        scene: its scene.
        lens_model: of its lens.
        noise: of the sensor; default: a good industrial camera's.
        seed: of the noise.
        spread: point-spread function of the lens; default: a disk.
        camera: sensor and processing in place of `noise`: a real camera's.
    """

    def __init__(
        self,
        scene: Scene,
        lens_model: LensModel,
        *,
        noise: SensorNoise | None = None,
        seed: int = 0,
        spread: PointSpread | None = None,
        camera: SensorModel | None = None,
    ) -> None:
        self._spread = spread
        self._camera = camera
        self._random = np.random.default_rng(seed)
        self._scene = scene
        self._lens_model = lens_model
        self._sensor = Sensor(noise, seed)
        self._view: SceneView | None = None
        self._renderer: Renderer | None = None
        # Position, travel and noise-free image of the last exposure, while the image stays the
        # same.
        self._latest: tuple[tuple[float, float], Image] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the images, pixels."""
        return self._scene.size

    def expose(self, position: float, seconds: float, travel: float = 0.0) -> NDArray[np.uint8]:
        """Return the scene as it is `seconds` after its start, seen with the lens at `position`.

        If the lens moves by `travel` during the exposure, the mean over that distance.
        """
        view, renderer = self._view_at(seconds)
        if self._latest is None or self._latest[0] != (position, travel):
            self._latest = (position, travel), _mean_over(renderer, position, travel)
        image = self._latest[1]
        if view.shift != (0.0, 0.0):
            # Turning the camera moves the image the farther, the more it is magnified.
            magnification = self._lens_model.magnification(position)
            right, down = view.shift
            image = shifted(image, (right * magnification, down * magnification))
        if self._camera is not None:
            return self._camera.capture(image ** np.float32(DISPLAY_GAMMA), self._random)
        return self._sensor.expose(image)

    def _view_at(self, seconds: float) -> tuple[SceneView, Renderer]:
        """Return the view of that time and a renderer, prepared only if the image is new."""
        if self._view is not None and self._renderer is not None and not self._scene.moving:
            return self._view, self._renderer
        view = self._scene.view(seconds)
        if self._view is None or self._renderer is None or view.image is not self._view.image:
            self._renderer = Renderer(view, self._lens_model, self._spread)
            self._latest = None
        self._view = view
        return view, self._renderer


def _mean_over(renderer: Renderer, position: float, travel: float) -> Image:
    """Mean image of a lens that moves by `travel` about `position` (Gauss-Legendre, two nodes)."""
    if travel == 0:
        return renderer.render(position)
    aside = travel / (2 * math.sqrt(3))
    first, second = (renderer.render(position + step) for step in (-aside, aside))
    return (first + second) / np.float32(2)
