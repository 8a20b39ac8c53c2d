"""Checks that numbers entered by users have the expected units."""

from collections.abc import Iterable

LARGEST_POSITION = 0.5
"""Largest lens position that is accepted, metres. Focus motors travel millimetres and the longest
macro rails 0.4 m; a number of steps, micrometres or millimetres is mostly larger."""


_PRINTED = 1e-5
"""Share of the larger limit by which a position may lie outside the limits: these are printed with
six digits, and 400 times 4e-6 is not 0.0016 in floating point."""


class UnitError(ValueError):
    """A number that cannot be in the unit it is meant to be in; the message says so."""


def position_within(position: float, limits: tuple[float, float]) -> float | None:
    """Return a position, on the limit if it lies outside by no more than what rounding does.

    Args:
        position: any unit.
        limits: lowest and highest position, same unit.

    Returns:
        The position; None: it lies outside the limits, or is not a number.

    Example:
        >>> limits = 0.0, 400 * 4e-6
        >>> limits[1] < 0.0016, position_within(0.0016, limits) == limits[1]
        (True, True)
        >>> position_within(0.0017, limits) is None
        True
    """
    low, high = limits
    rounding = _PRINTED * max(abs(low), abs(high))
    if not low - rounding <= position <= high + rounding:  # NaN fails as well
        return None
    return min(max(position, low), high)


def check_metres(name: str, positions: Iterable[float]) -> None:
    """Refuse lens positions or distances that cannot be metres.

    Args:
        name: what they are, for the message.
        positions: the numbers.

    Raises:
        UnitError: one is beyond `LARGEST_POSITION`.

    Example:
        >>> check_metres("limits", [0.0, 1500.0])
        Traceback (most recent call last):
        aif_ros.types.units.UnitError: limits: 1500 m is no position of a focus motor; ...
    """
    largest = max(positions, key=abs, default=0.0)
    if abs(largest) > LARGEST_POSITION:
        raise UnitError(
            f"{name}: {largest:g} m is no position of a focus motor; give metres (1 um is 1e-6), "
            "not steps or micrometres"
        )
