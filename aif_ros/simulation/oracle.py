"""The best any focus control could do, from the truth: for scoring only."""

import numpy as np
from numpy.typing import NDArray


def oracle_positions(
    focus_position: NDArray[np.floating],
    half_depth_of_focus: float,
    *,
    start: float | None = None,
    missed: float = 0.01,
) -> list[float]:
    """Return the fewest lens positions that bring everything into focus, ascending.

    Greedy interval cover, which is optimal: the lowest focus position not yet covered lies at the
    lower end of the next depth of field.

    Args:
        focus_position: true focus position of each pixel, metres, any shape.
        half_depth_of_focus: of the lens, metres.
        start: a position captured in any case; what it covers needs no other capture, and it is
            not among those returned.
        missed: share of the pixels, half of it at either end, that may stay out of focus: the
            agents are not asked to be more thorough.

    Raises:
        ValueError: there is no finite focus position.
    """
    occupied = np.sort(focus_position[np.isfinite(focus_position)], axis=None).astype(np.float64)
    if occupied.size == 0:
        raise ValueError("the truth holds no finite focus position")
    cut = int(occupied.size * missed / 2)
    occupied = occupied[cut : occupied.size - cut]
    if start is not None:
        occupied = occupied[np.abs(occupied - start) > half_depth_of_focus]
    positions = []
    while occupied.size:
        positions.append(float(occupied[0]) + half_depth_of_focus)
        # A hair more than the depth of field: rounding must not leave one behind.
        occupied = occupied[occupied > positions[-1] + half_depth_of_focus * (1 + 1e-9)]
    return positions
