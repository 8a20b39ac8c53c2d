"""Pictures on disk, as a camera would deliver them."""

import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.ExifTags
import PIL.Image
import tifffile
from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError
from aif_ros.types.image import Image

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jp2", ".tif", ".tiff", ".bmp", ".webp", ".ppm", ".pgm", ".pnm")
)
# Signature and header chunk of a PNG, bytes.
_PNG_HEADER = 8 + 25
# Of a colour profile, bytes that fit into a segment of a JPEG.
_ICC_PIECE = 65519
# What tells of the photograph; other tags tell how its pixels were laid out in the file.
_KEPT = {
    PIL.ExifTags.Base.Make,
    PIL.ExifTags.Base.Model,
    PIL.ExifTags.Base.DateTime,
    PIL.ExifTags.Base.Artist,
    PIL.ExifTags.Base.Copyright,
    PIL.ExifTags.Base.ExifOffset,
    PIL.ExifTags.Base.GPSInfo,
}


def image_files(folder: str | Path) -> list[Path]:
    """Return the pictures in `folder`, numbers in their names counted as numbers (2 before 10).

    Raises:
        DeviceError: the folder does not exist or holds no picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DeviceError(f"there is no folder {folder}")
    files = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES]
    if not files:
        raise DeviceError(f"there is no picture ({', '.join(sorted(SUFFIXES))}) in {folder}")
    return sorted(files, key=_natural_order)


def read_image(path: str | Path, *, mono: bool = False) -> NDArray[Any]:
    """Read a picture: (H, W) mono or (H, W, 3) RGB, uint8 or uint16; alpha is dropped.

    Args:
        path: of the file.
        mono: whether to read no more than its luma, which a JPEG gives several times faster.

    Raises:
        DeviceError: the file cannot be read or has another depth; the message names it.
    """
    # Through bytes: imread says nothing of why it failed, and knows no pathlib.
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DeviceError(f"cannot read {path}: {error.strerror}") from error
    flags = cv2.IMREAD_ANYDEPTH | (0 if mono else cv2.IMREAD_ANYCOLOR)
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    if image is None:
        raise DeviceError(f"{path} is no readable picture: it may be cut off or of another format")
    if image.dtype not in (np.uint8, np.uint16):
        raise DeviceError(f"{path} has pixels of type {image.dtype}: make it 8 or 16 bit")
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@dataclass(frozen=True)
class Metadata:
    """What a picture's file tells beside its pixels.

    Attributes:
        exif: camera, time, author, place, exposure.
        icc_profile: what its colours mean; empty: nothing told.
    """

    exif: PIL.Image.Exif
    icc_profile: bytes


def read_metadata(path: str | Path) -> Metadata:
    """Read EXIF data and colour profile of a picture; nothing where it has none."""
    try:
        with PIL.Image.open(path) as picture:
            exif, profile = picture.getexif(), picture.info.get("icc_profile") or b""
    except OSError:
        # OpenCV reads formats that Pillow does not know.
        exif, profile = PIL.Image.Exif(), b""
    for tag in set(exif) - _KEPT:
        del exif[tag]
    return Metadata(exif, profile)


def _natural_order(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def write_image(
    path: str | Path, image: Image, *, deep: bool, metadata: Metadata | None = None
) -> None:
    """Write a picture, (H, W) or (H, W, 3) RGB, float32 in [0, 1], in the format of its suffix.

    Args:
        path: file to write; its folder is made.
        image: the picture.
        deep: whether to write 16 bits, where the format has them (PNG, TIFF).
        metadata: to write with it, where the format can hold it. A TIFF keeps the main tags only
            (camera, time, author); formats other than JPEG, PNG and TIFF keep nothing.

    Raises:
        DeviceError: no such format.
        OSError: the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DeviceError(f"cannot write {path}: name a format such as .png, .tif or .jpg")
    full = 65535 if deep and suffix in (".png", ".tif", ".tiff") else 255
    pixels = np.empty(image.shape, np.uint16 if full > 255 else np.uint8)
    # Row by row: of a large picture, copies in floating point would take much memory and time.
    for row, values in zip(pixels, image, strict=True):
        row[:] = np.round(np.clip(values, 0, 1) * full)
    metadata = metadata or Metadata(PIL.Image.Exif(), b"")
    if suffix in (".tif", ".tiff"):
        content = _tiff(pixels, metadata)
    else:
        quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix in (".jpg", ".jpeg") else []
        swapped = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        content = cv2.imencode(suffix, swapped, quality)[1].tobytes()
        if suffix in (".jpg", ".jpeg"):
            content = _jpeg_with(content, metadata)
        elif suffix == ".png":
            content = _png_with(content, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _tiff(pixels: NDArray[Any], metadata: Metadata) -> bytes:
    texts = {int(tag): text for tag, text in metadata.exif.items() if isinstance(text, str)}
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        pixels,
        photometric="minisblack" if pixels.ndim == 2 else "rgb",
        compression="zlib",
        iccprofile=metadata.icc_profile or None,
        extratags=[(tag, "s", 0, text, True) for tag, text in texts.items()],
        metadata=None,
    )
    return buffer.getvalue()


def _jpeg_with(content: bytes, metadata: Metadata) -> bytes:
    """Put the metadata, as segments APP1 and APP2, behind the JPEG's start (Exif 2.3, ICC.1)."""
    segments = b""
    if metadata.exif:
        # Without its name, Exif data begin with "Exif\0\0" in a JPEG only.
        segments += _segment(0xE1, metadata.exif.tobytes())
    pieces = range(0, len(metadata.icc_profile), _ICC_PIECE)
    for index, start in enumerate(pieces, 1):
        header = b"ICC_PROFILE\0" + bytes((index, len(pieces)))
        segments += _segment(0xE2, header + metadata.icc_profile[start : start + _ICC_PIECE])
    return content[:2] + segments + content[2:]


def _segment(marker: int, payload: bytes) -> bytes:
    # What does not fit is left out: pixels matter more.
    if len(payload) + 2 > 0xFFFF:
        return b""
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload


def _png_with(content: bytes, metadata: Metadata) -> bytes:
    """Put the metadata, as chunks iCCP and eXIf, behind the PNG's header (ISO/IEC 15948)."""
    chunks = b""
    if metadata.icc_profile:
        chunks += _chunk(b"iCCP", b"profile\0\0" + zlib.compress(metadata.icc_profile))
    if metadata.exif:
        chunks += _chunk(b"eXIf", metadata.exif.tobytes().removeprefix(b"Exif\0\0"))
    return content[:_PNG_HEADER] + chunks + content[_PNG_HEADER:]


def _chunk(name: bytes, payload: bytes) -> bytes:
    checksum = zlib.crc32(name + payload)
    return len(payload).to_bytes(4, "big") + name + payload + checksum.to_bytes(4, "big")
