"""Autofocus by hill climbing: large steps first; past the peak, turn round with smaller steps."""

from collections.abc import Sequence

from aif_ros.autofocus.contrast_search import ContrastSearch
from aif_ros.optics.lens_model import LensModel


class RuleBasedSearch(ContrastSearch):
    """Kehtarnavaz & Oh, "Development and real-time implementation of a rule-based auto-focus
    algorithm", Real-Time Imaging 9 (2003).

    Args:
        lens_model: of the lens in use.
        steps: coarse, medium and fine step, in half depths of field. The default is the best of
            those tried on a lens of +-11 steps depth of field: 200, 60 and 18 motor steps.
    """

    def __init__(
        self, lens_model: LensModel, steps: Sequence[float] = (200 / 11, 60 / 11, 18 / 11)
    ) -> None:
        super().__init__(lens_model)
        self._steps = steps

    def _prepare(self, position: float) -> None:
        low, high = self._limits
        # Towards the farther limit: the larger part of the range.
        self._direction = 1 if position < (low + high) / 2 else -1

    def _next(self) -> float | None:
        best = self.best.position
        for length in self._steps:
            step = max(length * self._half_depth_of_focus, self._lens_model.metres_per_step)
            for direction in (self._direction, -self._direction):
                if not self._worse_beyond(best, direction * step):
                    self._direction = direction
                    return min(max(best + direction * step, self._limits[0]), self._limits[1])
            # Worse on both sides: the peak is less than a step away.
        return None

    def _worse_beyond(self, best: float, step: float) -> bool:
        """Whether there is an image up to about `best` + `step`, or that is beyond the limit.

        A motor rests at whole steps: it may have stopped slightly beyond.
        """
        limit = self._limits[1] if step > 0 else self._limits[0]
        reached = max(0.2 * self._half_depth_of_focus, self._lens_model.arrival_tolerance)
        if abs(limit - best) < reached:
            return True
        return any(0 < (each.position - best) / step <= 1.2 for each in self.images)
