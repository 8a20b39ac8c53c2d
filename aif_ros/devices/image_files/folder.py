"""Which files of a folder are images."""

import functools
import logging
import re
from collections import Counter
from pathlib import Path

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import microscopy, raster, raw, tiff
from aif_ros.devices.image_files.metadata import software_of
from aif_ros.devices.image_files.unread_formats import BY_SUFFIX as UNREAD

_LOGGER = logging.getLogger(__name__)

SUFFIXES = raster.SUFFIXES | tiff.SUFFIXES | raw.SUFFIXES | microscopy.SUFFIXES
"""Of the files that are taken for images."""


def image_files(folder: str | Path) -> list[Path]:
    """Return the images in `folder`, numbers in their names counted as numbers (2 before 10).

    What is left out is logged; see `list_images`.

    Raises:
        DeviceError: the folder does not exist, cannot be read or holds no image.
    """
    files, left_out = list_images(folder)
    if left_out:
        log_once(left_out)
    return files


def list_images(folder: str | Path) -> tuple[list[Path], str]:
    """Return the images in `folder` in the order of their names, and what is left out.

    Left out are hidden files, what is no regular file, raw files beside a developed image of the
    same name, and what this package wrote itself, unless it wrote all.

    Args:
        folder: the folder; its subfolders are not searched.

    Returns:
        The files, and a line that says what has been left out and why; empty if nothing.

    Raises:
        DeviceError: the folder does not exist, cannot be read or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DeviceError(f"there is no folder {folder}")
    try:
        named = [
            file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES | UNREAD.keys()
        ]
    except OSError as error:
        raise DeviceError(f"cannot read {folder}: {error.strerror}") from error
    named.sort(key=natural_order)
    reasons = {file: reason for file in named if (reason := _no_image(file))}
    files = [file for file in named if file not in reasons]
    developed = {file.stem for file in files if file.suffix.lower() not in raw.SUFFIXES}
    for file in files:
        if file.suffix.lower() in raw.SUFFIXES and file.stem in developed:
            reasons[file] = "raw files beside developed ones"
    files = [file for file in files if file not in reasons]
    files = _without_parts(files)
    own = [file for file in files if software_of(file).startswith("aif_ros")]
    if len(own) < len(files):
        reasons |= dict.fromkeys(own, "written by aif_ros")
        files = [file for file in files if file not in reasons]
    if not files:
        left_out = f"; left out {_summary(reasons)}" if reasons else ""
        readable = ", ".join(sorted(SUFFIXES - raw.SUFFIXES))
        raise DeviceError(f"there is no image ({readable}) in {folder}{left_out}")
    return files, f"{folder}: left out {_summary(reasons)}" if reasons else ""


def _without_parts(files: list[Path]) -> list[Path]:
    """Leave out the files of an OME-TIFF in several but the first: it stands for all of them."""
    named: set[str] = set()
    kept = []
    for file in files:
        if file.name not in named:
            kept.append(file)
            named |= tiff.parts(file)
    return kept


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Key that sorts names with their numbers counted as numbers."""
    # Only what int() reads: other characters that count as digits, such as '²', are text.
    parts = re.split(r"([0-9]+)", path.name)
    return [(int(part[-4000:]), "") if re.match("[0-9]", part) else (-1, part) for part in parts]


def _no_image(file: Path) -> str | None:
    if file.name.startswith("."):
        return "hidden files"
    if file.suffix.lower() in microscopy.FOLDER_SUFFIXES and file.is_dir():
        return None
    if file.is_dir():
        return "folders"
    if unread := UNREAD.get(file.suffix.lower()):
        return f"{unread.name} is not read: {unread.advice}"
    return None if file.is_file() else "no regular files"


@functools.cache
def log_once(line: str) -> None:
    """Log a warning once, however often a folder is listed."""
    _LOGGER.warning("%s", line)


def _summary(reasons: dict[Path, str]) -> str:
    parts = []
    for reason, count in Counter(reasons.values()).items():
        first = next(file.name for file in reasons if reasons[file] == reason)
        more = f" and {count - 1} more" if count > 1 else ""
        parts.append(f"{first}{more} ({reason})")
    return ", ".join(parts)
