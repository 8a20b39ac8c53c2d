"""The rule-based agent, the paper's baseline: focuses on the most blurred part of J."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aif_ros.control.agent import Action, Observation
from aif_ros.control.coverage import Coverage
from aif_ros.control.focus_windows import heaviest_block, pixels
from aif_ros.optics.lens_model import LensModel


@dataclass(frozen=True)
class RuleSettings:
    """Settings of the rule-based agent.

    Attributes:
        window_share: side of a window as a share of the image's sides; the paper's is a third.
        stop_share: share of the cells that may stay blurred when the agent stops.
        spacing: least distance of a capture from the others, half depths of focus. A quarter more
            than 1, since estimates err: less leads to captures that hardly gain, more to gaps.
        noise_px: error of the readings that is independent of the blur radius, pixels.
    """

    window_share: float = 0.25
    stop_share: float = 0.01
    spacing: float = 1.25
    noise_px: float = 1.0


class RuleBasedAgent:
    """Focuses on the window with the most remaining blur, by that window's own estimate.

    A blur radius has no sign: of the two focus positions that it allows, the one that agrees best
    with all other readings of the same cell is taken.

    Args:
        lens_model: of the lens in use.
        settings: of the rule.
    """

    def __init__(self, lens_model: LensModel, settings: RuleSettings | None = None) -> None:
        self._lens_model = lens_model
        self._settings = settings or RuleSettings()
        self.reset()

    def reset(self) -> None:
        """Discard all frames."""
        self._coverage = Coverage()
        self._radii: list[NDArray[np.float32]] = []

    def act(self, observation: Observation) -> Action:
        """Choose the window with the most blur that another capture could remove."""
        for each in observation.new_observations:
            self._coverage.add(each.position)
            self._radii.append(each.frame.radius)
        known = np.isfinite(observation.fused.radius)
        if not known.any():
            position = self._coverage.farthest(self._lens_model.limits)
            return Action(position, None, "no texture found yet, moving elsewhere")
        reach = self._lens_model.half_depth_of_focus(observation.frame.image_size[0])
        focus = self._focus_positions(observation.frame.image_size[0])
        gainful = (
            (observation.fused.in_focus < 0.5)
            # A second capture near an earlier one gains nothing, whatever the defocus map of J is.
            & (self._coverage.distance(focus) > self._settings.spacing * reach)
        )
        share = float(gainful.sum() / known.sum())
        if share <= self._settings.stop_share:
            return Action(None, None, f"{share:.1%} of the image still blurred: done")
        weight = np.where(gainful, observation.fused.radius, 0.0)
        block = heaviest_block(weight, self._settings.window_share)
        position = self._between(focus[block][gainful[block]], reach)
        window = pixels(observation.frame, block)
        return Action(position, window, f"{share:.1%} of the image still blurred")

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
        # Each cell starts from the reading with the smallest blur, which has the smallest error.
        best = np.where(np.isfinite(radii), radii, np.inf).argmin(axis=0)[None]
        nearest = np.take_along_axis(radii, best, axis=0)[0]
        origin = positions[best[0], 0, 0]
        candidates = np.stack([origin - nearest / gain, origin + nearest / gain])
        expected = np.abs(positions - candidates[:, None]) * gain
        # Estimates err by a share of the blur, and by some noise.
        noise = self._settings.noise_px
        misfit = np.abs(np.log((expected + noise) / (radii + noise)))
        misfit = np.where(np.isfinite(radii), misfit, 0.0).sum(axis=1)
        misfit += np.where((candidates < low - reach) | (candidates > high + reach), 1e3, 0.0)
        # Of two equal candidates, the one nearer to the middle of the travel.
        misfit += 1e-3 * np.abs(candidates - (low + high) / 2) / (high - low)
        focus = np.where(misfit[0] <= misfit[1], candidates[0], candidates[1])
        return np.asarray(np.clip(focus, low, high))
