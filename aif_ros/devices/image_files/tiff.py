"""Reading TIFF: which pages of a file are the slices, and their pixels.

Plain multi-page files, ImageJ hyperstacks, OME-TIFF, Micro-Manager and BigTIFF.
"""

import logging
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.damaged import DamagedFileError, DamagedPlane
from aif_ros.devices.image_files.samples import Samples
from aif_ros.devices.image_files.stack_axes import (
    FilePlane,
    Selection,
    StackFile,
    select,
    select_series,
)
from aif_ros.devices.image_files.tiff_format import PHOTOMETRIC, TiffFormat, axes_of
from aif_ros.devices.image_files.tiff_metadata import described, ome_files
from aif_ros.storage.error_text import one_line
from aif_ros.types.wording import counted, listed

SUFFIXES = frozenset((".tif", ".tiff", ".btf", ".tf8"))
# Everything it reports is reported here, by an error that names the file.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)

_DNG_VERSION = 50706
# NewSubfileType: bit 0 marks a reduced copy of another page, bit 2 a transparency mask.
_NO_IMAGE = 0b101


@dataclass(frozen=True)
class TiffPlane:
    """One slice in a TIFF.

    Attributes:
        path: the file.
        name: for messages.
        page: number of its page, and of pages below it; None where all slices lie one after the
            other, whether or not the file has a directory entry for each.
        offset: of the data in the file, bytes, where `page` is None.
        dtype: of the data, with its byte order, where `page` is None.
        format: what its samples mean.
    """

    path: Path
    name: str
    page: tuple[int, ...] | None
    offset: int
    dtype: str
    format: TiffFormat

    def read(self) -> Samples:
        """Read the pixels.

        Raises:
            DeviceError: they cannot be read; the message names the file.
        """
        try:
            values = self._stored()
        except DeviceError:
            raise
        except Exception as error:  # tifffile can raise any exception on damaged data.
            raise DamagedFileError(f"cannot read {self.name}: {one_line(error)}") from error
        return self.format.samples(self.name, values)

    def check(self) -> None:
        """Check, without decoding it, whether the file ends before the slice does.

        Raises:
            DamagedFileError: it does.
        """
        if self.page is None:
            size = math.prod(self.format.shape) * np.dtype(self.dtype).itemsize
            complete = self.offset + size <= self.path.stat().st_size
        else:
            try:
                with tifffile.TiffFile(self.path) as file:
                    complete = _is_complete(_page(file, self.page))
            except Exception as error:  # tifffile can raise any exception on damaged data.
                raise DamagedFileError(f"cannot read {self.name}: {one_line(error)}") from error
        if not complete:
            raise self._ends_within()

    def _ends_within(self) -> DamagedFileError:
        return DamagedFileError(f"{self.name} is cut off: {self.path.name} ends within it")

    def _stored(self) -> NDArray[Any]:
        shape = self.format.shape
        if self.page is None:
            count = math.prod(shape)
            values = np.fromfile(self.path, self.dtype, count, offset=self.offset)
            if values.size < count:
                raise self._ends_within()
            return values.reshape(shape).astype(values.dtype.newbyteorder("="), copy=False)
        with tifffile.TiffFile(self.path) as file:
            page = _page(file, self.page)
            if not _is_complete(page):
                raise self._ends_within()
            return np.asarray(page.asarray()).reshape(shape)


def read_tiff_stack(path: Path, selection: Selection) -> StackFile:
    """List the slices in a TIFF.

    Args:
        path: the file.
        selection: channel, time point and series to take.

    Raises:
        DeviceError: it cannot be read, is a raw file, has several of these and none is selected, or
            its pixels cannot be understood.
    """
    try:
        with tifffile.TiffFile(path) as file:
            return _stack(path, file, selection)
    except DeviceError:
        raise
    except Exception as error:  # tifffile can raise any exception on damaged data.
        raise DamagedFileError(f"cannot read {path}: {one_line(error)}") from error


def parts(path: Path) -> set[str]:
    """Names of the files over which an OME-TIFF spreads its planes; empty if it is none."""
    if ".ome." not in path.name.lower():
        return set()
    try:
        with tifffile.TiffFile(path) as file:
            return ome_files(file.ome_metadata) if file.ome_metadata else set()
    except Exception:  # `read_tiff_stack` reports what is wrong with it.
        return set()


def is_raw(path: Path) -> bool:
    """Whether a TIFF is a camera's raw file (DNG) under another name."""
    try:
        with tifffile.TiffFile(path) as file:
            first = file.pages.first
            return _DNG_VERSION in first.tags or first.photometric in (
                PHOTOMETRIC.CFA,
                PHOTOMETRIC.LINEAR_RAW,
            )
    except Exception:  # `read_tiff_stack` reports what is wrong with it.
        return False


def _stack(path: Path, file: tifffile.TiffFile, selection: Selection) -> StackFile:
    cut_off = _cut_off(path, file)
    pages, notes = _main_series(path, file, selection)
    series = pages[0]
    axes, sizes = axes_of(path, series)
    leading = {axis: size for axis, size in zip(axes, sizes, strict=True) if axis not in "YXS"}
    if len(pages) > 1:
        leading = {"I": len(pages)}
    channels, setup = described(file)
    if series.kind == "imagej" and not leading:
        setup = replace(setup, z_step=None)
    chosen = select(str(path), leading, channels, selection)
    format_ = TiffFormat.of(path, series, axes, sizes)
    slices: list[FilePlane] = [
        _plane(path, series, format_, index, index)
        if len(pages) == 1
        else _plane(path, pages[index], format_, index, 0)
        for index in chosen.flat(leading)
    ]
    if len(slices) == 1 and isinstance(slices[0], TiffPlane):
        slices = [replace(slices[0], name=str(path))]
    return replace(setup, slices=slices, notes=(*notes, *chosen.notes, *cut_off))


def _main_series(
    path: Path, file: tifffile.TiffFile, selection: Selection
) -> tuple[Sequence[tifffile.TiffPageSeries], tuple[str, ...]]:
    """The images of full size; what else the file holds is named.

    They are one series, or several of one page each: pages that were written one after the other.
    """
    found = [
        series
        for series in file.series
        if not (int(series.keyframe.subfiletype) & _NO_IMAGE) and "X" in series.axes
    ] or list(file.series)
    if not found:
        raise DeviceError(f"{path} holds no image")
    if all(series.kind == "ome" for series in found):
        names = [_series_name(series) for series in found]
        found = [found[select_series(str(path), names, selection)]]
    else:
        select_series(str(path), [""], selection)
    main = max(found, key=_area)
    alike = [series for series in found if _is_alike(series, main)]
    others = [series for series in found if series not in alike]
    # A single page of a quarter of the area or less is a preview.
    if any(len(other.pages) > 1 or 4 * _area(other) > _area(main) for other in others):
        kinds = dict.fromkeys(map(_kind, found))
        if len(kinds) == 1:
            raise DeviceError(
                f"{path} holds {len(found)} images of {next(iter(kinds))} pages: split it"
            )
        raise DeviceError(
            f"{path} holds images of different kinds or sizes ({listed(list(kinds), 4)}): split it"
        )
    return alike, (f"{path.name}: previews are left out",) if others else ()


def _is_alike(series: tifffile.TiffPageSeries, main: tifffile.TiffPageSeries) -> bool:
    """Whether a series is the main one, or a page that differs from it in its pixels only."""
    if series is main:
        return True
    return (
        len(series.pages) == len(main.pages) == 1
        and series.keyframe.hash == main.keyframe.hash
        and series.get_shape(squeeze=True) == main.get_shape(squeeze=True)
    )


def _series_name(series: tifffile.TiffPageSeries) -> str:
    return str(series.name or "")


def _kind(series: tifffile.TiffPageSeries) -> str:
    page = series.keyframe
    name = getattr(page.photometric, "name", page.photometric)
    pages = f" x {len(series.pages)}" if len(series.pages) > 1 else ""
    return f"{page.imagewidth}x{page.imagelength} {page.dtype} {name}{pages}"


def _area(series: tifffile.TiffPageSeries) -> int:
    return int(series.keyframe.imagewidth * series.keyframe.imagelength)


def _plane(
    path: Path, series: tifffile.TiffPageSeries, format_: TiffFormat, number: int, index: int
) -> FilePlane:
    """The plane of an index within a series, which is of a number in the file."""
    name = f"{path}, page {number + 1}"
    if series.dataoffset is not None:
        dtype = np.dtype(series.dtype).newbyteorder(series.keyframe.parent.byteorder)
        offset = series.dataoffset + index * math.prod(format_.shape) * dtype.itemsize
        return TiffPlane(path, name, None, offset, dtype.str, format_)
    page = series.pages[index] if index < len(series.pages) else None
    if page is None:
        return DamagedPlane(path, DamagedFileError(f"{name} is missing in the file"))
    # An OME-TIFF may spread its planes over several files.
    place = Path(page.parent.filehandle.path)
    place_in_file = page.index if isinstance(page.index, tuple) else (page.index,)
    return TiffPlane(place, name, place_in_file, 0, "", format_)


def _page(file: tifffile.TiffFile, index: tuple[int, ...]) -> tifffile.TiffPage:
    """Return a page, or a page below one (SubIFD)."""
    page = file.pages[index[0]]
    for step in index[1:]:
        assert page.pages is not None
        page = page.pages[step]
    # A page that shares the tags of the first one has only some of them.
    return page if isinstance(page, tifffile.TiffPage) else page.aspage()


def _cut_off(path: Path, file: tifffile.TiffFile) -> tuple[str, ...]:
    """Note that the last page of a file points to one beyond its end: pages are missing.

    Raises:
        DamagedFileError: fewer than two are left.
    """
    count = len(file.pages)
    place = file.pages.next_page_offset
    if place is None:
        return ()
    file.filehandle.seek(place)
    pointer = file.filehandle.read(file.tiff.offsetsize)
    if len(pointer) < file.tiff.offsetsize or (
        struct.unpack(file.tiff.offsetformat, pointer)[0] >= file.filehandle.size
    ):
        reason = f"{path} is cut off: it ends after {counted(count, 'page')}"
        if count < 2:
            raise DamagedFileError(reason)
        return (f"{reason}; copy it again to use the others",)
    return ()


def _is_complete(page: tifffile.TiffPage) -> bool:
    """Whether a file holds all of a page: what is missing would be read as zeros or garbage."""
    size = page.parent.filehandle.size
    segments = zip(page.dataoffsets, page.databytecounts, strict=False)
    return all(offset + count <= size for offset, count in segments)
