"""Images in the core: checked arrays, `float32` in [0, 1], RGB or mono.

Cameras and files deliver integer *samples*. Their *full scale* is the sample that stands for 1.0:
255 for 8 bits, 65535 for 16 bits, and 4095 for the 12 bits that many cameras deliver in samples of
16 bits. A sample does not say how many of its bits are in use, so `full_scale` recognises it by the
largest sample; a stream keeps the largest value so far: ``scale = full_scale(image, scale)``.
Images read by `aif_ros.devices.image_files` always use the whole range of their type.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""(H, W) mono or (H, W, 3) RGB, `float32` in [0, 1], gamma-encoded as a camera delivers it."""

DISPLAY_GAMMA = 2.4
"""Exponent between encoded values and linear light: linear = encoded ** DISPLAY_GAMMA."""

SAMPLE_BITS = (8, 10, 12, 14, 16)
"""Bits per sample that cameras and microscopes deliver (GenICam PFNC: Mono8 to Mono16)."""

LARGEST_OVERSHOOT = 2.0
"""Floating-point values up to here are taken for [0, 1] with overshoot (sharpening, resampling),
higher ones for unscaled integers; 2 is far from both."""
_INTEGER_FULL_SCALE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


class ImageError(ValueError):
    """An image that cannot be used; the message says what is wrong and what would be right."""


def check_image(image: NDArray[Any]) -> NDArray[Any]:
    """Return `image` unchanged if it is usable.

    Raises:
        ImageError: not (H, W) or (H, W, 3), empty, not 8-bit, 16-bit or floating point, or
            holding values that are not finite.

    Example:
        >>> check_image(np.zeros((4, 6, 4), np.uint8))
        Traceback (most recent call last):
        aif_ros.types.image.ImageError: expected shape (H, W) or (H, W, 3), got (4, 6, 4)
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(f"expected an image array, got {type(image).__name__}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ImageError(f"expected shape (H, W) or (H, W, 3), got {image.shape}")
    if image.size == 0:
        raise ImageError(f"the image is empty: shape {image.shape}")
    if image.dtype not in _INTEGER_FULL_SCALE and not np.issubdtype(image.dtype, np.floating):
        raise ImageError(f"expected uint8, uint16 or floating point, got {image.dtype}")
    if np.issubdtype(image.dtype, np.floating) and not np.isfinite(image).all():
        raise ImageError("the image holds values that are not finite (NaN or infinity)")
    return image


def full_scale_of_bits(bits: int) -> float:
    """Full scale of samples with this many bits in use; 12 bits: 4095.

    Raises:
        ImageError: `bits` is not within 1 to 16.

    Example:
        >>> full_scale_of_bits(12)
        4095.0
    """
    if not 1 <= bits <= 16:
        raise ImageError(f"the bits per sample must be within 1 to 16, got {bits}")
    return float((1 << bits) - 1)


def full_scale(image: NDArray[Any], at_least: float = 0.0) -> float:
    """Recognise the full scale of samples by the largest of them.

    Args:
        image: samples of any shape.
        at_least: full scale recognised in earlier images of the same stream; 0: none. A dark first
            image can be mistaken for one of fewer bits; a brighter one corrects that.

    Returns:
        255 for uint8. For other integers the lowest full scale of `SAMPLE_BITS`, or of 24 or 32
        bits, that covers the image, no more than the largest of the type (32767 for int16). For
        floating point 1 where all values are at most 2, else as for integers. The largest value
        itself where it is no more than a quarter of the full scale, except integers up to 255.

    Example:
        >>> dark = np.array([[12, 900]], dtype=np.uint16)
        >>> full_scale(dark)  # could be of 10 bits
        1023.0
        >>> full_scale(np.array([[12, 3000]], dtype=np.uint16), at_least=1023.0)
        4095.0
    """
    if image.dtype == np.uint8:
        return 255.0
    largest = float(np.nanmax(image, initial=0)) if image.size else 0.0
    if not np.issubdtype(image.dtype, np.integer) and largest <= LARGEST_OVERSHOOT:
        return max(1.0, at_least)
    integer = np.issubdtype(image.dtype, np.integer)
    scales = (float((1 << bits) - 1) for bits in (*SAMPLE_BITS, 24, 32))
    scale = next((scale for scale in scales if scale >= largest), largest)
    if integer:
        scale = min(scale, float(np.iinfo(image.dtype).max))
    if 4 * largest <= scale and not (integer and largest <= 255):
        scale = largest
    return max(scale, at_least)


def to_float(image: NDArray[Any], scale: float | None = None) -> Image:
    """Convert samples to `float32` in [0, 1].

    Args:
        image: (H, W) or (H, W, 3), uint8, uint16 or floating point.
        scale: sample that becomes 1; larger ones are clipped. None: the type's largest; for
            floating point 1, and nothing is clipped.

    Raises:
        ImageError: see `check_image`.

    Example:
        >>> to_float(np.array([[0, 255]], dtype=np.uint8))
        array([[0., 1.]], dtype=float32)
        >>> to_float(np.array([[0, 4095]], dtype=np.uint16), scale=4095.0)
        array([[0., 1.]], dtype=float32)
    """
    check_image(image)
    whole = _INTEGER_FULL_SCALE.get(image.dtype, 1.0)
    factor = np.float32(1.0 / (scale or whole))
    if factor == 1.0:
        return image.astype(np.float32, copy=False)
    converted = np.multiply(image, factor, dtype=np.float32)
    return np.asarray(
        converted if scale is None or scale >= whole else np.minimum(converted, 1, out=converted)
    )


def to_uint8(image: Image) -> NDArray[np.uint8]:
    """Round `float32` in [0, 1] to 8 bits; values outside are clipped.

    Example:
        >>> to_uint8(np.array([[-0.1, 0.5, 1.2]], dtype=np.float32))
        array([[  0, 128, 255]], dtype=uint8)
    """
    return np.asarray(cv2.convertScaleAbs(np.clip(image, 0.0, 1.0), alpha=255.0))


def to_uint16(image: Image) -> NDArray[np.uint16]:
    """Round `float32` in [0, 1] to 16 bits; values outside are clipped."""
    pixels = np.empty(image.shape, np.uint16)
    # Row by row: copies of a large image in floating point would take much memory and time.
    for row, values in zip(pixels, image, strict=True):
        row[:] = np.round(np.clip(values, 0, 1) * 65535)
    return pixels


def to_gray(image: Image) -> Image:
    """Luma (H, W) of an RGB or mono float image (Rec. 601 weights, as OpenCV's)."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
