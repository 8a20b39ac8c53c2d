"""What a camera can look at."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aif_ros.images import Image


class SceneError(ValueError):
    """A scene that cannot be used; the message names the file or parameter and what to do."""


@dataclass(frozen=True)
class SceneView:
    """A scene as it is at one moment, all of it sharp: ground truth.

    Only the simulated camera, the trainers and the scorers may hold one.

    Attributes:
        image: sharp picture, (H, W, 3) RGB or (H, W) mono, float32 in [0, 1], gamma-encoded,
            at the lens's magnification 1 (position 0).
        focus_position: (H, W) float32, lens position in metres that brings each pixel into focus.
    """

    image: Image
    focus_position: NDArray[np.float32]


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
        """Return the scene as it is `seconds` after its start (>= 0)."""
        ...
