"""Pictures on disk, as a camera would deliver them."""

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError
from aif_ros.images import Image

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jp2", ".tif", ".tiff", ".bmp", ".webp", ".ppm", ".pgm", ".pnm")
)


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


def read_image(path: str | Path) -> NDArray[Any]:
    """Read a picture: (H, W) mono or (H, W, 3) RGB, uint8 or uint16; alpha is dropped.

    Raises:
        DeviceError: the file cannot be read or has another depth; the message names it.
    """
    # Through bytes: imread says nothing of why it failed, and knows no pathlib.
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DeviceError(f"cannot read {path}: {error.strerror}") from error
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    if image is None:
        raise DeviceError(f"{path} is no readable picture: it may be cut off or of another format")
    if image.dtype not in (np.uint8, np.uint16):
        raise DeviceError(f"{path} has pixels of type {image.dtype}: make it 8 or 16 bit")
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _natural_order(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def write_image(path: str | Path, image: Image, *, deep: bool) -> None:
    """Write a picture, (H, W) or (H, W, 3) RGB, float32 in [0, 1], in the format of its suffix.

    Args:
        path: file to write; its folder is made.
        image: the picture.
        deep: whether to write 16 bits, where the format has them (PNG, TIFF).

    Raises:
        DeviceError: no such format.
        OSError: the file cannot be written.
    """
    path = Path(path)
    full = 65535 if deep and path.suffix.lower() in (".png", ".tif", ".tiff") else 255
    pixels = np.round(np.clip(image, 0, 1) * full).astype(np.uint16 if full > 255 else np.uint8)
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    if path.suffix.lower() not in SUFFIXES:
        raise DeviceError(
            f"cannot write {path}: name a format such as .png, .tif or .jpg ('{path.suffix}')"
        )
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix.lower() in (".jpg", ".jpeg") else []
    _, content = cv2.imencode(path.suffix, pixels, quality)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.tobytes())
