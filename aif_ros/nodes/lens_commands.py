"""Which lens commands are refused."""

import math
from collections.abc import Sequence

from aif_ros.types.units import position_within


def objection(
    command: Sequence[float], age: float, timeout: float, limits: tuple[float, float]
) -> str | None:
    """Return why a lens command is refused; None: it is not.

    Args:
        command: data of the message.
        age: of the message, seconds.
        timeout: age from which a command is too old, seconds.
        limits: of the lens, metres.

    Example:
        >>> objection([0.5e-3], age=0.01, timeout=1.0, limits=(0.0, 1e-3)) is None
        True
        >>> objection([2e-3], age=0.01, timeout=1.0, limits=(0.0, 1e-3))
        '0.002 m is outside the limits 0 to 0.001 m'
    """
    if age > timeout:
        return f"it is stale, {age:.3g} s old"
    if len(command) != 1:
        return f"it must hold one position, not {len(command)} numbers"
    position = command[0]
    if not math.isfinite(position):
        return f"{position} is not a position"
    if position_within(position, limits) is None:
        low, high = limits
        return f"{position:g} m is outside the limits {low:g} to {high:g} m"
    return None
