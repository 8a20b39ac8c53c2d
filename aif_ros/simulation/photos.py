"""Folders of sharp photos: finding them, splitting them, judging how sharp each part is."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import read_image
from aif_ros.types.image import Image

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}
HELD_OUT_SHARE = 5
"""One photo in so many is never trained on."""
SHARP = 1.5
"""Gradients of a sharp edge fall by this factor when blurred by a Gaussian of 1 px."""
TEXTURED = 0.15
"""Sobel gradient per pixel, image in [0, 1], of the strongest edges of a cell with texture."""
_STRONGEST = 40
"""Gradients of a cell that count as its strongest edges."""


class PhotosError(Exception):
    """A folder that cannot be used as photos; the message says why."""


def list_photos(folder: str | Path) -> list[Path]:
    """All photos in `folder` and its subfolders, sorted; one frame in ten of each video.

    This reads the layouts of DIV2K (DIV2K_*_HR/0001.png), CLIC (train/*.png, valid/*.png) and
    DAVIS (JPEGImages/RESOLUTION/SEQUENCE/00000.jpg). What is no photo of its own is passed over:
    the low-resolution copies of DIV2K (DIV2K_*_LR_*) and the masks of DAVIS (Annotations*).

    Raises:
        PhotosError: no such folder, or no photo in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PhotosError(f"there is no folder of photos {folder}")
    photos = []
    for path in sorted(folder.rglob("*")):
        parents = path.relative_to(folder).parts[:-1]
        if path.suffix.lower() not in _SUFFIXES:
            continue
        if any("_LR_" in part or part.startswith("Annotations") for part in parents):
            continue
        # Further frames of one shot add little to the first.
        if "JPEGImages" in parents and path.stem.isdigit() and int(path.stem) % 10:
            continue
        photos.append(path)
    if not photos:
        raise PhotosError(f"there is no photo in {folder} ({', '.join(sorted(_SUFFIXES))})")
    return photos


def is_held_out(photo: Path) -> bool:
    """Whether a photo is kept for measuring: decided by its name, the same on every machine."""
    return int(hashlib.md5(photo.name.encode()).hexdigest(), 16) % HELD_OUT_SHARE == 0


def split_photos(photos: list[Path]) -> tuple[list[Path], list[Path]]:
    """Photos to train on, and those held out. A held-out video frame holds out its sequence."""
    held_out = [photo for photo in photos if is_held_out(_shot(photo))]
    return [photo for photo in photos if photo not in set(held_out)], held_out


def _shot(photo: Path) -> Path:
    return photo.parent if "JPEGImages" in photo.parts else photo


def fingerprint(photo: Path) -> str:
    """Short digest of a photo's file, independent of its name."""
    return hashlib.md5(photo.read_bytes()).hexdigest()[:8]


def read_photo(path: Path) -> NDArray[np.uint8]:
    """Read a photo as (H, W, 3) uint8 RGB.

    Raises:
        PhotosError: the file is no readable image.
    """
    try:
        photo = read_image(path)
    except DeviceError as error:
        raise PhotosError(f"{error}: remove or repair it") from error
    if photo.dtype == np.uint16:
        photo = (photo >> 8).astype(np.uint8)
    return photo if photo.ndim == 3 else cv2.cvtColor(photo, cv2.COLOR_GRAY2RGB)


def sharpness(luma: Image, cell: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where a photo is truly sharp.

    A Gaussian of 1 px lowers the gradient of a step between two pixels by a factor of 1.5 or
    more, that of an edge that is soft already by less (re-blurring, after Crete et al., "The
    blur effect", 2007). Judged by the 40 strongest gradients of each cell.

    Args:
        luma: (H, W) float32 in [0, 1].
        cell: side of a cell, pixels.

    Returns:
        (H // cell, W // cell) each: whether there is texture to judge by; whether it is sharp.
    """
    rows, columns = luma.shape[0] // cell, luma.shape[1] // cell

    def cells(image: Image) -> Image:
        gradient = cv2.magnitude(
            cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)
        )[: rows * cell, : columns * cell]
        return np.asarray(
            gradient.reshape(rows, cell, columns, cell).swapaxes(1, 2).reshape(rows, columns, -1)
        )

    before = cells(luma)
    after = cells(cv2.GaussianBlur(luma, (0, 0), 1.0))
    strongest = np.argpartition(before, -_STRONGEST, axis=2)[..., -_STRONGEST:]
    strength = np.take_along_axis(before, strongest, 2).mean(axis=2)
    blurred = np.take_along_axis(after, strongest, 2).mean(axis=2)
    textured = strength > TEXTURED
    return textured, textured & (strength > SHARP * blurred)
