"""Pixels as stored in files, and their conversion to the images used by the package."""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError
from aif_ros.types.fill import fill_unknown

MAX_PIXELS = 1 << 29
"""Largest image that is decoded, pixels: 500 megapixels, three times the largest cameras' and the
size of a large mosaic; decoded in 8-bit RGB it takes 1.6 GB."""


@dataclass(frozen=True)
class MaskedImage:
    """One slice or photograph.

    Attributes:
        pixels: (H, W) mono or (H, W, 3) RGB, uint8 or uint16; the type's whole range is in use.
        valid: (H, W) bool, where the file holds data; None: everywhere. Transparent pixels and
            values that are not finite are no data.
    """

    pixels: NDArray[Any]
    valid: NDArray[np.bool_] | None = None

    def filled(self) -> NDArray[Any]:
        """The pixels, smoothly continued where there is no data: no edge there is in focus."""
        if self.valid is None:
            return self.pixels
        known = self.valid.astype(np.float32)
        pixels = self.pixels.copy()
        planes = pixels if pixels.ndim == 3 else pixels[..., None]
        for channel in range(planes.shape[2]):
            plane = planes[..., channel]
            values = fill_unknown(plane.astype(np.float32), known)
            plane[~self.valid] = values[~self.valid].round()
        return pixels


@dataclass(frozen=True)
class Samples:
    """Pixels as a file stores them.

    Attributes:
        values: (H, W) mono or (H, W, 3) RGB, of any real type, finite.
        full_scale: value that represents 1.0, if stated in the file; None: it must be recognised.
        valid: as in `MaskedImage`.
        white_is_zero: whether larger values are darker, down to black at the full scale.
        note: what has been assumed, for people; empty: nothing.
    """

    values: NDArray[Any]
    full_scale: float | None = None
    valid: NDArray[np.bool_] | None = None
    white_is_zero: bool = False
    note: str = ""

    def image(self, full_scale: float) -> MaskedImage:
        """Return the image: uint8 where the file has 8-bit integers, else uint16.

        Args:
            full_scale: value that becomes the largest of the type; more is clipped, and values
                below zero become zero.
        """
        values = self.values
        dtype, largest = (np.uint8, 255) if values.dtype == np.uint8 else (np.uint16, 65535)
        if values.dtype == dtype and full_scale >= largest:
            return MaskedImage(largest - values if self.white_is_zero else values, self.valid)
        if values.dtype == dtype:
            steps = np.minimum((np.arange(largest + 1) * (largest / full_scale)).round(), largest)
            if self.white_is_zero:
                steps = largest - steps
            return MaskedImage(steps.astype(dtype)[values], self.valid)
        pixels = np.empty(values.shape, dtype)
        # Row by row: whole images in floating point would take much memory.
        for row, source in zip(pixels, values, strict=True):
            row[:] = np.clip(source.astype(np.float64) * (largest / full_scale), 0, largest).round()
            if self.white_is_zero:
                row[:] = largest - row
        return MaskedImage(pixels, self.valid)

    def reduced(self, reduction: int) -> "Samples":
        """Return the samples averaged over squares of `reduction` pixels a side."""
        if reduction == 1:
            return self
        height, width = self.values.shape[:2]
        size = (-(-width // reduction), -(-height // reduction))
        values = cv2.resize(for_opencv(self.values), size, interpolation=cv2.INTER_AREA)
        valid = None
        if self.valid is not None:
            area = cv2.resize(self.valid.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
            valid = area > 0
        return replace(self, values=values, valid=valid)


def for_opencv(values: NDArray[Any]) -> NDArray[Any]:
    """Return values of a type that OpenCV works with: 8 or 16 bits or 32-bit floating point."""
    if values.dtype in (np.uint8, np.uint16, np.float32):
        return values
    return values.astype(np.float32)


def check_size(name: str, width: int, height: int) -> None:
    """Refuse an image that is too large, before it is decoded.

    Args:
        name: of the file, for the message.
        width: pixels.
        height: pixels.

    Raises:
        DeviceError: it has no pixels, or more than `MAX_PIXELS`.
    """
    if width < 1 or height < 1:
        raise DeviceError(f"{name} has no pixels: {width}x{height}")
    if width * height > MAX_PIXELS:
        raise DeviceError(
            f"{name} has {width}x{height} pixels: more than {MAX_PIXELS // 10**6} megapixels are "
            "not read"
        )


def with_alpha(name: str, values: NDArray[Any], alpha: NDArray[Any]) -> Samples:
    """Return samples whose alpha channel says where there is data: where it is half or more.

    Args:
        name: of the file, for the message.
        values: (H, W) or (H, W, 3), without alpha.
        alpha: (H, W); integers up to the largest of their type, or floats up to 1.

    Raises:
        DeviceError: the image is transparent everywhere.
    """
    full = np.iinfo(alpha.dtype).max if np.issubdtype(alpha.dtype, np.integer) else 1.0
    valid = alpha >= full / 2
    if not valid.any():
        raise DeviceError(f"{name} is transparent everywhere: remove its alpha channel")
    return Samples(values, valid=None if valid.all() else valid)


def without_premultiplication(values: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Divide colours by the alpha that they have been multiplied by.

    Args:
        values: (H, W) or (H, W, 3), unsigned integers or floating point.
        alpha: (H, W), of the same type.
    """
    integer = np.issubdtype(alpha.dtype, np.integer)
    full = float(np.iinfo(alpha.dtype).max) if integer else 1.0
    partial = (alpha > 0) & (alpha < full)
    factors = full / alpha[partial].astype(np.float64)
    divided = np.minimum(
        values[partial] * (factors if values.ndim == 2 else factors[:, None]), full
    )
    result = values.copy()
    result[partial] = divided.round() if integer else divided
    return result


def without_nan(name: str, samples: Samples) -> Samples:
    """Replace values that are not finite by zero and mark them as no data.

    Args:
        name: of the file, for the message.
        samples: as stored.

    Raises:
        DeviceError: no value is finite.
    """
    values = samples.values
    if not np.issubdtype(values.dtype, np.floating):
        return samples
    finite = np.isfinite(values)
    if finite.all():
        return samples
    if not finite.any():
        raise DeviceError(f"{name} holds no finite value")
    valid = finite if finite.ndim == 2 else finite.all(axis=2)
    if samples.valid is not None:
        valid &= samples.valid
    return replace(samples, values=np.where(finite, values, 0), valid=valid)


def oriented(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn an array the way the EXIF or TIFF tag Orientation (1 to 8) asks for.

    Args:
        array: (H, W, ...).
        orientation: the value of the tag; others than 2 to 8 leave the array as it is.
    """
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)
