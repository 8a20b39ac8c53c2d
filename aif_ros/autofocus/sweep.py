"""Autofocus by an exhaustive sweep."""

import numpy as np

from aif_ros.autofocus.contrast_search import ContrastSearch


class SweepSearch(ContrastSearch):
    """Takes images over the whole range, a depth of focus (at least a motor step) apart."""

    def _prepare(self, position: float) -> None:
        low, high = self._limits
        pitch = max(2 * self._half_depth_of_focus, self._lens_model.metres_per_step)
        # The middles of equal parts: started at the limits, every image would lie between two
        # slices of a recorded stack.
        count = max(1, int(np.ceil((high - low) / pitch - 1e-6)))
        positions = low + (np.arange(count) + 0.5) * ((high - low) / count)
        if self._one_side.side < 0:
            positions = positions[::-1]
        self._left = [float(position) for position in positions]

    def _next(self) -> float | None:
        return self._left.pop(0) if self._left else None
