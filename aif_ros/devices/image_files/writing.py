"""Writing images: the image always, its metadata where they fit."""

import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.ExifTags
import PIL.Image
import tifffile
from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import raster
from aif_ros.devices.image_files.metadata import IFDS, SOFTWARE, Metadata
from aif_ros.storage.atomic_write import check_writable, write_bytes
from aif_ros.storage.error_text import one_line
from aif_ros.types.image import Image, to_uint8, to_uint16

_LOGGER = logging.getLogger(__name__)

WRITABLE = raster.SUFFIXES | {".tif", ".tiff"}
"""Suffixes of the formats that can be written."""
SIXTEEN_BIT_SUFFIXES = frozenset((".png", ".tif", ".tiff", ".jp2", ".ppm", ".pgm", ".pnm"))
"""Suffixes of those that can hold 16 bits."""

TRANSPARENT = frozenset((".png", ".tif", ".tiff", ".webp"))
"""Suffixes of those that can hold transparent pixels."""

# Longest side that the format can hold, pixels.
_LONGEST_SIDE = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}
# Of the JPEG and WebP, in percent: above it files grow without a visible gain.
_QUALITY = 95


def check_image_output(
    path: str | Path, size: tuple[int, int] | None = None, *, sixteen_bit: bool = True
) -> None:
    """Check that an image can be written, before work is done for it.

    Args:
        path: file to write.
        size: (width, height), if known.
        sixteen_bit: whether it will have 16 bits, where the format can hold them.

    Raises:
        DeviceError: the format is unknown or cannot hold an image of that size.
        OSError: the file cannot be written, or there is too little free space.
    """
    suffix = _checked_suffix(path, size)
    bytes_needed = 0
    if size is not None:
        bytes_needed = (
            3 * size[0] * size[1] * (2 if sixteen_bit and suffix in SIXTEEN_BIT_SUFFIXES else 1)
        )
    check_writable(path, bytes_needed)


def _checked_suffix(path: str | Path, size: tuple[int, int] | None) -> str:
    """Return the suffix of a format that can hold an image of that size."""
    suffix = Path(path).suffix.lower()
    if suffix not in WRITABLE:
        raise DeviceError(f"cannot write {path}: name a format such as .png, .tif or .jpg")
    longest = _LONGEST_SIDE.get(suffix)
    if size is not None and longest is not None and max(size) > longest:
        raise DeviceError(
            f"cannot write {path}: a {suffix} holds {longest} pixels a side at most, the "
            f"image has {size[0]}x{size[1]}: name a .tif or .png"
        )
    return suffix


def write_image(
    path: str | Path,
    image: Image,
    *,
    sixteen_bit: bool,
    metadata: Metadata | None = None,
    transparent: NDArray[np.bool_] | None = None,
) -> None:
    """Write an image in the format of its suffix; an existing file is replaced at the end only.

    Args:
        path: file to write; its folder is made.
        image: (H, W) or (H, W, 3) RGB, float32 in [0, 1].
        sixteen_bit: whether to write 16 bits, where the format has them.
        metadata: to write with it, as far as the format can hold it: JPEG, PNG and WebP all, TIFF
            the main EXIF tags (camera, time, author), other formats nothing. What cannot be
            written is dropped with a warning.
        transparent: (H, W), pixels without data: they become transparent where the format can hold
            it (see `TRANSPARENT`), else they stay as they are. None: there are none.

    Raises:
        DeviceError: there is no such format, or it cannot hold the image.
        OSError: the file cannot be written.
    """
    path = Path(path)
    suffix = _checked_suffix(path, (image.shape[1], image.shape[0]))
    if suffix == ".pgm" and image.ndim == 3:
        raise DeviceError(f"cannot write {path}: a .pgm holds no colours, name a .ppm")
    pixels = to_uint16(image) if sixteen_bit and suffix in SIXTEEN_BIT_SUFFIXES else to_uint8(image)
    if transparent is not None and suffix in TRANSPARENT:
        opaque = np.where(transparent, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
        pixels = np.dstack([pixels, opaque])
    encode = _encoder(suffix, pixels.dtype)
    dropped = ""
    for kept, without in _attempts(metadata or Metadata()):
        try:
            content = encode(suffix, pixels, kept)
        except Exception as error:  # Pillow, OpenCV and tifffile raise errors of many kinds.
            if not without:
                raise DeviceError(f"cannot write {path}: {one_line(error)}") from error
            dropped = f"{without} cannot be written and are left out ({one_line(error)})"
            continue
        if dropped:
            _LOGGER.warning("%s: %s", path, dropped)
        write_bytes(path, content)
        return


def _attempts(metadata: Metadata) -> Iterator[tuple[Metadata, str]]:
    """Metadata to try, and what the next attempt omits; empty: no further attempt."""
    if metadata.exif:
        yield metadata, "its EXIF data"
    without_exif = replace(metadata, exif=PIL.Image.Exif())
    if metadata.icc_profile:
        yield without_exif, "its colour profile and EXIF data"
    yield replace(without_exif, icc_profile=b""), ""


_Encoder = Callable[[str, NDArray[Any], Metadata], bytes]


def _encoder(suffix: str, dtype: np.dtype[Any]) -> _Encoder:
    if suffix in (".tif", ".tiff"):
        return _tiff
    if suffix in (".jpg", ".jpeg", ".webp") or (suffix == ".png" and dtype == np.uint8):
        return _pillow
    # Pillow has no 16-bit colour.
    return _opencv


def _exif(metadata: Metadata) -> bytes:
    exif = PIL.Image.Exif()
    for tag, value in metadata.exif.items():
        exif[tag] = metadata.exif.get_ifd(tag) if tag in IFDS else value
    exif[PIL.ExifTags.Base.Software] = SOFTWARE
    return exif.tobytes()


def _pillow(suffix: str, pixels: NDArray[Any], metadata: Metadata) -> bytes:
    options: dict[str, Any] = {"quality": _QUALITY}
    if suffix == ".png":
        # The fastest level: photographs gain 5 % in size at the others, in ten times the time.
        options = {"compress_level": 1}
    profile = metadata.profile_for(_colours(pixels))
    if profile:
        options["icc_profile"] = profile
    buffer = io.BytesIO()
    name = PIL.Image.registered_extensions()[suffix]
    PIL.Image.fromarray(pixels).save(buffer, name, exif=_exif(metadata), **options)
    return buffer.getvalue()


def _opencv(suffix: str, pixels: NDArray[Any], metadata: Metadata) -> bytes:
    # OpenCV has no grey with alpha.
    channels = {2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}
    swapped = pixels if pixels.ndim == 2 else pixels[..., channels[pixels.shape[2]]]
    if suffix == ".png" and hasattr(cv2, "imencodeWithMetadata"):
        kinds, contents = [cv2.IMAGE_METADATA_EXIF], [_exif(metadata).removeprefix(b"Exif\0\0")]
        profile = metadata.profile_for(_colours(pixels))
        if profile:
            kinds.append(cv2.IMAGE_METADATA_ICCP)
            contents.append(profile)
        arrays = [np.frombuffer(content, np.uint8) for content in contents]
        good, content = cv2.imencodeWithMetadata(suffix, swapped, kinds, arrays)
    else:
        good, content = cv2.imencode(suffix, swapped)
    if not good:
        raise ValueError("it cannot be encoded")
    return bytes(content.tobytes())


def _tiff(suffix: str, pixels: NDArray[Any], metadata: Metadata) -> bytes:
    texts = {
        int(tag): text
        for tag, text in metadata.exif.items()
        if isinstance(text, str) and tag != PIL.ExifTags.Base.Software
    }
    options: dict[str, Any] = {}
    if metadata.pixel_size:
        per_centimetre = 0.01 / metadata.pixel_size
        options = {"resolution": (per_centimetre, per_centimetre), "resolutionunit": 3}
    colours = _colours(pixels)
    if pixels.shape[2:] not in ((), (colours,)):
        options |= {"extrasamples": ["unassalpha"], "planarconfig": "contig"}
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        pixels,
        photometric="minisblack" if colours == 1 else "rgb",
        compression="zlib",
        # Fast, and as small as the default level for 16-bit photographs.
        compressionargs={"level": 1},
        predictor=True,
        software=SOFTWARE,
        iccprofile=metadata.profile_for(colours) or None,
        # UTF-8 is what readers expect where 7 bits do not suffice.
        extratags=[(tag, "s", 0, text.encode(), True) for tag, text in texts.items()],
        metadata=None,
        **options,
    )
    return buffer.getvalue()


def _colours(pixels: NDArray[Any]) -> int:
    """Channels without alpha: 1 or 3."""
    return 3 if pixels.shape[2:] in ((3,), (4,)) else 1
