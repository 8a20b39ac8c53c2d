"""Converting the colours of printing (CMYK) and of measurement (CIE L*a*b*) to sRGB."""

import io
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageCms
from numpy.typing import NDArray

from aif_ros.devices.image_files.samples import Samples

APPROXIMATE = "CMYK colours without a profile are converted to RGB by a formula, not as printed"
"""What to note of an image that says nothing of its inks."""

# sRGB of CIE XYZ under the illuminant D50, Bradford-adapted (IEC 61966-2-1, ICC.1 annex E).
_SRGB_OF_XYZ = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)
_WHITE_D50 = np.array([0.9642, 1.0, 0.8249])


def rgb_of_cmyk(values: NDArray[np.uint8], profile: bytes) -> Samples:
    """Convert amounts of ink to sRGB.

    Args:
        values: (H, W, 4) uint8, 255: full ink.
        profile: ICC profile of the inks; empty, or one that cannot be used: the colours are
            approximate, which is noted.
    """
    inks = PIL.Image.fromarray(values, "CMYK")
    if profile:
        try:
            converted = PIL.ImageCms.profileToProfile(
                inks,
                PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                PIL.ImageCms.createProfile("sRGB"),
                renderingIntent=PIL.ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=PIL.ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            assert converted is not None
            return Samples(np.asarray(converted))
        except (PIL.ImageCms.PyCMSError, OSError, ValueError):
            # A profile that is damaged, or of other colours.
            pass
    return Samples(np.asarray(inks.convert("RGB")), note=APPROXIMATE)


def rgb_of_lab(values: NDArray[Any], *, signed: bool) -> Samples:
    """Convert CIE L*a*b* (D50) to sRGB of the same depth; colours beyond it are clipped.

    Args:
        values: (H, W, 3) uint8 or uint16, L* in the first channel.
        signed: whether a* and b* are stored as signed numbers and the largest L* is the largest of
            the type (TIFF 6.0, section 23); else they are offset by half of it, and the largest L*
            is 0xFF00 in 16 bits (ICC profiles).
    """
    sixteen_bit = values.dtype == np.uint16
    unit = 256.0 if sixteen_bit else 1.0
    largest = 65535 if sixteen_bit else 255
    full_lightness = largest if signed or not sixteen_bit else 0xFF00
    result = np.empty(values.shape, values.dtype)
    # Row by row: whole images in floating point would take much memory.
    for row, source in zip(result, values, strict=True):
        lightness = source[:, 0] * (100.0 / full_lightness)
        chroma = (
            source[:, 1:].view(np.int16 if sixteen_bit else np.int8) if signed else source[:, 1:]
        )
        a, b = (chroma / unit - (0.0 if signed else 128.0)).T
        height = (lightness + 16.0) / 116.0
        ratios = np.stack([height + a / 500.0, height, height - b / 200.0], axis=-1)
        small = ratios <= 6.0 / 29.0
        xyz = np.where(small, (ratios - 4.0 / 29.0) * (108.0 / 841.0), ratios**3) * _WHITE_D50
        linear = np.clip(xyz @ _SRGB_OF_XYZ.T, 0.0, 1.0)
        encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        row[:] = (encoded * largest).round()
    return Samples(result, full_scale=float(largest))
