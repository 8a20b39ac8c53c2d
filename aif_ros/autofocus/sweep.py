"""Autofocus by looking everywhere."""

import numpy as np

from aif_ros.autofocus.contrast_search import ContrastSearch


class SweepSearch(ContrastSearch):
    """Looks a depth of field apart, or at every step, from the nearer limit to the other."""

    def _prepare(self) -> None:
        low, high = self._limits
        pitch = max(2 * self._depth_of_focus, self._lens_model.metres_per_step)
        count = int(np.ceil((high - low) / pitch)) + 1
        positions = np.linspace(low, high, count)
        if self._start > (low + high) / 2:
            positions = positions[::-1]
        self._left = [float(position) for position in positions]

    def _next(self) -> float | None:
        return self._left.pop(0) if self._left else None
