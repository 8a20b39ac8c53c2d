"""The stacks among the files and folders that `aif stack` is given."""

import sys
from collections.abc import Sequence
from pathlib import Path

from aif_ros.cli import CommandError
from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import image_files
from aif_ros.devices.image_files.folder import SUFFIXES, natural_order
from aif_ros.devices.image_files.slices import is_multi_page
from aif_ros.types.wording import listed


def find_stacks(given: Sequence[Path]) -> dict[str, list[Path]]:
    """Return the files or folders of each stack, by its name.

    Args:
        given: the slices of one stack, or one folder of stacks.

    Raises:
        CommandError: they are folders of stacks and more.
    """
    stacks: dict[str, list[Path]] = {}
    for path in given:
        if not path.is_dir() or is_multi_page(path):
            continue
        try:
            files = image_files(path)
        except DeviceError:
            files = []
        inner = [file for file in files if is_multi_page(file)]
        folders = [
            folder
            for folder in sorted(path.iterdir(), key=natural_order)
            if folder.is_dir() and not folder.name.startswith(".") and _has_images(folder)
        ]
        if files and folders:
            names = listed([folder.name for folder in folders], 3)
            print(f"{path}: left out {names} (folders with images)", file=sys.stderr)
        if not files:
            inner = folders
        elif len(inner) < len(files) or len(files) < 2:
            inner = []
        for each in inner:
            name = _name(each)
            stacks[each.name if name in stacks else name] = [each]
    if stacks and len(given) == 1:
        return stacks
    if stacks:
        raise CommandError("give one folder of stacks, or the slices of one stack")
    return {_name(given[0].resolve()): list(given)}


def _name(path: Path) -> str:
    """Name of a stack: that of its folder, or of its file without suffixes."""
    return path.name if path.is_dir() else path.stem.removesuffix(".ome")


def _has_images(folder: Path) -> bool:
    return any(
        file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        for file in folder.iterdir()
    )
