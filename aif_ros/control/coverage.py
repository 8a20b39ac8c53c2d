"""Which lens positions have been captured, and what lies between them."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


class Coverage:
    """The lens positions captured so far, metres."""

    def __init__(self) -> None:
        self.positions: list[float] = []

    def add(self, position: float) -> None:
        """Take in one captured position."""
        self.positions.append(position)

    def distance(self, positions: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return for each of `positions` how far the nearest capture is; inf before the first."""
        positions = np.asarray(positions, dtype=np.float64)
        if not self.positions:
            return np.full(positions.shape, np.inf)
        captured = np.asarray(self.positions)
        return np.abs(positions[..., None] - captured).min(axis=-1)

    def span(self) -> float:
        """Distance between the outermost captures, metres."""
        return max(self.positions, default=0.0) - min(self.positions, default=0.0)

    def farthest(self, limits: tuple[float, float]) -> float:
        """Return the position within `limits` that is farthest from all captures."""
        ordered = sorted(self.positions)
        middles = [(first + second) / 2 for first, second in pairwise(ordered)]
        candidates = np.array([*limits, *middles])
        return float(candidates[np.argmax(self.distance(candidates))])
