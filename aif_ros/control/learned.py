"""The agents trained by reinforcement learning."""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from aif_ros.control.agent import Action, Observation
from aif_ros.control.coverage import Coverage
from aif_ros.control.focus_belief import DefocusReadings, FocusBelief
from aif_ros.control.policy_features import policy_features
from aif_ros.control.policy_network import POLICY_WEIGHTS, PolicyNetwork, best_action
from aif_ros.control.sweep import sweep_positions
from aif_ros.optics.lens_model import LensModel
from aif_ros.weights import WEIGHTS
from aif_ros.weights.device import choose_device, infer
from aif_ros.weights.files import load_weights

_POINTS = 6
"""Points of J along either side of a cell whose source positions are used."""


class LearnedAgent:
    """Keeps a focus belief; a trained network chooses the next lens position, or stops.

    Args:
        lens_model: of the lens in use.
        dynamic: whether the scene may move: then it never stops, and its belief decays.
        network: the policy, or its weight file; default: the shipped one.
        device: to compute on, see `choose_device`.

    Raises:
        WeightsError: the weights are missing or damaged.
    """

    def __init__(
        self,
        lens_model: LensModel,
        *,
        dynamic: bool = False,
        network: PolicyNetwork | str | Path | None = None,
        device: str = "cpu",
    ) -> None:
        self._lens_model = lens_model
        self._dynamic = dynamic
        if not isinstance(network, PolicyNetwork):
            path = network or WEIGHTS / "policy.safetensors"
            network = load_weights(path, POLICY_WEIGHTS).network
        self._network = network.to(choose_device(device))
        self.reset()

    def reset(self) -> None:
        """Discard all frames."""
        self._belief: FocusBelief | None = None
        self._coverage = Coverage()

    def act(self, observation: Observation) -> Action:
        """Choose the action that the network rates highest."""
        frame = observation.frame
        if self._belief is None:
            width, cells = frame.image_size[0], frame.radius.size
            self._belief = FocusBelief(self._lens_model, width, 1, cells, self._dynamic)
            # The first frame of a sweep is taken wherever the lens happens to be.
            self._enough = 1 + len(sweep_positions(self._lens_model, width))
        belief = self._belief
        self._coverage.add(observation.position)
        for each in observation.new_observations:
            belief.update(_readings(each), passing=each is not observation)
        remaining = float(belief.remaining[0])
        if not self._dynamic and belief.frames[0] >= self._enough:
            return Action(None, None, "as many captures as a full sweep takes", remaining)
        if belief.known_share[0] == 0:
            position = self._coverage.farthest(self._lens_model.limits)
            return Action(position, None, "no texture found yet, moving elsewhere", remaining)
        best = self._best(belief)
        if best == len(belief.positions):
            return Action(None, None, f"{remaining:.1%} of the scene not covered", remaining)
        window = int(belief.window(np.array([best]))[0])
        return Action(
            float(belief.positions[best]),
            frame.window(*divmod(window, frame.shape[1])),
            f"{remaining:.1%} of the scene not covered, "
            f"{belief.newly_covered()[0, best]:.1%} expected there",
            remaining,
        )

    def _best(self, belief: FocusBelief) -> int:
        """Return the index of the next position; their number to stop."""
        logits, _ = infer(self._network, torch.from_numpy(policy_features(belief)))
        barred = torch.from_numpy(np.append(belief.barred, [[self._dynamic]], axis=1))
        return int(best_action(logits, barred))


class PaperAgent(LearnedAgent):
    """The policy by the paper's rule alone: rewarded for windows of J that are still blurred.

    Reference: the REINFORCE agent of "All-in-focus imaging" as reproduced in `train policy`, first
    stage. It has no action to stop: it ends when no capture is expected to cover another cell.
    """

    def _best(self, belief: FocusBelief) -> int:
        cell = 1 / max(int(belief.known.sum()), 1)
        if not self._dynamic and belief.newly_covered()[0][~belief.barred[0]].max() < cell:
            return len(belief.positions)
        logits, _ = infer(self._network.paper, torch.from_numpy(policy_features(belief)))
        barred = torch.from_numpy(np.append(belief.barred, [[True]], axis=1))
        return int(best_action(logits, barred))


def _points_of_cells(values: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """(h, w) -> (rows * columns, points) of each cell of a grid of that shape, evenly spread."""
    rows, columns = (size * _POINTS for size in shape)
    points = cv2.resize(values, (columns, rows), interpolation=cv2.INTER_NEAREST)
    cells = points.reshape(shape[0], _POINTS, shape[1], _POINTS).swapaxes(1, 2)
    return np.asarray(cells.reshape(shape[0] * shape[1], _POINTS**2))


def _readings(observation: Observation) -> DefocusReadings:
    """Return what one frame gives, as a batch of one scene."""
    frame, fused = observation.frame, observation.fused
    return DefocusReadings(
        frame.radius.reshape(1, -1),
        frame.uncertainty.reshape(1, -1),
        fused.radius.reshape(1, -1),
        fused.uncertainty.reshape(1, -1),
        fused.in_focus.reshape(1, -1),
        fused.contrast.reshape(1, -1),
        _points_of_cells(observation.source_position, fused.shape)[None],
        np.array([observation.position]),
        np.array([observation.stamp * 1e-9]),
    )
