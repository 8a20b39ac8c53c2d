"""Autofocus by Fibonacci search: the fewest looks that bracket a single peak."""

from collections.abc import Sequence

from aif_ros.autofocus.contrast_search import ContrastSearch
from aif_ros.autofocus.search import Look

_GOLDEN = 0.381966
"""Golden section, (3 - sqrt(5)) / 2."""


def narrow_down(looks: Sequence[Look], limits: tuple[float, float], enough: float) -> float | None:
    """Next position, metres, of a search for the highest score by golden section.

    Args:
        looks: at least one.
        limits: range of positions, metres.
        enough: distance, metres, between the best look and its neighbours at which it ends.

    Returns:
        The position, or None at the end.

    Example:
        >>> looks = [Look(0.0, 0.1), Look(0.4, 0.8), Look(1.0, 0.2)]
        >>> round(narrow_down(looks, limits=(0.0, 1.0), enough=0.1), 3)  # in the wider gap
        0.629
        >>> narrow_down(looks, limits=(0.0, 1.0), enough=0.7) is None
        True
    """
    best = max(looks, key=lambda look: look.score).position
    low = max([limits[0], *(look.position for look in looks if look.position < best)])
    high = min([limits[1], *(look.position for look in looks if look.position > best)])
    below, above = best - low, high - best
    if max(below, above) <= enough:
        return None
    return best + _GOLDEN * above if above > below else best - _GOLDEN * below


class FibonacciSearch(ContrastSearch):
    """Krotkov, "Focusing", IJCV 1 (1988), in its limit of many looks, the golden section.

    The limit has the same reduction per look, needs no fixed number of looks and can use the image
    at the start position.
    """

    def _prepare(self) -> None:
        """Nothing to prepare."""

    def _next(self) -> float | None:
        # The peak is nearer than the next look on either side; half of that is the likely error.
        enough = max(2.0 * self._depth_of_focus, 1.25 * self._lens_model.metres_per_step)
        return narrow_down(self.looks, self._limits, enough)
