"""What a motorised lens reports, in the unit of its device."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """What a device reports of its axis when it is connected, in its own unit.

    Attributes:
        low: lowest position; None: it has no lower limit of its own.
        high: highest position; None: it has no upper limit of its own.
        resolution: smallest step; targets are rounded to it. 0: none.
        tolerance: distance from the target that counts as having arrived.
    """

    low: float | None = None
    high: float | None = None
    resolution: float = 1.0
    tolerance: float = 0.5


@dataclass(frozen=True)
class Reading:
    """What a device reports at one time.

    Attributes:
        position: in the unit of the device.
        moving: whether the device says that it moves.
    """

    position: float
    moving: bool
