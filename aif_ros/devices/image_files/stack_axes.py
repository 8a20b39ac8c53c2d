"""The axes of a file with many planes: which is focus, and which must be chosen."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.samples import Samples

_UNITS = {
    "nm": 1e-9,
    "nanometer": 1e-9,
    "um": 1e-6,
    "µm": 1e-6,
    "μm": 1e-6,
    "\\u00b5m": 1e-6,
    "micron": 1e-6,
    "microns": 1e-6,
    "micrometer": 1e-6,
    "micrometre": 1e-6,
    "mm": 1e-3,
    "millimeter": 1e-3,
    "cm": 1e-2,
    "m": 1.0,
    "meter": 1.0,
    "inch": 0.0254,
    "å": 1e-10,
}
"""Metres per unit, by the names that OME, ImageJ and Micro-Manager write."""

_LISTED = 12
"""Channels or series of a file that are listed."""
_MANY = {"channel": "channels", "series": "series, such as positions on the specimen"}

# Axes by the letters of tifffile and OME; Z is depth, I and Q a sequence of unknown meaning.
_FOCUS = "ZIQ"


class AmbiguousError(DeviceError):
    """A file with several channels, time points or series, of which one must be chosen.

    Args:
        key: of the choice to make: `channel`, `time` or `series`.
        message: for people; lists them.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class FilePlane(Protocol):
    """One slice in a file."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    def check(self) -> None:
        """Check, as far as it can be seen without decoding, whether the file is damaged.

        Raises:
            DamagedFileError: it is.
        """
        ...

    def read(self) -> Samples:
        """Read the pixels.

        Raises:
            DeviceError: they cannot be read.
        """
        ...


@dataclass(frozen=True)
class StackFile:
    """What a file with many planes holds.

    Attributes:
        slices: in the order of the file.
        z_step: distance of neighbouring slices, metres; None: unknown.
        pixel_size: side of a pixel on the specimen, metres; None: unknown.
        bits: in use of each sample; None: unknown.
        notes: what has been left out or assumed, a line each.
    """

    slices: Sequence[FilePlane]
    z_step: float | None = None
    pixel_size: float | None = None
    bits: int | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Selection:
    """What to take of a file with several channels, time points or series.

    Attributes:
        channel: its number from 0, or its name; None: there must be one only.
        time: number from 0; None: there must be one only.
        series: a stack for each position on the specimen (OME: image; bioio: scene): its number
            from 0, or its name; None: there must be one only.
        channel_name: how the channel has been chosen, for messages.
        time_name: the same of the time point.
        series_name: the same of the series.
    """

    channel: str | None = None
    time: int | None = None
    series: str | None = None
    channel_name: str = "--channel"
    time_name: str = "--time"
    series_name: str = "--series"


@dataclass(frozen=True)
class Chosen:
    """Which planes are the slices.

    Attributes:
        focus: the axis of the slices; empty: there is one slice.
        fixed: index along each other axis.
        count: number of slices.
        notes: what has been assumed.
    """

    focus: str
    fixed: Mapping[str, int]
    count: int
    notes: Sequence[str] = ()

    def flat(self, sizes: Mapping[str, int]) -> list[int]:
        """Indices of the slices among all planes, in C order of `sizes`."""
        shape = tuple(sizes.values())
        found = []
        for index in range(self.count):
            place = [index if axis == self.focus else self.fixed[axis] for axis in sizes]
            found.append(int(np.ravel_multi_index(place, shape)) if shape else 0)
        return found


def select(
    name: str, sizes: Mapping[str, int], channels: Sequence[str], selection: Selection
) -> Chosen:
    """Find the slices of a file.

    Args:
        name: of the file, for messages.
        sizes: length of each axis but those of an image (Z, C, T, ...).
        channels: their names, if known.
        selection: what the user has chosen.

    Raises:
        DeviceError: there are several channels or time points and none is chosen, or one that is
            not there; the message lists them.
    """
    long = [axis for axis in sizes if sizes[axis] > 1]
    focus = next((axis for axis in _FOCUS if axis in long), "")
    notes: list[str] = []
    if not focus and long == ["T"] and selection.time is None:
        focus = "T"
        notes.append(f"{name}: its {sizes['T']} time points are taken as slices")
    fixed = dict.fromkeys(sizes, 0)
    for axis in long:
        if axis == "C":
            fixed[axis] = _channel(name, sizes[axis], channels, selection)
        elif axis == "T" and axis != focus:
            fixed[axis] = _time(name, sizes[axis], selection)
        elif axis != focus:
            raise DeviceError(f"{name} has {sizes[axis]} planes along axis {axis}: split it")
    if "C" not in long and selection.channel is not None:
        _channel(name, 1, channels, selection)
    if "T" not in long and selection.time is not None:
        _time(name, 1, selection)
    return Chosen(focus, fixed, sizes[focus] if focus else 1, notes)


def _channel(name: str, count: int, names: Sequence[str], selection: Selection) -> int:
    return _named(name, "channel", (selection.channel, selection.channel_name), count, names)


def select_series(name: str, names: Sequence[str], selection: Selection) -> int:
    """Return the number of the series to take.

    Args:
        name: of the file, for messages.
        names: of its series, at least one.
        selection: what the user has chosen.

    Raises:
        DeviceError: there are several series and none is chosen, or one that is not there; the
            message lists them.
    """
    if len(names) == 1 and selection.series is None:
        return 0
    chosen = selection.series, selection.series_name
    return _named(name, "series", chosen, len(names), names)


def _named(
    name: str, key: str, choice: tuple[str | None, str], count: int, names: Sequence[str]
) -> int:
    """Number of what has been chosen by its number or name.

    Args:
        name: of the file.
        key: of the choice.
        choice: what has been chosen, and how.
        count: of what there is.
        names: of it, as far as known.
    """
    chosen, option = choice
    listed = ", ".join(
        f"{index} ({names[index]})" if index < len(names) and names[index] else str(index)
        for index in range(min(count, _LISTED))
    ) + (", ..." if count > _LISTED else "")
    if chosen is None:
        raise AmbiguousError(key, f"{name} has {count} {_MANY[key]}, choose one: {listed}")
    if chosen in names[:count]:
        return names.index(chosen)
    if chosen.isdecimal() and int(chosen) < count:
        return int(chosen)
    raise DeviceError(f"{name} has no {key} '{chosen}' ({option}), choose one: {listed}")


def _time(name: str, count: int, selection: Selection) -> int:
    chosen = selection.time
    listed = f"0 to {count - 1}" if count > 1 else "0"
    if chosen is None:
        raise AmbiguousError("time", f"{name} has {count} time points, choose one: {listed}")
    if not 0 <= chosen < count:
        raise DeviceError(
            f"{name} has no time point {chosen} ({selection.time_name}), choose one: {listed}"
        )
    return chosen


def metres(value: object, unit: str) -> float | None:
    """A distance in metres; None where value or unit is missing, unknown or not positive."""
    factor = _UNITS.get(unit.strip().lower())
    try:
        distance = abs(float(value)) * factor  # type: ignore[arg-type, operator]
    except (TypeError, ValueError):
        return None
    return distance if math.isfinite(distance) and distance > 0 else None
