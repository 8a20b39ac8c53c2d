"""The scene as it really is, in the geometry of the fused image. For scoring only."""

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.evaluation.score import into_reference
from aif_ros.images import Image
from aif_ros.optics.lens_model import LensModel
from aif_ros.scenes.scene import Scene


class Truth:
    """Gives sharp picture and focus positions of a scene at any time.

    Args:
        scene: what the camera looks at.
        lens_model: of the lens it looks through.
    """

    def __init__(self, scene: Scene, lens_model: LensModel) -> None:
        self._scene = scene
        self._lens_model = lens_model
        self._seen: tuple[float, Image, NDArray[np.float32]] | None = None

    def at(self, seconds: float) -> tuple[Image, NDArray[np.float32]]:
        """Return the sharp picture, and (H, W) float32 focus positions in metres."""
        seconds = seconds if self._scene.moving else 0.0
        if self._seen is None or self._seen[0] != seconds:
            view = self._scene.view(seconds).settled()
            image = into_reference(view.image, 0.0, self._lens_model)
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
    return enlarged.astype(np.float32, copy=False)
