"""What travels through the loop: frames, lens states and windows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LensState:
    """State of a lens, as reported by it.

    Attributes:
        stamp: time of the report, nanoseconds.
        position: reported absolute position, metres of travel.
        moving: whether the lens was moving, or still settling, at that time.
    """

    stamp: int
    position: float
    moving: bool


@dataclass(frozen=True)
class Frame:
    """One captured image I(t) and where the lens was when it was exposed.

    Attributes:
        image: (H, W) or (H, W, 3) RGB; uint8, uint16 or float32 in [0, 1].
        stamp: time of exposure, nanoseconds.
        position: reported lens position at that time, metres of travel.
        travel: distance, metres, that the lens moved during the exposure; inf where its speed
            varied or the distance is unknown.
        bits: in use of each sample, as the camera says; 0: it does not.
    """

    image: NDArray[Any]
    stamp: int
    position: float
    travel: float = 0.0
    bits: int = 0

    @property
    def moving(self) -> bool:
        """Whether the lens moved during the exposure."""
        return self.travel > 0

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.shape[1], self.image.shape[0]


@dataclass(frozen=True)
class Window:
    """A rectangle of an image, in pixels; `x`, `y` is its top left corner.

    Example:
        >>> window = Window.centred(image_size=(640, 480), side=128)
        >>> window
        Window(x=256, y=176, width=128, height=128)
        >>> window.crop(np.zeros((480, 640, 3))).shape
        (128, 128, 3)
    """

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def centred(cls, image_size: tuple[int, int], side: int) -> "Window":
        """Return the square of `side` pixels at the image's centre, cut to the image."""
        width, height = image_size
        side = min(side, width, height)
        return cls((width - side) // 2, (height - side) // 2, side, side)

    def inside(self, image_size: tuple[int, int]) -> bool:
        """Whether the window is not empty and lies wholly within an image of that size."""
        width, height = image_size
        return (
            self.width > 0
            and self.height > 0
            and self.x >= 0
            and self.y >= 0
            and self.x + self.width <= width
            and self.y + self.height <= height
        )

    def crop(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return the view of `image` (H, W, ...) under the window.

        Raises:
            ValueError: the window is empty or not wholly within the image.
        """
        size = (image.shape[1], image.shape[0])
        if not self.inside(size):
            raise ValueError(f"window {self} does not lie within the image of {size[0]}x{size[1]}")
        return image[self.y : self.y + self.height, self.x : self.x + self.width]

    def mask(self, image_size: tuple[int, int]) -> NDArray[np.bool_]:
        """Return (H, W) bool, true inside the window."""
        mask = np.zeros((image_size[1], image_size[0]), dtype=np.bool_)
        mask[self.y : self.y + self.height, self.x : self.x + self.width] = True
        return mask
