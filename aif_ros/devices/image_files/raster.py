"""Reading PNG, JPEG, JPEG 2000, WebP, BMP and PNM: Pillow reads the header, OpenCV the pixels.

OpenCV decodes 16 bits and colour together, which Pillow does not; Pillow says what a file holds
before it is decoded.
"""

import math
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import PIL.ExifTags
import PIL.Image
import PIL.ImageFile
from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.colour import rgb_of_cmyk
from aif_ros.devices.image_files.damaged import DamagedFileError
from aif_ros.devices.image_files.jpeg_segments import is_cut_off
from aif_ros.devices.image_files.samples import Samples, check_size, oriented, with_alpha
from aif_ros.devices.image_files.unread_formats import refuse_unread
from aif_ros.storage.png_parts import has_sound_parts, has_whole_parts

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".jp2", ".bmp", ".webp", ".ppm", ".pgm", ".pnm"))
MAX_BYTES = 4 << 30
"""Largest file that is read, bytes: `MAX_PIXELS` of uncompressed 16-bit RGB need 3 GB."""

# What it reports of a damaged file is reported here, by an error that names the file.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
# `check_size` refuses large images, at a limit that photographs do not reach.
PIL.Image.MAX_IMAGE_PIXELS = None
# Damaged EXIF data are `metadata`'s concern.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")

# Most pixels in a byte of a file: deflate packs 1032 bytes of eight pixels, the run lengths of a
# BMP 128 bytes of two; a bitmap of a PNM has eight.
_PIXELS_PER_BYTE = {"PNG": 8 * 1032, "BMP": 256, "PPM": 8}

# PNM files whose samples are written as text.
_TEXT = (b"P1", b"P2", b"P3")

# A JPEG decodes at these fractions of its size in less time (discrete cosine transform).
_REDUCED = {
    2: (cv2.IMREAD_REDUCED_COLOR_2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
    4: (cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
}


@dataclass(frozen=True)
class _Header:
    size: tuple[int, int]
    format: str
    mode: str
    inks: bool
    transparent: bool
    transparent_level: int | None
    orientation: int
    largest: int | None


def read_raster(path: Path, *, mono: bool = False, reduction: int = 1) -> Samples:
    """Read a file of one of `SUFFIXES`.

    Args:
        path: the file.
        mono: whether to read luma only, which a JPEG gives several times faster.
        reduction: 1, 2 or 4: the image is made smaller by it.

    Raises:
        DeviceError: it cannot be read; the message names it.
    """
    header = _read_header(path)
    if header.inks:
        samples = _read_inks(path, header.orientation)
        if mono:
            samples = replace(samples, values=cv2.cvtColor(samples.values, cv2.COLOR_RGB2GRAY))
        return samples.reduced(reduction)
    flags = (0 if mono else cv2.IMREAD_ANYCOLOR) | cv2.IMREAD_ANYDEPTH
    if header.transparent:
        flags = cv2.IMREAD_UNCHANGED
    elif reduction in _REDUCED and header.format in ("JPEG", "MPO"):
        flags, reduction = _REDUCED[reduction][mono], 1
    if not header.transparent:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        content = _content(path)
        if header.format == "PPM" and bytes(content[:2]) in _TEXT:
            # OpenCV expects something behind the last number.
            content = np.append(content, np.uint8(ord("\n")))
        image = cv2.imdecode(content, flags)
    except cv2.error:
        image = None
    if image is None:
        raise _undecodable(path)
    if image.dtype not in (np.uint8, np.uint16):
        raise DeviceError(f"{path} has pixels of type {image.dtype}: make it 8 or 16 bit")
    image = oriented(image, header.orientation)
    if image.ndim == 2 and header.transparent_level is not None:
        # OpenCV does not read it.
        opaque = np.where(image == header.transparent_level, 0, np.iinfo(image.dtype).max)
        return with_alpha(str(path), image, opaque.astype(image.dtype)).reduced(reduction)
    if image.ndim == 3 and image.shape[2] == 4:
        alpha = np.ascontiguousarray(image[..., 3])
        colour = cv2.cvtColor(image, cv2.COLOR_BGRA2GRAY if mono else cv2.COLOR_BGRA2RGB)
        return with_alpha(str(path), colour, alpha).reduced(reduction)
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if mono else cv2.COLOR_BGR2RGB)
    samples = Samples(image, header.largest and float(header.largest))
    return samples.reduced(reduction)


def stated_shape(path: Path) -> tuple[int, ...] | None:
    """Return the shape of the image that `read_raster` reads, if the header says it for sure.

    Raises:
        DeviceError: it cannot be read; the message names it.
    """
    header = _read_header(path)
    size = header.size[:: -1 if header.orientation < 5 else 1]
    if header.mode in ("1", "L") and not header.transparent:
        return size
    return (*size, 3) if header.mode in ("RGB", "RGBA", "CMYK") else None


def check_raster(path: Path) -> None:
    """Check, without decoding it, whether a file is cut off or damaged.

    Raises:
        DamagedFileError: it is.
        DeviceError: it is nothing that `read_raster` reads.
    """
    _read_header(path)
    _content(path)


def _content(path: Path) -> NDArray[np.uint8]:
    """Read the bytes of a file; one that is not whole is refused."""
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DamagedFileError(f"cannot read {path}: {error.strerror}") from error
    # OpenCV allocates memory as an image claims to need it, and its decoders print what they find.
    whole = has_whole_parts(content) and has_sound_parts(content)
    if not whole or is_cut_off(content.tobytes()):
        raise _undecodable(path)
    return content


def _undecodable(path: Path) -> DamagedFileError:
    """The error of a file that cannot be decoded.

    Raises:
        DeviceError: its format is not read.
    """
    refuse_unread(path)
    return DamagedFileError(f"{path} cannot be decoded: it is cut off or damaged")


def _read_header(path: Path) -> _Header:
    if path.stat().st_size > MAX_BYTES:
        raise DeviceError(f"{path} is larger than {MAX_BYTES >> 30} GB")
    try:
        with PIL.Image.open(path) as header:
            frames = 1 if header.format in ("JPEG", "MPO") else getattr(header, "n_frames", 1)
            name = header.format or ""
            transparent = name != "BMP" and (
                header.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in header.info
            )
            found = _Header(
                header.size,
                name,
                header.mode,
                header.mode == "CMYK",
                transparent,
                _transparent_level(header),
                _orientation(header),
                _largest_sample(header),
            )
    except Exception as error:  # Pillow can raise any exception on damaged data.
        refuse_unread(path)
        raise DamagedFileError(
            f"{path} is no readable image: it may be cut off or of another format"
        ) from error
    if frames > 1:
        raise DeviceError(f"{path} is an animation of {frames} images: extract them")
    check_size(str(path), *found.size)
    width, height = found.size
    if width * height > path.stat().st_size * _PIXELS_PER_BYTE.get(found.format, math.inf):
        raise DamagedFileError(
            f"{path} is cut off or damaged: it is too short for {width}x{height}"
        )
    return found


def _transparent_level(header: PIL.Image.Image) -> int | None:
    """The sample that stands for no data in a grey image without alpha, if one does."""
    level = header.info.get("transparency")
    grey = header.mode in ("1", "L", "I", "I;16", "I;16B")
    return level if grey and isinstance(level, int) else None


def _read_inks(path: Path, orientation: int) -> Samples:
    try:
        with PIL.Image.open(path) as image:
            inks = np.asarray(image)
            profile = image.info.get("icc_profile") or b""
    except Exception as error:  # Pillow can raise any exception on damaged data.
        raise _undecodable(path) from error
    return rgb_of_cmyk(oriented(inks, orientation), profile)


def _orientation(header: PIL.Image.Image) -> int:
    try:
        return int(header.getexif().get(PIL.ExifTags.Base.Orientation, 1))
    except Exception:  # Damaged EXIF data are no reason to refuse the image.
        return 1


def _largest_sample(header: PIL.Image.Image) -> int | None:
    """The sample that stands for white, where the format says so: in PNM files."""
    tiles = getattr(header, "tile", None)
    if header.format == "PPM" and tiles and isinstance(tiles[0].args, tuple):
        return int(tiles[0].args[-1])
    return None
