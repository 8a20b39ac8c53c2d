"""Scenes of the simulated camera."""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image


class SceneError(ValueError):
    """A scene that cannot be used; the message names the file or parameter and what to do."""


@dataclass(frozen=True)
class SceneView:
    """A scene as it is at one moment, all of it sharp.

    Ground truth: only the simulated camera, the trainers and the scorers may hold one.

    Attributes:
        image: sharp image, (H, W, 3) RGB or (H, W) mono, float32 in [0, 1], gamma-encoded,
            at the lens's magnification 1 (position 0).
        focus_position: (H, W) float32, lens position in metres that brings each pixel into focus.
        shift: (right, down) in pixels, by which the camera's own motion has moved the image.
            The arrays are given without it, so that a renderer can keep what it has prepared.
    """

    image: Image
    focus_position: NDArray[np.float32]
    shift: tuple[float, float] = (0.0, 0.0)

    def settled(self) -> "SceneView":
        """Return the view with its shift carried out on image and focus positions."""
        if self.shift == (0.0, 0.0):
            return self
        focus = shifted(self.focus_position, self.shift, cv2.INTER_NEAREST)
        return SceneView(np.clip(shifted(self.image, self.shift), 0.0, 1.0), focus)


def shifted(
    image: NDArray[np.float32], shift: tuple[float, float], interpolation: int = cv2.INTER_CUBIC
) -> NDArray[np.float32]:
    """Move an image (H, W, ...) by (right, down) pixels; what comes in is mirrored.

    Args:
        image: (H, W, ...) float32.
        shift: (right, down), pixels.
        interpolation: of OpenCV, such as `cv2.INTER_LINEAR`.
    """
    height, width = image.shape[:2]
    matrix = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
    return np.asarray(
        cv2.warpAffine(
            image, matrix, (width, height), flags=interpolation, borderMode=cv2.BORDER_REFLECT_101
        ).astype(np.float32, copy=False)
    )


class Scene(Protocol):
    """A still or moving scene."""

    name: str

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its views, pixels."""
        ...

    @property
    def moving(self) -> bool:
        """Whether views at different times differ."""
        ...

    def view(self, seconds: float) -> SceneView:
        """Return the scene as it is `seconds` after its start (>= 0).

        Views whose images are equal share the same arrays.
        """
        ...
