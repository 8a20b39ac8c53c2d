"""Autofocus by Fibonacci search: the fewest images that bracket a single peak."""

from collections.abc import Sequence

from aif_ros.autofocus.contrast_search import ContrastSearch
from aif_ros.autofocus.search import FocusMeasurement

_GOLDEN = 0.381966
"""Golden section, (3 - sqrt(5)) / 2."""


def end_distance(half_depth_of_focus: float, metres_per_step: float) -> float:
    """Distance, metres, between the sharpest image and its neighbours at which a search ends.

    The peak is nearer than the neighbours; half the distance is the likely error. A motor cannot
    divide a single step.

    Args:
        half_depth_of_focus: metres.
        metres_per_step: of the motor.
    """
    return max(2.0 * half_depth_of_focus, 1.25 * metres_per_step)


def narrow_down(
    measurements: Sequence[FocusMeasurement], limits: tuple[float, float], enough: float
) -> float | None:
    """Next position, metres, of a search for the highest score by golden section.

    Args:
        measurements: at least one.
        limits: range of positions, metres.
        enough: distance, metres, at which it ends; see `end_distance`.

    Returns:
        The position, or None at the end.

    Example:
        >>> curve = ((0.0, 0.1), (0.4, 0.8), (1.0, 0.2))
        >>> measurements = [FocusMeasurement(*point) for point in curve]
        >>> round(narrow_down(measurements, limits=(0.0, 1.0), enough=0.1), 3)  # in the wider gap
        0.629
        >>> narrow_down(measurements, limits=(0.0, 1.0), enough=0.7) is None
        True
    """
    best = max(measurements, key=lambda each: each.score).position
    low = max([limits[0], *(each.position for each in measurements if each.position < best)])
    high = min([limits[1], *(each.position for each in measurements if each.position > best)])
    below, above = best - low, high - best
    if max(below, above) <= enough:
        return None
    return best + _GOLDEN * above if above > below else best - _GOLDEN * below


class FibonacciSearch(ContrastSearch):
    """Krotkov, "Focusing", IJCV 1 (1988), in its limit of many images, the golden section.

    The limit has the same reduction per image, needs no fixed number of images and can use the
    image at the start position.
    """

    def _prepare(self, position: float) -> None:
        """Nothing to prepare."""

    def _next(self) -> float | None:
        enough = end_distance(self._half_depth_of_focus, self._lens_model.metres_per_step)
        return narrow_down(self.images, self._limits, enough)
