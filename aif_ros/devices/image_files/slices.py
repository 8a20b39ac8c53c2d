"""Opening the files of a focal stack, of any of the formats."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import microscopy, raw, tiff
from aif_ros.devices.image_files.damaged import DamagedFileError, DamagedPlane
from aif_ros.devices.image_files.folder import SUFFIXES, list_images, log_once
from aif_ros.devices.image_files.slice_series import SingleFile, Slices
from aif_ros.devices.image_files.stack_axes import AmbiguousError, Selection, StackFile
from aif_ros.devices.image_files.unread_formats import BY_SUFFIX


def open_slices(
    paths: Sequence[str | Path],
    *,
    selection: Selection | None = None,
    bits: int | None = None,
) -> Slices:
    """Find the slices of a stack.

    Args:
        paths: in focus order; a folder stands for its images in the order of their names, a
            multi-page file for its pages. The pages of several files follow each other. A file
            that is named again is not taken again.
        selection: what to take of files with several channels, time points or series.
        bits: in use of each sample; None: as the files say, else recognised.

    Raises:
        DeviceError: a file does not exist, is of no known format or cannot be understood; or a
            folder holds multi-page files among others.
    """
    selection = selection or Selection()
    files, notes = _list_files(paths)
    found = [_open_among(files, file, selection) for file in files]
    _check_selection(files, selection)
    notes += _note_several_stacks(paths, files, found)
    assumed = [note for content in found for note in content.notes]
    if assumed:
        more = f" (and {len(assumed) - 1} more)" if len(assumed) > 1 else ""
        notes.append(assumed[0] + more)
    for note in notes:
        log_once(note)
    whole = [each for each in found if not isinstance(each.slices[0], DamagedPlane)]
    first = (whole or found)[0]
    return Slices(
        [plane for content in found for plane in content.slices],
        [file for file, content in zip(files, found, strict=True) for _ in content.slices],
        z_step=first.z_step if len(files) == 1 else None,
        pixel_size=first.pixel_size,
        bits=bits or first.bits,
        notes=notes,
    )


def _list_files(paths: Sequence[str | Path]) -> tuple[list[Path], list[str]]:
    """Files of a stack, each once, and notes on what is left out.

    Raises:
        DeviceError: there are none, or a folder cannot be used.
    """
    files: list[Path] = []
    known: set[Path] = set()
    notes: list[str] = []
    for path in map(Path, paths):
        here = [path]
        if path.is_dir() and path.suffix.lower() not in microscopy.FOLDER_SUFFIXES:
            here, left_out = list_images(path)
            notes += [left_out] if left_out else []
        new = [file for file in here if file.absolute() not in known]
        if len(new) < len(here):
            notes.append(f"{path} is named twice: it is used once")
        files += new
        known.update(file.absolute() for file in new)
    if not files:
        raise DeviceError("no slices are given")
    return files, notes


def _note_several_stacks(
    paths: Sequence[str | Path], files: Sequence[Path], found: Sequence[StackFile]
) -> list[str]:
    """Note that several files are taken as one stack, though one of them holds several slices.

    Raises:
        DeviceError: that file was not named itself, but lies in a folder among others.
    """
    many = [
        (file, len(content.slices))
        for file, content in zip(files, found, strict=True)
        if len(content.slices) > 1
    ]
    if not many or len(files) == 1:
        return []
    file, count = many[0]
    if file not in map(Path, paths):
        raise DeviceError(
            f"{file} holds {count} slices by itself: name one such file, or several if "
            "their pages are one stack"
        )
    return [
        f"{file} holds {count} slices by itself: the pages of all {len(files)} files are "
        "taken as one stack, in the order given"
    ]


def _check_selection(files: Sequence[Path], selection: Selection) -> None:
    """Refuse a choice of channel, time point or series among files that never have several."""
    chosen = {
        selection.channel_name: selection.channel,
        selection.time_name: selection.time,
        selection.series_name: selection.series,
    }
    named = [f"{name} {value}" for name, value in chosen.items() if value is not None]
    several = tiff.SUFFIXES | microscopy.SUFFIXES | set(microscopy.FOLDER_SUFFIXES)
    if named and not any(file.suffix.lower() in several for file in files):
        raise DeviceError(
            f"{' and '.join(named)}: {files[0].suffix} files hold one image without channels, "
            "time points or series: leave it out"
        )


def is_multi_page(path: Path) -> bool:
    """Whether a file holds several slices; false for what cannot be read."""
    if path.suffix.lower() in microscopy.FOLDER_SUFFIXES:
        return path.is_dir()
    if path.suffix.lower() not in tiff.SUFFIXES | microscopy.SUFFIXES or not path.is_file():
        return False
    try:
        return len(_open(path, Selection()).slices) > 1
    except AmbiguousError:
        return True
    except DeviceError:
        return False


def read_image(path: str | Path, *, mono: bool = False) -> NDArray[Any]:
    """Read one image: (H, W) mono or (H, W, 3) RGB, uint8 or uint16; alpha is dropped.

    Args:
        path: of the file.
        mono: whether to read luma only, which a JPEG gives several times faster.

    Raises:
        DeviceError: the file cannot be read or holds several images; the message names it.
    """
    slices = open_slices([path])
    if len(slices) > 1:
        raise DeviceError(f"{path} holds {len(slices)} images: one is needed")
    return slices.read(0, mono=mono).pixels


def read_values(path: str | Path) -> NDArray[Any]:
    """Read the samples of one image as they are stored, such as the depths of a depth map.

    Returns:
        (H, W) or (H, W, 3), of any real type; values that are not finite are 0.

    Raises:
        DeviceError: the file cannot be read or holds several images; the message names it.
    """
    slices = open_slices([path])
    if len(slices) > 1:
        raise DeviceError(f"{path} holds {len(slices)} images: one is needed")
    return slices.samples(0).values


def _open_among(files: Sequence[Path], file: Path, selection: Selection) -> StackFile:
    """Open a file; one of several that is damaged is an error of the slice that is read."""
    try:
        return _open(file, selection)
    except DamagedFileError as error:
        if len(files) < 2:
            raise
        return StackFile([DamagedPlane(file, error)])


def _open(path: Path, selection: Selection) -> StackFile:
    suffix = path.suffix.lower()
    if suffix in microscopy.SUFFIXES and path.exists():
        return microscopy.read_microscopy_stack(path, selection)
    if not path.is_file():
        if path.exists():
            raise DeviceError(f"{path} is no regular file")
        raise DeviceError(f"there is no folder or file {path}")
    if suffix not in SUFFIXES:
        if unread := BY_SUFFIX.get(suffix):
            raise DeviceError(f"{path} is {unread.name}, which is not read: {unread.advice}")
        known = ", ".join(sorted(SUFFIXES - raw.SUFFIXES))
        raise DeviceError(f"{path} is of no known format: {known}, and raw files of cameras")
    if suffix in tiff.SUFFIXES and not tiff.is_raw(path):
        return tiff.read_tiff_stack(path, selection)
    return StackFile([SingleFile(path)])
