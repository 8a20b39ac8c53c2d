"""Covers what is known of the scene's focus positions, with as few captures as it can."""

import numpy as np
from numpy.typing import NDArray

from aif_ros.autofocus.posterior import FocusPosterior
from aif_ros.control.agent import Action, Observation
from aif_ros.control.coverage import Coverage
from aif_ros.control.windows import heaviest_block, pixels
from aif_ros.optics.lens_model import LensModel

# Share of the cells whose looks mislead altogether, and doubt in what J's map says.
_MISLED = 0.02
_DOUBT = 0.05


class PlannerAgent:
    """Plans all remaining captures anew after each look and makes the nearest rewarding one.

    For each cell it keeps the probability of every focus position, from all looks so far. The
    plan is the set of captures that makes the blur expected to remain in J, plus a price for each
    capture, smallest. An empty plan ends the loop.

    Args:
        lens_model: of the lens in use.
        price: what a capture must gain, as a share of the picture turned from blurred to sharp.
        window_share: side of a window as a share of the image's sides.
    """

    def __init__(
        self, lens_model: LensModel, *, price: float = 0.01, window_share: float = 0.25
    ) -> None:
        self._lens_model = lens_model
        self._price = price
        self._window_share = window_share
        self.reset()

    def reset(self) -> None:
        """Forget all looks."""
        self._coverage = Coverage()
        self._posterior: FocusPosterior | None = None

    def act(self, observation: Observation) -> Action:
        """Go to the nearest rewarding capture of the plan."""
        frame, fused, position = observation.frame, observation.fused, observation.position
        if self._posterior is None:
            self._posterior = FocusPosterior(self._lens_model, frame.shape, frame.image_size[0])
        for look in observation.looks:
            self._coverage.add(look.position)
            self._posterior.update(look.position, look.frame.radius, look.frame.uncertainty)
        known = np.isfinite(fused.radius)
        if not known.any():
            elsewhere = self._coverage.farthest(self._lens_model.limits)
            return Action(elsewhere, None, "nothing to see yet, looking elsewhere")
        positions = self._posterior.positions
        reach = self._lens_model.half_depth_of_focus(frame.image_size[0])
        # Each position stands for all as near to it as to its neighbours.
        share = np.linspace(-0.4, 0.4, 5)[:, None, None]
        represented = positions + share * (positions[1] - positions[0])
        lost = loss(self._coverage.distance(represented[:, 0]) / reach).mean(axis=0)
        occupied = _occupied(self._posterior.probability[known], fused.in_focus[known], lost)
        lost_then = loss(np.abs(positions[:, None] - represented) / reach).mean(axis=0)
        plan = plan_captures(occupied.mean(axis=0), lost, lost_then, self._price)
        if not plan:
            return Action(None, None, "no other capture is expected to be worth it")
        gains = np.maximum(0.0, lost - lost_then[plan]) @ occupied.T
        totals = gains.sum(axis=1)
        # The nearest of the rewarding ones: those that gain little may not be needed later.
        travel = np.abs(positions[plan] - position)
        chosen = int(np.where(totals >= totals.max() / 2, travel, np.inf).argmin())
        cells = np.zeros(known.shape)
        cells[known] = gains[chosen]
        window = pixels(frame, heaviest_block(cells, self._window_share))
        return Action(float(positions[plan[chosen]]), window, f"{len(plan)} captures planned")


def loss(distance: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share of the sharpness lost at a distance, in depths of field, from the nearest capture."""
    return 1.0 - np.exp(-2.0 * np.maximum(np.asarray(distance, np.float64) - 1.0, 0.0))


def plan_captures(
    occupied: NDArray[np.floating],
    lost: NDArray[np.floating],
    lost_then: NDArray[np.floating],
    price: float,
) -> list[int]:
    """Return the captures that make remaining loss plus price smallest (dynamic programming).

    A cell is served by the capture before or behind it, so that the plan falls into gaps between
    neighbouring captures, whose losses add up.

    Args:
        occupied: (N,) share of the picture in focus at each of N positions, in order.
        lost: (N,) sharpness lost there so far.
        lost_then: (N, N) sharpness that [k, g] is lost at g after a capture at k.
        price: of a capture.

    Returns:
        Indices of the positions to capture, ascending.
    """
    count = len(occupied)
    # gap[i, j]: loss between captures i - 1 and j - 1; 0 and count + 1 stand for "none".
    after = np.vstack([np.ones((1, count)), lost_then, np.ones((1, count))])
    after = np.minimum(after, lost)
    gap = np.full((count + 2, count + 2), np.inf)
    index = np.arange(count)
    for first in range(count + 1):
        between = np.minimum(after[first], after[first + 1 :]) * occupied
        inside = (index >= first) & (index[None, :] < np.arange(first, count + 1)[:, None])
        gap[first, first + 1 :] = np.where(inside, between, 0.0).sum(axis=1)
    best = np.zeros(count + 2)
    before = np.zeros(count + 2, dtype=int)
    for last in range(1, count + 2):
        totals = best[:last] + gap[:last, last]
        before[last] = int(totals.argmin())
        best[last] = totals[before[last]] + (price if last <= count else 0.0)
    plan = []
    last = int(before[count + 1])
    while last > 0:
        plan.append(last - 1)
        last = int(before[last])
    return plan[::-1]


def _occupied(
    probability: NDArray[np.floating], sharp: NDArray[np.floating], lost: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Probability of each focus position of each cell, given also what J shows of it.

    By Bayes' rule: J is blurred where the focus position is not covered, sharp where it is.

    Args:
        probability: (cells, N) by the looks.
        sharp: (cells,) probability that J is in focus.
        lost: (N,) sharpness lost so far at each position.
    """
    prior = (1.0 - _MISLED) * probability + _MISLED / probability.shape[-1]
    sharp = np.clip(sharp, _DOUBT, 1.0 - _DOUBT)[:, None]
    occupied = prior * ((1.0 - sharp) * lost + sharp * (1.0 - lost))
    return occupied / occupied.sum(axis=-1, keepdims=True)
