"""The slices of a stack as images of one scale, read when they are asked for."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import raster, raw, tiff
from aif_ros.devices.image_files.damaged import DamagedFileError
from aif_ros.devices.image_files.folder import log_once
from aif_ros.devices.image_files.samples import MaskedImage, Samples, for_opencv, without_nan
from aif_ros.devices.image_files.stack_axes import FilePlane
from aif_ros.types.image import LARGEST_OVERSHOOT, full_scale, full_scale_of_bits

# A 16-bit sample above this needs more than 14 bits: nothing is left to recognise.
_SIXTEEN_BITS = 65535.0
# Values looked at, of all, in most images: they have more than two levels.
_SOME = 4096
# Floating-point values below this share of 1 in all slices are of another unit: as images they
# would be all but black, which for [0, 1] is a third of the deepest shadow that displays show.
_DARK = 1 / 64


@dataclass(frozen=True)
class SingleFile:
    """The only slice of a file that has no pages.

    Attributes:
        path: of the file.
    """

    path: Path

    @property
    def name(self) -> str:
        """Path of the file."""
        return str(self.path)

    def check(self) -> None:
        """See `FilePlane.check`."""
        if self.path.suffix.lower() in raster.SUFFIXES:
            raster.check_raster(self.path)

    def read(self, *, mono: bool = False, reduction: int = 1) -> Samples:
        """Read it; see `Slices.read`."""
        if self.path.suffix.lower() in raster.SUFFIXES:
            return raster.read_raster(self.path, mono=mono, reduction=reduction)
        return raw.read_raw(self.path).reduced(reduction)


class Slices:
    """Slices of a stack in their order; each is read when it is asked for.

    Args:
        planes: the slices.
        paths: the file of each.
        z_step: distance of neighbouring slices, metres; None: unknown.
        pixel_size: side of a pixel on the specimen, metres; None: unknown.
        bits: in use of each sample; None: recognised by the largest sample of the stack.
        notes: what has been left out or assumed, a line each.
    """

    def __init__(
        self,
        planes: Sequence[FilePlane],
        paths: Sequence[Path],
        *,
        z_step: float | None = None,
        pixel_size: float | None = None,
        bits: int | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self._planes = planes
        self.paths = paths
        self.z_step = z_step
        self.pixel_size = pixel_size
        self.notes = list(notes)
        self._full_scale = None if bits is None else full_scale_of_bits(bits)
        self._stated_bits = bits
        self._shape: tuple[int, ...] | None = None
        self._shape_of = ""
        self._sixteen_bit = False
        self._noted: set[str] = set()
        self._lock = RLock()

    def __len__(self) -> int:
        return len(self._planes)

    def without(self, indices: Collection[int]) -> "Slices":
        """Return the other slices of the stack."""
        kept = [index for index in range(len(self)) if index not in indices]
        others = copy(self)
        others._planes = [self._planes[index] for index in kept]
        others.paths = [self.paths[index] for index in kept]
        return others

    def damaged(self, *, decode: bool) -> dict[int, DamagedFileError]:
        """Find the slices that are damaged, and what is wrong with each.

        Args:
            decode: whether to read each slice, which takes time but finds all.
        """
        found = {}
        for index, plane in enumerate(self._planes):
            try:
                plane.check()
                if decode:
                    self.samples(index, mono=True)
            except DamagedFileError as error:
                found[index] = error
        return found

    def without_damaged(self) -> tuple["Slices", dict[str, str]]:
        """Read all slices; return those that can be read, and by name what is wrong with others.

        Raises:
            DamagedFileError: fewer than two can be read.
        """
        damaged = self.damaged(decode=True)
        if len(self) - len(damaged) < 2:
            raise next(iter(damaged.values()))
        reasons = {self.name(index): error.reason for index, error in damaged.items()}
        return self.without(damaged), reasons

    def name(self, index: int) -> str:
        """File, and page if it has several, of a slice."""
        return self._planes[index].name

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, 3) of each slice.

        Raises:
            DeviceError: no slice can be read.
        """
        for index in range(len(self)):
            if self._shape is not None:
                break
            try:
                self.read(index)
            except DamagedFileError:
                if index + 1 == len(self):
                    raise
        assert self._shape is not None
        return self._shape

    @property
    def sixteen_bit(self) -> bool:
        """Whether the first slice that can be read has 16 bits."""
        return self.shape is not None and self._sixteen_bit

    def read(self, index: int, *, mono: bool = False, reduction: int = 1) -> MaskedImage:
        """Read a slice.

        Args:
            index: counted from 0.
            mono: whether luma is enough, which is read faster from a JPEG.
            reduction: 1, 2 or 4: the slice is made smaller by it.

        Raises:
            DeviceError: it cannot be read, or its shape differs from the first one's.
        """
        samples = self.samples(index, mono=mono, reduction=reduction)
        if samples.values.dtype == np.uint8 and samples.full_scale is None:
            image = samples.image(255.0)
        else:
            image = samples.image(samples.full_scale or self._recognised(samples))
        if not mono and reduction == 1:
            self._check_shape(index, image.pixels)
        return image

    def samples(self, index: int, *, mono: bool = False, reduction: int = 1) -> Samples:
        """Read a slice as it is stored; see `read`."""
        plane = self._planes[index]
        if isinstance(plane, SingleFile):
            samples = plane.read(mono=mono, reduction=reduction)
        else:
            samples = plane.read()
        samples = without_nan(plane.name, samples)
        values = samples.values
        self._note_range(samples)
        if samples.note:
            self._note(samples.note)
        if mono and values.ndim == 3:
            values = cv2.cvtColor(for_opencv(values), cv2.COLOR_RGB2GRAY)
        samples = replace(samples, values=values)
        # A single file reduces what it reads: a JPEG is then decoded in less time.
        return samples if isinstance(plane, SingleFile) else samples.reduced(reduction)

    def check_alike(self) -> None:
        """Check that all slices have one size and are all grey or all in colour.

        By the headers of the files, as far as they say it: nothing is decoded.

        Raises:
            DeviceError: they differ; the message names the first that does.
        """
        shapes: dict[int, tuple[int, ...]] = {}
        for index, plane in enumerate(self._planes):
            shape: tuple[int, ...] | None = None
            if isinstance(plane, tiff.TiffPlane):
                shape = plane.format.image_shape
            elif isinstance(plane, SingleFile) and plane.path.suffix.lower() in raster.SUFFIXES:
                # What is damaged is an error of the slice that is read.
                with suppress(DeviceError):
                    shape = raster.stated_shape(plane.path)
            if shape is not None:
                shapes[index] = shape
        first = next(iter(shapes), 0)
        for index, shape in shapes.items():
            if shape != shapes[first]:
                raise _unlike(self.name(first), shapes[first], self.name(index), shape)

    def _check_shape(self, index: int, pixels: NDArray[Any]) -> None:
        shape = pixels.shape
        with self._lock:
            if self._shape is None:
                self._shape, self._shape_of = shape, self.name(index)
                self._sixteen_bit = pixels.dtype == np.uint16
        if shape != self._shape:
            raise _unlike(self._shape_of, self._shape, self.name(index), shape)

    def _recognised(self, samples: Samples) -> float:
        """Full scale of the stack, by the largest sample in it."""
        with self._lock:
            if self._full_scale is None:
                scale, largest = full_scale(samples.values), float(samples.values.max())
                for index in range(len(self)):
                    if scale >= _SIXTEEN_BITS and samples.values.dtype == np.uint16:
                        break
                    try:
                        other = self.samples(index)
                    except DamagedFileError:
                        continue
                    if other.full_scale is None and other.values.dtype != np.uint8:
                        scale = full_scale(other.values, scale)
                        largest = max(largest, float(other.values.max()))
                if 0 < largest < _DARK * scale and samples.values.dtype.kind == "f":
                    scale = largest
                self._full_scale = scale
                self._note_scale(samples, scale)
            return self._full_scale

    def _note_range(self, samples: Samples) -> None:
        """Note values that are clipped, or too few to separate sharp from blurred."""
        values = samples.values
        if _has_two_levels(values):
            self._note("pixels of two levels only (1 bit): how sharp they are cannot be judged")
        if values.dtype.kind == "f":
            if values.min() < 0:
                self._note("values below 0 are clipped")
            if 1 < values.max() <= LARGEST_OVERSHOOT:
                self._note("values above 1 are clipped")
        elif values.dtype == np.uint8:
            if self._stated_bits is not None and self._stated_bits > 8:
                self._note(f"samples of 8 bits have no {self._stated_bits} bits in use")
            elif self._stated_bits is not None and self._stated_bits < 8:
                self._note(f"all 8 bits of 8-bit samples are used, not {self._stated_bits}")
        elif self._stated_bits is not None and samples.full_scale is None:
            largest = int(values.max())
            if largest > full_scale_of_bits(self._stated_bits):
                self._note(
                    f"samples above those of {self._stated_bits} bits are clipped to white: there "
                    f"are some of {largest.bit_length()} bits"
                )

    def _note(self, text: str) -> None:
        with self._lock:
            if text in self._noted:
                return
            self._noted.add(text)
        name = self.paths[0].parent if len(set(self.paths)) > 1 else self.paths[0]
        self.notes.append(f"{name}: {text}")
        log_once(self.notes[-1])

    def _note_scale(self, samples: Samples, scale: float) -> None:
        dtype = samples.values.dtype
        if dtype == np.uint16 and scale >= _SIXTEEN_BITS:
            return
        if dtype.kind == "f" and scale == 1.0:
            return
        end = "black" if samples.white_is_zero else "white"
        self._note(f"no sample is above {scale:g}, which is taken for {end}")


def _unlike(
    first: str, expected: tuple[int, ...], other: str, shape: tuple[int, ...]
) -> DeviceError:
    return DeviceError(
        f"{first} is {described(expected)}, {other} is {described(shape)}: all slices of a stack "
        "must be alike"
    )


def described(shape: tuple[int, ...]) -> str:
    """Return size and kind of an image of a shape (H, W) or (H, W, 3), for people."""
    return f"{shape[1]}x{shape[0]} in {'colour' if len(shape) == 3 else 'grey'}"


def _has_two_levels(values: NDArray[Any]) -> bool:
    """Whether there are two different values in all, such as black and white."""
    some = np.unique(values.ravel()[:: max(1, values.size // _SOME)])
    if len(some) > 2:
        return False
    low, high = values.min(), values.max()
    return bool(low < high and ((values == low) | (values == high)).all())
