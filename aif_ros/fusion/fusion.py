"""The interface of all fusion methods: J(t) = f(I(t), J(t-1))."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image, ImageError


@dataclass(frozen=True)
class Fused:
    """The fused image J(t) and the state of each of its pixels.

    Attributes:
        image: (H, W, 3) RGB or (H, W) mono, float32 in [0, 1].
        sharpness: (H, W) float32 >= 0, the method's own measure of how sharp each pixel is.
        source_position: (H, W) float32, lens position in metres of the frame that each pixel
            comes (mostly) from.
        frames: number of frames merged so far.
        mismatch: (h, w) float32 >= 0, of any size, where J(t-1) has been warped to I(t): mean
            photometric error that neither motion nor blur explains, share of full scale, 1 where
            J(t-1) does not show what I(t) shows. None where nothing can have moved.
        memory: (ceil(H / 2), ceil(W / 2), C) float32, learned state of each pixel, if the method
            has any.
    """

    image: Image
    sharpness: NDArray[np.float32]
    source_position: NDArray[np.float32]
    frames: int
    mismatch: NDArray[np.float32] | None = None
    memory: NDArray[np.float32] | None = None


def blend(fused: Image, image: Image, weight: NDArray[np.float32]) -> Image:
    """Return `fused` moved towards `image` by `weight` (H, W); allocates the result only.

    Args:
        fused: (H, W) or (H, W, 3) float32.
        image: of the same shape.
        weight: (H, W), 0: `fused` stays, 1: it becomes `image`.

    Example:
        >>> black, white = np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32)
        >>> blend(black, white, np.array([[0.0, 0.25]], np.float32))
        array([[0.  , 0.25]], dtype=float32)
    """
    blended = image - fused
    blended *= weight if image.ndim == 2 else weight[..., None]
    blended += fused
    return blended


def check_finite(fused: Fused) -> None:
    """Check a fused image.

    Raises:
        ImageError: it holds values that are not finite.
    """
    if not np.isfinite(fused.image).all():
        raise ImageError("the frame is dropped: merging it gives values that are not finite")


class FusionMethod(Protocol):
    """Merges the in-focus regions of a frame into the fused image. Pure: keeps no state."""

    def merge(self, image: Image, position: float, fused: Fused | None) -> Fused:
        """Return J(t) from the aligned frame I(t) and J(t-1) (None for the first frame).

        Args:
            image: I(t), aligned with `fused`, same shape.
            position: lens position of I(t), metres.
            fused: J(t-1), warped to I(t) where things have moved.
        """
        ...


@runtime_checkable
class OverwritingMethod(FusionMethod, Protocol):
    """A fusion method that can do without memory for its result."""

    def merge_overwriting(self, image: Image, position: float, fused: Fused | None) -> Fused:
        """As `merge`, but `image` is overwritten with that of J(t)."""
        ...
