"""Images as the core sees them: checked arrays, `float32` in [0, 1], RGB or mono."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""(H, W) mono or (H, W, 3) RGB, `float32` in [0, 1], gamma-encoded as a camera delivers it."""

DISPLAY_GAMMA = 2.4
"""Exponent between encoded values and linear light: linear = encoded ** DISPLAY_GAMMA."""

_FULL_SCALE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


class ImageError(ValueError):
    """An image that cannot be used; the message says what is wrong and what would be right."""


def check_image(image: NDArray[Any]) -> NDArray[Any]:
    """Return `image` unchanged if it is usable.

    Raises:
        ImageError: not (H, W) or (H, W, 3), empty, not 8-bit, 16-bit or floating point, or
            holding values that are not finite.
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(f"expected an image array, got {type(image).__name__}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ImageError(f"expected shape (H, W) or (H, W, 3), got {image.shape}")
    if image.size == 0:
        raise ImageError(f"the image is empty: shape {image.shape}")
    if image.dtype not in _FULL_SCALE and not np.issubdtype(image.dtype, np.floating):
        raise ImageError(f"expected uint8, uint16 or floating point, got {image.dtype}")
    if np.issubdtype(image.dtype, np.floating) and not np.isfinite(image).all():
        raise ImageError("the image holds values that are not finite (NaN or infinity)")
    return image


def to_float(image: NDArray[Any]) -> Image:
    """Convert uint8, uint16 or floating point (already in [0, 1]) to `float32` in [0, 1].

    Raises:
        ImageError: see `check_image`.
    """
    check_image(image)
    scale = _FULL_SCALE.get(image.dtype)
    if scale is None:
        return image.astype(np.float32, copy=False)
    return np.multiply(image, np.float32(1.0 / scale), dtype=np.float32)


def to_uint8(image: Image) -> NDArray[np.uint8]:
    """Round `float32` in [0, 1] to 8 bits; values outside are clipped."""
    return cv2.convertScaleAbs(np.clip(image, 0.0, 1.0), alpha=255.0)


def to_gray(image: Image) -> Image:
    """Luma (H, W) of an RGB or mono float image (Rec. 601 weights, as OpenCV's)."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
