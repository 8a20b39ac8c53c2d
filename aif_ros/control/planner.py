"""Covers what is known of the scene's focus positions, with as few captures as it can."""

import numpy as np
from numpy.typing import NDArray

from aif_ros.autofocus.posterior import FocusPosterior
from aif_ros.control.agent import Action, Observation
from aif_ros.control.coverage import Coverage
from aif_ros.control.windows import heaviest_block, pixels
from aif_ros.optics.lens_model import LensModel


class PlannerAgent:
    """Goes each time where a capture is expected to gain most, and stops when none gains enough.

    For each cell it keeps the probability of every focus position, from all looks so far. What a
    capture gains is the sharpness it is expected to add to J, summed over the cells.

    Args:
        lens_model: of the lens in use.
        stop_gain: smallest expected gain worth a capture, as a share of the picture turned from
            blurred to sharp.
        window_share: side of a window as a share of the image's sides.
    """

    def __init__(
        self, lens_model: LensModel, *, stop_gain: float = 0.01, window_share: float = 0.25
    ) -> None:
        self._lens_model = lens_model
        self._stop_gain = stop_gain
        self._window_share = window_share
        self.reset()

    def reset(self) -> None:
        """Forget all looks."""
        self._coverage = Coverage()
        self._posterior: FocusPosterior | None = None

    def act(self, observation: Observation) -> Action:
        """Choose the position with the largest expected gain."""
        width = observation.frame.image_size[0]
        self._coverage.add(observation.position)
        if self._posterior is None:
            self._posterior = FocusPosterior(self._lens_model, observation.frame.shape, width)
        self._posterior.update(
            observation.position, observation.frame.radius, observation.frame.uncertainty
        )
        known = np.isfinite(observation.fused.radius)
        if not known.any():
            position = self._coverage.farthest(self._lens_model.limits)
            return Action(position, None, "nothing to see yet, looking elsewhere")
        positions = self._posterior.positions
        lost = self._loss(self._coverage.distance(positions), width)
        # Bayes: J is blurred where the focus position is not covered, sharp where it is.
        sharp = np.clip(observation.fused.in_focus[known], 0.02, 0.98)[:, None]
        occupied = self._posterior.probability[known] * (
            (1.0 - sharp) * lost + sharp * (1.0 - lost)
        )
        occupied /= occupied.sum(axis=-1, keepdims=True)
        # gain[k, g]: sharpness that a capture at position k adds to a cell in focus at g
        lost_then = self._loss(np.abs(positions[:, None] - positions[None, :]), width)
        gain = np.maximum(0.0, lost[None, :] - lost_then)
        expected = gain @ occupied.mean(axis=0)
        best = int(expected.argmax())
        if expected[best] < self._stop_gain:
            return Action(None, None, f"another capture would gain {expected[best]:.1%}")
        cells = np.zeros(known.shape)
        cells[known] = occupied @ gain[best]
        block = heaviest_block(cells, self._window_share)
        return Action(
            float(positions[best]),
            pixels(observation.frame, block),
            f"expected to sharpen {expected[best]:.1%} of the picture",
        )

    def _loss(self, distance: NDArray[np.floating], width: int) -> NDArray[np.float64]:
        """Share of the sharpness lost at a distance (metres) from the nearest capture."""
        excess = distance * self._lens_model.blur_gain(width) - self._lens_model.depth_of_field_px
        return 1.0 - np.exp(-np.maximum(excess, 0.0) / self._lens_model.depth_of_field_px)
