"""The rule of the paper's baseline: go where most of J is still blurred."""

import numpy as np
from numpy.typing import NDArray

from aif_ros.control.agent import Action, Observation
from aif_ros.control.coverage import Coverage
from aif_ros.control.windows import heaviest_block, pixels
from aif_ros.optics.lens_model import LensModel


class RuleBasedAgent:
    """Focuses on the window with the most remaining blur, by that window's own estimate.

    Blur does not tell its sign; of the two focus positions that a look allows, the one that
    agrees best with all other looks at the same cell is taken.

    Args:
        lens_model: of the lens in use.
        window_share: side of a window as a share of the image's sides.
        stop_share: share of the cells that may stay blurred when the agent stops.
    """

    def __init__(
        self, lens_model: LensModel, *, window_share: float = 0.25, stop_share: float = 0.01
    ) -> None:
        self._lens_model = lens_model
        self._window_share = window_share
        self._stop_share = stop_share
        self.reset()

    def reset(self) -> None:
        """Forget all looks."""
        self._coverage = Coverage()
        self._radii: list[NDArray[np.float32]] = []

    def act(self, observation: Observation) -> Action:
        """Choose the window with the most blur that another capture could remove."""
        for look in observation.looks:
            self._coverage.add(look.position)
            self._radii.append(look.frame.radius)
        known = np.isfinite(observation.fused.radius)
        if not known.any():
            position = self._coverage.farthest(self._lens_model.limits)
            return Action(position, None, "nothing to see yet, looking elsewhere")
        reach = self._lens_model.half_depth_of_focus(observation.frame.image_size[0])
        focus = self._focus_positions(observation.frame.image_size[0])
        gainful = (
            (observation.fused.in_focus < 0.5)
            # Where a capture has been, another is of no use, whatever J looks like there. A quarter
            # more than the depth of field, for estimates err: less leads to many captures that
            # hardly gain, more to gaps.
            & (self._coverage.distance(focus) > 1.25 * reach)
        )
        share = float(gainful.sum() / known.sum())
        if share <= self._stop_share:
            return Action(None, None, f"{share:.1%} of the picture left to gain")
        weight = np.where(gainful, observation.fused.radius, 0.0)
        block = heaviest_block(weight, self._window_share)
        position = self._between(focus[block][gainful[block]], reach)
        window = pixels(observation.frame, block)
        return Action(position, window, f"{share:.1%} of the picture still blurred")

    def _between(self, wanted: NDArray[np.float64], reach: float) -> float:
        """Return the position that has most of the wanted focus positions within reach.

        Of equal ones the farthest from all captures, so that depths of field hardly overlap; all
        lie beyond the reach of every capture, so that there is an end to them.
        """
        low, high = self._lens_model.limits
        centres = np.clip(np.concatenate([wanted, wanted - reach, wanted + reach]), low, high)
        distance = self._coverage.distance(centres)
        held = np.abs(centres[:, None] - wanted[None, :]) <= reach * (1 + 1e-9)
        score = held.sum(axis=1) + np.minimum(distance / (2 * reach), 1.0) / 2
        return float(centres[np.where(distance > reach, score, -1.0).argmax()])

    def _focus_positions(self, image_width: int) -> NDArray[np.float64]:
        """Most likely focus position of each cell (rows, columns), metres; NaN where unknown."""
        gain = self._lens_model.blur_gain(image_width)
        low, high = self._lens_model.limits
        reach = self._lens_model.half_depth_of_focus(image_width)
        radii = np.stack(self._radii).astype(np.float64)
        positions = np.asarray(self._coverage.positions)[:, None, None]
        # Each cell starts from the look with its smallest blur: that one tells the focus best.
        best = np.where(np.isfinite(radii), radii, np.inf).argmin(axis=0)[None]
        nearest = np.take_along_axis(radii, best, axis=0)[0]
        origin = positions[best[0], 0, 0]
        candidates = np.stack([origin - nearest / gain, origin + nearest / gain])
        expected = np.abs(positions - candidates[:, None]) * gain
        # In ratios, since estimates err by a share of the blur; 1 px of noise damps the small.
        misfit = np.abs(np.log((expected + 1.0) / (radii + 1.0)))
        misfit = np.where(np.isfinite(radii), misfit, 0.0).sum(axis=1)
        misfit += np.where((candidates < low - reach) | (candidates > high + reach), 1e3, 0.0)
        # Where nothing speaks for either side, go towards the middle of the travel.
        misfit += 1e-3 * np.abs(candidates - (low + high) / 2) / (high - low)
        focus = np.where(misfit[0] <= misfit[1], candidates[0], candidates[1])
        return np.clip(focus, low, high)
