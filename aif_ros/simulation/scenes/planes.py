"""Drawn scenes: textured planes at several depths, some of which cross the image."""

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.types.image import Image


def texture(size: tuple[int, int], random: np.random.Generator) -> Image:
    """Draw a sharp texture: noise with the 1/f spectrum of natural images and hard-edged shapes.

    Args:
        size: (width, height), pixels.
        random: source of randomness.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    width, height = size
    noise = random.standard_normal((height, width, 3)).astype(np.float32)
    image = np.zeros_like(noise)
    for level in range(6):
        small = cv2.resize(noise, (max(1, width >> level), max(1, height >> level)))
        small = random.standard_normal(small.shape).astype(np.float32)
        image += cv2.resize(small, size, interpolation=cv2.INTER_LINEAR) * (0.03 * 1.5**level)
    image += random.uniform(0.35, 0.65, 3).astype(np.float32)
    for _ in range(max(4, width * height // 6000)):
        centre = (int(random.integers(width)), int(random.integers(height)))
        axes = (int(random.integers(2, 16)), int(random.integers(2, 16)))
        colour = tuple(float(value) for value in random.uniform(0.05, 0.95, 3))
        cv2.ellipse(
            image, centre, axes, float(random.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA
        )
    return np.clip(image, 0.0, 1.0)


class PlanesScene:
    """A background plane and rectangular planes before it, each at its own focus position.

    Args:
        lens_model: of the camera's lens.
        size: (width, height), pixels.
        objects: number of planes before the background.
        speed: of the objects, pixels per second, to the right and left in turn; 0: a still scene.
        seed: of textures and places.
    """

    def __init__(
        self,
        lens_model: LensModel,
        size: tuple[int, int] = (640, 480),
        objects: int = 3,
        speed: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.name = "moving planes" if speed else "planes"
        self._size = size
        self._speed = speed
        random = np.random.default_rng(seed)
        low, high = lens_model.limits
        depths = low + (high - low) * np.linspace(0.1, 0.9, objects + 1)
        self._background = SceneView(
            texture(size, random), np.full(size[::-1], depths[0], np.float32)
        )
        width, height = size
        self._objects: list[tuple[Image, float, int, int]] = []
        for index in range(objects):
            side = (max(8, width // 4), max(8, height // 3))
            left = int((index + 0.5) * width / objects - side[0] / 2)
            top = int(random.integers(0, max(1, height - side[1])))
            self._objects.append((texture(side, random), float(depths[index + 1]), left, top))
        self._still_view = self._draw(0.0)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels."""
        return self._size

    @property
    def moving(self) -> bool:
        """Whether the objects move."""
        return self._speed != 0.0

    def view(self, seconds: float) -> SceneView:
        """Return the planes where they are at that time."""
        return self._draw(seconds) if self.moving else self._still_view

    def _draw(self, seconds: float) -> SceneView:
        image = self._background.image.copy()
        focus = self._background.focus_position.copy()
        width = self._size[0]
        for index, (patch, depth, left, top) in enumerate(self._objects):
            direction = 1 if index % 2 == 0 else -1
            path = width + patch.shape[1]
            moved = direction * self._speed * seconds
            x = round((left + patch.shape[1] + moved) % path) - patch.shape[1]
            paste(image, focus, patch, depth, x, top)
        return SceneView(image, focus)


def paste(
    image: Image, focus: NDArray[np.float32], patch: Image, depth: float, x: int, y: int
) -> None:
    """Lay `patch` at focus position `depth` over the scene in place, cut at its borders.

    Args:
        image: (H, W, 3) float32, changed in place.
        focus: (H, W) focus positions, metres, changed in place.
        patch: (h, w, 3) float32.
        depth: its focus position, metres.
        x: column of its left border.
        y: row of its upper border.
    """
    height, width = image.shape[:2]
    left, right = max(x, 0), min(x + patch.shape[1], width)
    top, bottom = max(y, 0), min(y + patch.shape[0], height)
    if left < right and top < bottom:
        image[top:bottom, left:right] = patch[top - y : bottom - y, left - x : right - x]
        focus[top:bottom, left:right] = depth
