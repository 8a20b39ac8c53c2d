"""The conventional focal sweep: the whole travel, a depth of field at a time."""

import math

import numpy as np

from aif_ros.control.agent import Action, Observation
from aif_ros.optics.lens_model import LensModel


class SweepAgent:
    """Captures the whole travel at equal distances of twice the depth of field, nearer end first.

    Twice the (half) depth of field is the widest spacing at which no object lies out of focus in
    every frame.

    Args:
        lens_model: of the lens in use.
    """

    def __init__(self, lens_model: LensModel) -> None:
        self._lens_model = lens_model
        self.reset()

    def reset(self) -> None:
        """Begin a new sweep with the next observation."""
        self._ahead: list[float] | None = None

    def act(self, observation: Observation) -> Action:
        """Move to the next position; stop after the last."""
        if self._ahead is None:
            width = observation.frame.image_size[0]
            self._ahead = [
                position
                for position in sweep_positions(self._lens_model, width)
                if not self._lens_model.same_position(position, observation.position, width)
            ]
            if self._ahead and abs(observation.position - self._ahead[0]) > abs(
                observation.position - self._ahead[-1]
            ):
                self._ahead.reverse()
        if not self._ahead:
            return Action(None, None, "the whole travel has been swept")
        position = self._ahead.pop(0)
        return Action(position, None, f"focal sweep, {len(self._ahead)} more to come")


def sweep_positions(lens_model: LensModel, image_width: int) -> list[float]:
    """Return the fewest equally spaced positions that cover the travel, ascending, metres.

    Example:
        >>> lens_model = LensModel("demo", 1e-6, (0.0, 1e-3), 24000.0, 640)
        >>> positions = sweep_positions(lens_model, image_width=640)
        >>> len(positions), round(positions[0] * 1e6, 1)  # half the depth of focus from the end
        (12, 41.7)
    """
    low, high = lens_model.limits
    # A little less than the whole: rounding must not add a position.
    intervals = (high - low) / (2 * lens_model.half_depth_of_focus(image_width)) - 1e-6
    edges = np.linspace(low, high, max(1, math.ceil(intervals)) + 1)
    return [float(position) for position in (edges[:-1] + edges[1:]) / 2]
