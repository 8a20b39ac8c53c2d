"""What the samples of a TIFF mean: axes, colours, depth, alpha, orientation."""

import math
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

MAX_BYTES = 4 << 30
"""Largest slice that is read, bytes unpacked; `MAX_PIXELS` of 16-bit RGB need 3 GB."""
# Bytes of a slice for each byte of its file; Deflate and LZW reach 1,000 to 3,000 with one colour.
_MOST_PACKED = 10_000
# Characters of a name of colours in messages.
_LONGEST_NAME = 40

PHOTOMETRIC = tifffile.PHOTOMETRIC
_ORIENTATION, _INK_SET = 274, 332
# ExtraSamples: alpha by which the colours have been multiplied, and alpha by which they have not.
_PREMULTIPLIED, _ALPHA = 1, 2
# InkSet: cyan, magenta, yellow and black, and not others.
_CMYK = 1
_LAB = (PHOTOMETRIC.CIELAB, PHOTOMETRIC.ICCLAB)
_READABLE = (
    PHOTOMETRIC.MINISBLACK,
    PHOTOMETRIC.MINISWHITE,
    PHOTOMETRIC.RGB,
    PHOTOMETRIC.PALETTE,
    PHOTOMETRIC.SEPARATED,
    *_LAB,
)


@dataclass(frozen=True)
class TiffFormat:
    """How the samples of a page are to be understood.

    Attributes:
        shape: of the samples of one slice.
        axes: their names: Y and X, and S for the samples of a pixel.
        photometric: kind of colours, as in the TIFF.
        extra_samples: of each pixel beside its colours, as in the TIFF.
        bits: of each sample.
        orientation: 1 to 8, as in EXIF.
        colour_map: (3, N) of a palette; None: it has none.
        icc_profile: colour profile; empty: none.
    """

    shape: tuple[int, ...]
    axes: str
    photometric: int
    extra_samples: tuple[int, ...]
    bits: int
    orientation: int
    colour_map: NDArray[np.uint16] | None
    icc_profile: bytes

    @classmethod
    def of(
        cls, path: Path, series: tifffile.TiffPageSeries, axes: str, sizes: tuple[int, ...]
    ) -> "TiffFormat":
        """Read the format of the pages of a series.

        Args:
            path: the file, for messages.
            series: the pages.
            axes: see `axes_of`.
            sizes: along them.

        Raises:
            DeviceError: they cannot be converted to RGB or grey, or are too large.
        """
        page = series.keyframe
        planes = 3 if "S" in axes else 2
        shape = sizes[len(sizes) - planes :]
        check_size(str(path), page.imagewidth, page.imagelength)
        colour_map = page.colormap if page.photometric == PHOTOMETRIC.PALETTE else None
        _check_colours(path, page)
        if page.dtype is None or page.dtype.kind not in "buif":
            raise DeviceError(f"{path} has pixels of type {page.dtype}: make it 8 or 16 bit")
        unpacked = math.prod(shape) * page.dtype.itemsize
        if unpacked > MAX_BYTES:
            raise DeviceError(f"{path} has slices of more than {MAX_BYTES >> 30} GB")
        if unpacked > _MOST_PACKED * page.parent.filehandle.size:
            raise DeviceError(
                f"{path} is damaged: it holds too little for {page.imagewidth}x{page.imagelength} "
                "pixels"
            )
        bits = page.bitspersample if isinstance(page.bitspersample, int) else page.bitspersample[0]
        orientation = page.tags.valueof(_ORIENTATION, 1)
        return cls(
            shape,
            axes[len(sizes) - planes :],
            int(page.photometric),
            tuple(map(int, page.extrasamples)),
            bits,
            int(orientation) if orientation in range(1, 9) else 1,
            colour_map,
            page.iccprofile or b"",
        )

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, 3) of the images that `samples` returns."""
        height, width = (self.shape[self.axes.index(axis)] for axis in "YX")
        size = (width, height) if self.orientation >= 5 else (height, width)
        channels = self.shape[self.axes.index("S")] if "S" in self.axes else 1
        grey = channels - len(self.extra_samples) <= 1 and self.colour_map is None
        return size if grey else (*size, 3)

    def samples(self, name: str, values: NDArray[Any]) -> Samples:
        """Turn stored values into grey or RGB where larger is brighter.

        Args:
            name: of the slice, for messages.
            values: as stored, of the shape `shape`.

        Raises:
            DeviceError: they cannot be converted.
        """
        if self.axes == "SYX":
            values = np.moveaxis(values, 0, -1)
        values = oriented(values, self.orientation)
        bits = self.bits
        if values.dtype == np.bool_:
            values, bits = np.where(values, np.uint8(255), np.uint8(0)), 8
        if values.dtype.kind == "i":
            if values.min() < 0:
                raise DeviceError(f"{name} has signed pixels below zero: make it unsigned")
            # The sign takes one bit.
            bits -= 1
            values = values.astype(np.uint8) if values.dtype == np.int8 else values
        full_scale = float((1 << bits) - 1) if self.bits not in (16, 32, 64) else None
        if values.dtype.kind == "f":
            full_scale = None
        if self.colour_map is not None:
            # Entries have 16 bits; some programs use the lower eight only.
            shift = 8 if self.colour_map.max() > 255 else 0
            table = np.ascontiguousarray((self.colour_map >> shift).astype(np.uint8).T)
            values = table[values if values.ndim == 2 else values[..., 0]]
            return Samples(values, 255.0)
        samples = self._channels(name, values)
        inverted = self.photometric == PHOTOMETRIC.MINISWHITE
        return replace(samples, full_scale=samples.full_scale or full_scale, white_is_zero=inverted)

    def _channels(self, name: str, values: NDArray[Any]) -> Samples:
        if values.ndim == 2:
            return Samples(values)
        extra = len(self.extra_samples)
        colours = values.shape[2] - extra
        inks = self.photometric == PHOTOMETRIC.SEPARATED
        if colours not in ((4,) if inks else (1, 3)):
            raise DeviceError(f"{name} has {colours} channels in each pixel: make it grey or RGB")
        kept = np.ascontiguousarray(values[..., 0] if colours == 1 else values[..., :colours])
        if inks:
            sixteen_bit = kept.dtype == np.uint16
            samples = rgb_of_cmyk(
                (kept >> 8).astype(np.uint8) if sixteen_bit else kept, self.icc_profile
            )
            if sixteen_bit:
                note = "CMYK colours of 16 bits are converted with 8 bits"
                samples = replace(samples, note="; ".join(filter(None, (note, samples.note))))
            return samples
        if self.photometric in _LAB:
            return rgb_of_lab(kept, signed=self.photometric == PHOTOMETRIC.CIELAB)
        if extra and self.extra_samples[0] in (_PREMULTIPLIED, _ALPHA):
            alpha = values[..., colours]
            if self.extra_samples[0] == _PREMULTIPLIED:
                kept = without_premultiplication(kept, alpha)
            return with_alpha(name, kept, alpha)
        # Others may be a saved selection, or something else that a microscope has measured.
        note = f"channels that are no colours are left out: {extra}" if extra else ""
        return Samples(kept, note=note)


def axes_of(path: Path, series: tifffile.TiffPageSeries) -> tuple[str, tuple[int, ...]]:
    """Return the axes of a series and the sizes along them.

    Args:
        path: of the file, for the message.
        series: of the file.

    Raises:
        DeviceError: images are not its last two axes.
    """
    axes, sizes = series.get_axes(squeeze=True), series.get_shape(squeeze=True)
    # An image one pixel wide or high has been squeezed away.
    if "Y" not in axes or "X" not in axes:
        axes, sizes = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
        kept = [k for k, axis in enumerate(axes) if axis in "YX" or sizes[k] > 1]
        axes, sizes = "".join(axes[k] for k in kept), tuple(sizes[k] for k in kept)
    place = axes.rstrip("S")
    if not (place.endswith("YX") or axes.endswith("SYX")):
        raise DeviceError(f"{path} has axes '{axes}': images must be its last two axes")
    return axes, tuple(sizes)


def _check_colours(path: Path, page: tifffile.TiffPage) -> None:
    """Refuse colours that cannot be converted to RGB or grey."""
    photometric = page.photometric
    # A JPEG within a TIFF is decoded to RGB.
    readable = photometric in _READABLE or (
        photometric == PHOTOMETRIC.YCBCR and page.compression in (6, 7)
    )
    inks = photometric == PHOTOMETRIC.SEPARATED
    if inks:
        readable = page.tags.valueof(_INK_SET, _CMYK) == _CMYK and page.compression not in (6, 7)
    if inks or photometric in _LAB:
        readable = readable and page.dtype in (np.uint8, np.uint16)
    if not readable:
        # In a damaged file it may be a list of thousands of numbers.
        name = str(getattr(photometric, "name", photometric))[:_LONGEST_NAME]
        raise DeviceError(
            f"{path} has {name} colours of type {page.dtype}: save it as RGB or grey, for instance "
            f"with 'magick {path.name} -colorspace sRGB rgb.tif'"
        )
