"""Pictures on disk, as a camera would deliver them."""

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError

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
