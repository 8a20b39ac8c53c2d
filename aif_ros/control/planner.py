"""The planning agent: plans the fewest captures that cover the known part of the scene."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aif_ros.control.agent import Action, Observation
from aif_ros.control.cell_posterior import CellPosterior
from aif_ros.control.coverage import Coverage, covering
from aif_ros.control.focus_windows import heaviest_block, pixels
from aif_ros.optics.lens_model import LensModel


@dataclass(frozen=True)
class PlannerSettings:
    """Settings of the planner, checked on development scenes of `benchmark control`.

    Attributes:
        capture_cost: share of the scene that a capture must newly cover.
        outliers: share of the cells whose readings are outliers.
        map_error: probability that J's defocus map is wrong in a cell.
        window_share: side of a window as a share of the image's sides.
    """

    capture_cost: float = 0.02
    outliers: float = 0.02
    map_error: float = 0.05
    window_share: float = 0.25


class PlannerAgent:
    """Plans all remaining captures after each frame and makes the nearest rewarding one.

    For each cell it keeps the probability of every focus position, from all frames so far. The
    plan is the set of captures that makes remaining defocus (see `coverage`), plus a cost of each
    capture, smallest. An empty plan ends the loop.

    Args:
        lens_model: of the lens in use.
        settings: of the planner.
    """

    def __init__(self, lens_model: LensModel, settings: PlannerSettings | None = None) -> None:
        self._lens_model = lens_model
        self._settings = settings or PlannerSettings()
        self.reset()

    def reset(self) -> None:
        """Discard all frames."""
        self._coverage = Coverage()
        self._posterior: CellPosterior | None = None

    def act(self, observation: Observation) -> Action:
        """Go to the nearest rewarding capture of the plan."""
        frame, fused, position = observation.frame, observation.fused, observation.position
        if self._posterior is None:
            self._posterior = CellPosterior(self._lens_model, frame.shape, frame.image_size[0])
        for each in observation.new_observations:
            self._coverage.add(each.position)
            self._posterior.update(each.position, each.frame.radius, each.frame.uncertainty)
        known = np.isfinite(fused.radius)
        if not known.any():
            elsewhere = self._coverage.farthest(self._lens_model.limits)
            return Action(elsewhere, None, "no texture found yet, moving elsewhere")
        positions, width = self._posterior.positions, frame.image_size[0]
        captures = np.asarray(self._coverage.positions)
        lost = uncovered_share(self._lens_model, width, positions, captures).min(axis=0)
        occupied = self._occupied(self._posterior.probability[known], fused.in_focus[known], lost)
        remaining = float((occupied @ lost).mean())
        lost_then = uncovered_share(self._lens_model, width, positions, positions)
        plan = plan_captures(occupied.mean(axis=0), lost, lost_then, self._settings.capture_cost)
        if not plan:
            return Action(None, None, f"{remaining:.1%} of the scene not covered", remaining)
        gains = np.maximum(0.0, lost - lost_then[plan]) @ occupied.T
        totals = gains.sum(axis=1)
        # The nearest of the rewarding ones: those that gain little may not be needed later.
        travel = np.abs(positions[plan] - position)
        chosen = int(np.where(totals >= totals.max() / 2, travel, np.inf).argmin())
        cells = np.zeros(known.shape)
        cells[known] = gains[chosen]
        window = pixels(frame, heaviest_block(cells, self._settings.window_share))
        reason = f"{remaining:.1%} of the scene not covered, {len(plan)} captures planned"
        return Action(float(positions[plan[chosen]]), window, reason, remaining)

    def _occupied(
        self,
        probability: NDArray[np.floating],
        sharp: NDArray[np.floating],
        lost: NDArray[np.floating],
    ) -> NDArray[np.float64]:
        """Return the probability of each focus position of each cell, given also J's map.

        By Bayes' rule: J is blurred where the focus position is not covered, sharp where it is.

        Args:
            probability: (cells, N) by the frames.
            sharp: (cells,) probability that J is in focus.
            lost: (N,) share of what is in focus at each position that is not covered.
        """
        outliers, error = self._settings.outliers, self._settings.map_error
        prior = (1.0 - outliers) * probability + outliers / probability.shape[-1]
        sharp = np.clip(sharp, error, 1.0 - error)[:, None]
        occupied = prior * ((1.0 - sharp) * lost + sharp * (1.0 - lost))
        return np.asarray(occupied / occupied.sum(axis=-1, keepdims=True))


def uncovered_share(
    lens_model: LensModel,
    image_width: int,
    positions: NDArray[np.floating],
    captures: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Return which share of what is in focus near each position a capture does not cover.

    Args:
        lens_model: of the lens in use.
        image_width: of the images, pixels.
        positions: (N,) metres, equally spaced; each represents the interval around it.
        captures: (M,) lens positions, metres.

    Returns:
        (M, N), 0 to 1.
    """
    shares = np.linspace(-0.4, 0.4, 5) * (positions[1] - positions[0])
    near = (positions[:, None] + shares).ravel()
    covers = covering(lens_model, image_width, near, captures)
    return np.asarray(1.0 - covers.reshape(len(positions), len(shares), -1).mean(axis=1).T)


def plan_captures(
    occupied: NDArray[np.floating],
    lost: NDArray[np.floating],
    lost_then: NDArray[np.floating],
    cost: float,
) -> list[int]:
    """Return the captures that make remaining loss plus cost smallest (dynamic programming).

    A cell is served by the capture before or behind it, so that the plan falls into gaps between
    neighbouring captures, whose losses add up.

    Args:
        occupied: (N,) share of the image in focus at each of N positions, in order.
        lost: (N,) share of it that is not covered so far.
        lost_then: (N, N) share that [k, g] is not covered at g after a capture at k.
        cost: of a capture.

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
        best[last] = totals[before[last]] + (cost if last <= count else 0.0)
    plan = []
    last = int(before[count + 1])
    while last > 0:
        plan.append(last - 1)
        last = int(before[last])
    return plan[::-1]
