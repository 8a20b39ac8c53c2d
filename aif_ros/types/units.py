"""Checks that numbers entered by users have the expected units."""

from collections.abc import Iterable

LARGEST_POSITION = 0.5
"""Largest lens position that is accepted, metres. Focus motors travel millimetres and the longest
macro rails 0.4 m; a number of steps, micrometres or millimetres is mostly larger."""


class UnitError(ValueError):
    """A number that cannot be in the unit it is meant to be in; the message says so."""


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
