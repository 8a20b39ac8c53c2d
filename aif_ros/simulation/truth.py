"""The scene as it really is, in the geometry of the fused image. For scoring only."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.optics.breathing import remove_breathing
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.scene import Scene
from aif_ros.types.image import Image, to_float


def to_reference_geometry(image: NDArray[Any], position: float, lens_model: LensModel) -> Image:
    """Return an image taken at `position` (metres) in the reference geometry, as J is.

    Args:
        image: (H, W) or (H, W, 3), integers or float32 in [0, 1].
        position: metres.
        lens_model: gives the breathing at that position.
    """
    return remove_breathing(to_float(image), lens_model.breathing_scale(position))


class Truth:
    """Gives sharp image and focus positions of a scene at any time.

    Args:
        scene: of the camera.
        lens_model: of its lens.
    """

    def __init__(self, scene: Scene, lens_model: LensModel) -> None:
        self._scene = scene
        self._lens_model = lens_model
        self._seen: tuple[float, Image, NDArray[np.float32]] | None = None

    def at(self, seconds: float) -> tuple[Image, NDArray[np.float32]]:
        """Return the sharp image, and (H, W) float32 focus positions in metres."""
        seconds = seconds if self._scene.moving else 0.0
        if self._seen is None or self._seen[0] != seconds:
            view = self._scene.view(seconds).settled()
            image = to_reference_geometry(view.image, 0.0, self._lens_model)
            focus = _enlarge(view.focus_position, self._lens_model.breathing_scale(0.0))
            self._seen = seconds, image, focus
        return self._seen[1], self._seen[2]


def _enlarge(values: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Enlarge a map about its centre without mixing its values."""
    height, width = values.shape
    matrix = np.array(
        [
            [scale, 0, (1 - scale) * (width - 1) / 2],
            [0, scale, (1 - scale) * (height - 1) / 2],
        ]
    )
    enlarged = cv2.warpAffine(values, matrix, (width, height), flags=cv2.INTER_NEAREST)
    return np.asarray(enlarged.astype(np.float32, copy=False))
