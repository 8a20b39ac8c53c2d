"""Reading TIFF: every page, and its tags for planes, colours, depth and distances.

Plain multi-page files, ImageJ hyperstacks, OME-TIFF, Micro-Manager and BigTIFF.
"""

import logging
import math
import struct
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.colour import rgb_of_cmyk, rgb_of_lab
from aif_ros.devices.image_files.samples import (
    Samples,
    check_size,
    oriented,
    with_alpha,
    without_premultiplication,
)
from aif_ros.devices.image_files.stack_axes import Selection, StackFile, metres, select
from aif_ros.storage.error_text import one_line

SUFFIXES = frozenset((".tif", ".tiff", ".btf", ".tf8"))
MAX_BYTES = 4 << 30
"""Largest slice that is read, bytes unpacked; `MAX_PIXELS` of 16-bit RGB need 3 GB."""

# Everything it reports is reported here, by an error that names the file.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)

_PHOTOMETRIC = tifffile.PHOTOMETRIC
_DNG_VERSION, _ORIENTATION, _INK_SET = 50706, 274, 332
# NewSubfileType: bit 0 marks a reduced copy of another page, bit 2 a transparency mask.
_NO_PICTURE = 0b101
# ExtraSamples: alpha by which the colours have been multiplied, and alpha by which they have not.
_PREMULTIPLIED, _ALPHA = 1, 2
# InkSet: cyan, magenta, yellow and black, and not others.
_CMYK = 1
_LAB = (_PHOTOMETRIC.CIELAB, _PHOTOMETRIC.ICCLAB)
_READABLE = (
    _PHOTOMETRIC.MINISBLACK,
    _PHOTOMETRIC.MINISWHITE,
    _PHOTOMETRIC.RGB,
    _PHOTOMETRIC.PALETTE,
    _PHOTOMETRIC.SEPARATED,
    *_LAB,
)


@dataclass(frozen=True)
class _Format:
    """How the samples of a page are to be understood."""

    shape: tuple[int, ...]
    axes: str
    photometric: int
    extra_samples: tuple[int, ...]
    bits: int
    orientation: int
    colour_map: NDArray[np.uint16] | None
    icc_profile: bytes


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
    format: _Format

    def read(self) -> Samples:
        """Read the pixels.

        Raises:
            DeviceError: they cannot be read; the message names the file.
        """
        try:
            values = self._stored()
        except DeviceError:
            raise
        except Exception as error:  # tifffile raises whatever its parsers stumble over.
            raise DeviceError(f"cannot read {self.name}: {one_line(error)}") from error
        return _understood(self.name, values, self.format)

    def _stored(self) -> NDArray[Any]:
        shape = self.format.shape
        if self.page is None:
            count = math.prod(shape)
            values = np.fromfile(self.path, self.dtype, count, offset=self.offset)
            if values.size < count:
                raise DeviceError(f"{self.name} is cut off: {self.path} ends within it")
            return values.reshape(shape).astype(values.dtype.newbyteorder("="), copy=False)
        with tifffile.TiffFile(self.path) as file:
            page = _page(file, self.page)
            _check_complete(self.name, page)
            return np.asarray(page.asarray()).reshape(shape)


def read_tiff_stack(path: Path, selection: Selection) -> StackFile:
    """List the slices in a TIFF.

    Args:
        path: the file.
        selection: channel and time point to take.

    Raises:
        DeviceError: it cannot be read, is a raw file, has several channels or time points and
            none is selected, or its pixels cannot be understood.
    """
    try:
        with tifffile.TiffFile(path) as file:
            return _stack(path, file, selection)
    except DeviceError:
        raise
    except Exception as error:  # tifffile raises whatever its parsers stumble over.
        raise DeviceError(f"cannot read {path}: {one_line(error)}") from error


def is_raw(path: Path) -> bool:
    """Whether a TIFF is a camera's raw file (DNG) under another name."""
    try:
        with tifffile.TiffFile(path) as file:
            first = file.pages.first
            return _DNG_VERSION in first.tags or first.photometric in (
                _PHOTOMETRIC.CFA,
                _PHOTOMETRIC.LINEAR_RAW,
            )
    except Exception:  # `read_tiff_stack` reports what is wrong with it.
        return False


def _stack(path: Path, file: tifffile.TiffFile, selection: Selection) -> StackFile:
    _check_directories(path, file)
    pages, notes = _main_series(path, file)
    series = pages[0]
    axes, sizes = _axes(path, series)
    leading = {axis: size for axis, size in zip(axes, sizes, strict=True) if axis not in "YXS"}
    if len(pages) > 1:
        leading = {"I": len(pages)}
    channels, setup = _described(file)
    if series.kind == "imagej" and not leading:
        setup = replace(setup, z_step=None)
    chosen = select(str(path), leading, channels, selection)
    format_ = _format(path, series, axes, sizes)
    slices = [
        _plane(path, series, format_, index, index)
        if len(pages) == 1
        else _plane(path, pages[index], format_, index, 0)
        for index in chosen.flat(leading)
    ]
    if len(slices) == 1:
        slices = [replace(slices[0], name=str(path))]
    return replace(setup, slices=slices, notes=(*notes, *chosen.notes))


def _main_series(
    path: Path, file: tifffile.TiffFile
) -> tuple[Sequence[tifffile.TiffPageSeries], tuple[str, ...]]:
    """The pictures of full size; what else the file holds is named.

    They are one series, or several of one page each: pages that were written one after the other.
    """
    found = [
        series
        for series in file.series
        if not (int(series.keyframe.subfiletype) & _NO_PICTURE) and "X" in series.axes
    ] or list(file.series)
    if not found:
        raise DeviceError(f"{path} holds no picture")
    main = max(found, key=_area)
    alike = [series for series in found if _is_alike(series, main)]
    others = [series for series in found if series not in alike]
    # A single page of a quarter of the area or less is a preview.
    if any(len(other.pages) > 1 or 4 * _area(other) > _area(main) for other in others):
        kinds = dict.fromkeys(map(_kind, found))
        listed = ", ".join(list(kinds)[:4]) + (", ..." if len(kinds) > 4 else "")
        raise DeviceError(f"{path} holds pictures of different kinds or sizes ({listed}): split it")
    return alike, (f"{path.name}: previews are left out",) if others else ()


def _is_alike(series: tifffile.TiffPageSeries, main: tifffile.TiffPageSeries) -> bool:
    """Whether a series is the main one, or a page that differs from it in its pixels only."""
    if series is main:
        return True
    # The images of an OME-TIFF are scenes, not slices.
    single = len(series.pages) == len(main.pages) == 1 and main.kind != "ome"
    return (
        single
        and series.keyframe.hash == main.keyframe.hash
        and series.get_shape(squeeze=True) == main.get_shape(squeeze=True)
    )


def _kind(series: tifffile.TiffPageSeries) -> str:
    page = series.keyframe
    name = getattr(page.photometric, "name", page.photometric)
    pages = f" x {len(series.pages)}" if len(series.pages) > 1 else ""
    return f"{page.imagewidth}x{page.imagelength} {page.dtype} {name}{pages}"


def _area(series: tifffile.TiffPageSeries) -> int:
    return int(series.keyframe.imagewidth * series.keyframe.imagelength)


def _axes(path: Path, series: tifffile.TiffPageSeries) -> tuple[str, tuple[int, ...]]:
    axes, sizes = series.get_axes(squeeze=True), series.get_shape(squeeze=True)
    # A picture one pixel wide or high has been squeezed away.
    if "Y" not in axes or "X" not in axes:
        axes, sizes = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
        kept = [k for k, axis in enumerate(axes) if axis in "YX" or sizes[k] > 1]
        axes, sizes = "".join(axes[k] for k in kept), tuple(sizes[k] for k in kept)
    place = axes.rstrip("S")
    if not (place.endswith("YX") or axes.endswith("SYX")):
        raise DeviceError(f"{path} has axes '{axes}': pictures must be its last two axes")
    return axes, tuple(sizes)


def _format(
    path: Path, series: tifffile.TiffPageSeries, axes: str, sizes: tuple[int, ...]
) -> _Format:
    page = series.keyframe
    planes = 3 if "S" in axes else 2
    shape = sizes[len(sizes) - planes :]
    check_size(str(path), page.imagewidth, page.imagelength)
    colour_map = page.colormap if page.photometric == _PHOTOMETRIC.PALETTE else None
    _check_colours(path, page)
    if page.dtype is None or page.dtype.kind not in "buif":
        raise DeviceError(f"{path} has pixels of type {page.dtype}: make it 8 or 16 bit")
    if math.prod(shape) * page.dtype.itemsize > MAX_BYTES:
        raise DeviceError(f"{path} has slices of more than {MAX_BYTES >> 30} GB")
    bits = page.bitspersample if isinstance(page.bitspersample, int) else page.bitspersample[0]
    orientation = page.tags.valueof(_ORIENTATION, 1)
    return _Format(
        shape,
        axes[len(sizes) - planes :],
        int(page.photometric),
        tuple(map(int, page.extrasamples)),
        bits,
        int(orientation) if orientation in range(1, 9) else 1,
        colour_map,
        page.iccprofile or b"",
    )


def _check_colours(path: Path, page: tifffile.TiffPage) -> None:
    """Refuse colours that cannot be converted to RGB or grey."""
    photometric = page.photometric
    # A JPEG within a TIFF is decoded to RGB.
    readable = photometric in _READABLE or (
        photometric == _PHOTOMETRIC.YCBCR and page.compression in (6, 7)
    )
    inks = photometric == _PHOTOMETRIC.SEPARATED
    if inks:
        readable = page.tags.valueof(_INK_SET, _CMYK) == _CMYK and page.compression not in (6, 7)
    if inks or photometric in _LAB:
        readable = readable and page.dtype in (np.uint8, np.uint16)
    if not readable:
        name = getattr(photometric, "name", photometric)
        raise DeviceError(
            f"{path} has {name} colours of type {page.dtype}: save it as RGB or grey, for instance "
            f"with 'magick {path.name} -colorspace sRGB rgb.tif'"
        )


def _plane(
    path: Path, series: tifffile.TiffPageSeries, format_: _Format, number: int, index: int
) -> TiffPlane:
    """The plane of an index within a series, which is of a number in the file."""
    name = f"{path}, page {number + 1}"
    if series.dataoffset is not None:
        dtype = np.dtype(series.dtype).newbyteorder(series.keyframe.parent.byteorder)
        offset = series.dataoffset + index * math.prod(format_.shape) * dtype.itemsize
        return TiffPlane(path, name, None, offset, dtype.str, format_)
    page = series.pages[index] if index < len(series.pages) else None
    if page is None:
        raise DeviceError(f"{name} is missing in the file")
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


def _check_directories(path: Path, file: tifffile.TiffFile) -> None:
    """Refuse a file whose last page points to one beyond its end: pages are missing."""
    count = len(file.pages)
    place = file.pages.next_page_offset
    if place is None:
        return
    file.filehandle.seek(place)
    pointer = file.filehandle.read(file.tiff.offsetsize)
    if len(pointer) < file.tiff.offsetsize or (
        struct.unpack(file.tiff.offsetformat, pointer)[0] >= file.filehandle.size
    ):
        raise DeviceError(f"{path} is cut off: it ends after {count} of its pages")


def _check_complete(name: str, page: tifffile.TiffPage) -> None:
    """Refuse a file that was cut off: what is missing would be read as zeros or garbage."""
    size = page.parent.filehandle.size
    segments = zip(page.dataoffsets, page.databytecounts, strict=False)
    if any(offset + count > size for offset, count in segments):
        raise DeviceError(f"{name} is cut off: the file ends within it")


def _understood(name: str, values: NDArray[Any], format_: _Format) -> Samples:
    """Turn stored values into grey or RGB where larger is brighter."""
    if format_.axes == "SYX":
        values = np.moveaxis(values, 0, -1)
    values = oriented(values, format_.orientation)
    bits = format_.bits
    if values.dtype == np.bool_:
        values, bits = np.where(values, np.uint8(255), np.uint8(0)), 8
    if values.dtype.kind == "i":
        if values.min() < 0:
            raise DeviceError(f"{name} has signed pixels below zero: make it unsigned")
        # The sign takes one bit.
        bits -= 1
        values = values.astype(np.uint8) if values.dtype == np.int8 else values
    full_scale = float((1 << bits) - 1) if format_.bits not in (16, 32, 64) else None
    if values.dtype.kind == "f":
        full_scale = None
    if format_.colour_map is not None:
        # Entries have 16 bits; some programs use the lower eight only.
        shift = 8 if format_.colour_map.max() > 255 else 0
        table = np.ascontiguousarray((format_.colour_map >> shift).astype(np.uint8).T)
        values = table[values if values.ndim == 2 else values[..., 0]]
        return Samples(values, 255.0)
    samples = _channels(name, values, format_)
    inverted = format_.photometric == _PHOTOMETRIC.MINISWHITE
    return replace(samples, full_scale=full_scale, white_is_zero=inverted)


def _channels(name: str, values: NDArray[Any], format_: _Format) -> Samples:
    if values.ndim == 2:
        return Samples(values)
    extra = len(format_.extra_samples)
    colours = values.shape[2] - extra
    inks = format_.photometric == _PHOTOMETRIC.SEPARATED
    if colours not in ((4,) if inks else (1, 3)):
        raise DeviceError(f"{name} has {colours} channels in each pixel: make it grey or RGB")
    kept = np.ascontiguousarray(values[..., 0] if colours == 1 else values[..., :colours])
    if inks:
        deep = kept.dtype == np.uint16
        samples = rgb_of_cmyk((kept >> 8).astype(np.uint8) if deep else kept, format_.icc_profile)
        if deep:
            note = "CMYK colours of 16 bits are converted with 8 bits"
            samples = replace(samples, note="; ".join(filter(None, (note, samples.note))))
        return samples
    if format_.photometric in _LAB:
        return rgb_of_lab(kept, signed=format_.photometric == _PHOTOMETRIC.CIELAB)
    # Others are of unknown meaning, such as a saved selection.
    if extra and format_.extra_samples[0] in (_PREMULTIPLIED, _ALPHA):
        alpha = values[..., colours]
        if format_.extra_samples[0] == _PREMULTIPLIED:
            kept = without_premultiplication(kept, alpha)
        return with_alpha(name, kept, alpha)
    return Samples(kept)


def _described(file: tifffile.TiffFile) -> tuple[Sequence[str], StackFile]:
    """Names of the channels, and distances, as the metadata give them."""
    if file.is_ome and file.ome_metadata:
        return _ome(file.ome_metadata)
    if file.is_imagej and file.imagej_metadata:
        content = file.imagej_metadata
        unit = str(content.get("unit", ""))
        step = metres(content.get("spacing"), unit)
        return (), StackFile((), step, _imagej_pixel(file, unit))
    if file.is_micromanager:
        summary = (file.micromanager_metadata or {}).get("Summary", {})
        step = metres(summary.get("z-step_um"), "um")
        names = summary.get("ChNames") or ()
        return list(map(str, names)), StackFile((), step, metres(summary.get("PixelSize_um"), "um"))
    return (), StackFile(())


def _imagej_pixel(file: tifffile.TiffFile, unit: str) -> float | None:
    resolution = file.pages.first.tags.valueof("XResolution")
    if not isinstance(resolution, tuple) or 0 in resolution:
        return None
    return metres(resolution[1] / resolution[0], unit)


def _ome(text: str) -> tuple[Sequence[str], StackFile]:
    pixels = next(
        (part for part in ET.fromstring(text).iter() if part.tag.endswith("}Pixels")), None
    )
    if pixels is None:
        return (), StackFile(())
    names = [
        channel.get("Name") or channel.get("ID") or ""
        for channel in pixels
        if channel.tag.endswith("}Channel")
    ]
    step, size = (
        metres(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        for axis in "ZX"
    )
    bits = pixels.get("SignificantBits", "")
    known = int(bits) if bits.isdecimal() and 1 <= int(bits) <= 16 else None
    return names, StackFile((), step, size, known)
