"""Autofocus by Fibonacci search: the fewest looks that narrow down a single peak."""

from aif_ros.autofocus.contrast_search import ContrastSearch

_GOLDEN = 0.381966


class FibonacciSearch(ContrastSearch):
    """Krotkov, "Focusing", IJCV 1 (1988), in its limit of many looks, the golden section.

    The limit has the same reduction per look, needs no number of looks beforehand and can use the
    picture at the start, wherever the lens stands.
    """

    def _prepare(self) -> None:
        self._bracket = self._limits

    def _next(self) -> float | None:
        best = self.best.position
        low, high = self._bracket
        for look in self.looks:
            if look.position < best:
                low = max(low, look.position)
            elif look.position > best:
                high = min(high, look.position)
        self._bracket = low, high
        below, above = best - low, high - best
        # The peak is nearer than the next look on either side; half of that is the likely error.
        enough = max(2.0 * self._depth_of_field, 1.25 * self._lens_model.metres_per_step)
        if max(below, above) <= enough:
            return None
        return best + _GOLDEN * above if above > below else best - _GOLDEN * below
