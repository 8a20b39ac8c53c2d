"""Which files of a folder are pictures."""

import functools
import logging
import os
import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import microscopy, raster, raw, tiff
from aif_ros.devices.image_files.metadata import software_of

_LOGGER = logging.getLogger(__name__)

SUFFIXES = raster.SUFFIXES | tiff.SUFFIXES | raw.SUFFIXES | microscopy.SUFFIXES
"""Of the files that are taken for pictures."""


def image_files(folder: str | Path, exclude: Collection[Path] = ()) -> list[Path]:
    """Return the pictures in `folder`, numbers in their names counted as numbers (2 before 10).

    Left out, with one line in the log, are hidden files, what is no regular file, raw files beside
    a developed picture of the same name, and what this package wrote itself, unless it wrote all.

    Args:
        folder: the folder; its subfolders are not searched.
        exclude: files that are no pictures of this folder, such as the outputs of the command.

    Raises:
        DeviceError: the folder does not exist, cannot be read or holds no picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DeviceError(f"there is no folder {folder}")
    excluded = {os.path.realpath(path) for path in exclude}
    try:
        named = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES]
    except OSError as error:
        raise DeviceError(f"cannot read {folder}: {error.strerror}") from error
    named.sort(key=natural_order)
    reasons = {file: reason for file in named if (reason := _no_picture(file, excluded))}
    files = [file for file in named if file not in reasons]
    developed = {file.stem for file in files if file.suffix.lower() not in raw.SUFFIXES}
    for file in files:
        if file.suffix.lower() in raw.SUFFIXES and file.stem in developed:
            reasons[file] = "raw files beside developed ones"
    own = [file for file in files if software_of(file).startswith("aif_ros")]
    if len(own) < len(files) - len(reasons.keys() & set(files)):
        reasons |= dict.fromkeys(own, "written by aif_ros")
    if reasons:
        _report(f"{folder}: left out {_summary(reasons)}")
    files = [file for file in files if file not in reasons]
    if not files:
        raise DeviceError(f"there is no picture ({', '.join(sorted(SUFFIXES))}) in {folder}")
    return files


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Key that sorts names with their numbers counted as numbers."""
    # Only what int() reads: other characters that count as digits, such as '²', are text.
    parts = re.split(r"([0-9]+)", path.name)
    return [(int(part[-4000:]), "") if re.match("[0-9]", part) else (-1, part) for part in parts]


def _no_picture(file: Path, excluded: Collection[str]) -> str | None:
    if file.name.startswith("."):
        return "hidden files"
    if file.suffix.lower() in microscopy.FOLDER_SUFFIXES and file.is_dir():
        return None
    if file.is_dir():
        return "folders"
    if os.path.realpath(file) in excluded:
        return "the output"
    return None if file.is_file() else "no regular files"


@functools.cache
def _report(line: str) -> None:
    """Log a line once, however often a folder is listed."""
    _LOGGER.warning("%s", line)


def _summary(reasons: dict[Path, str]) -> str:
    parts = []
    for reason, count in Counter(reasons.values()).items():
        first = next(file.name for file in reasons if reasons[file] == reason)
        more = f" and {count - 1} more" if count > 1 else ""
        parts.append(f"{first}{more} ({reason})")
    return ", ".join(parts)
