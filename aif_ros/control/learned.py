"""The agent trained by reinforcement learning."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from aif_ros.control.agent import Action, Observation
from aif_ros.control.coverage import Coverage
from aif_ros.control.focus_belief import FRAME_COST, FocusBelief, Readings
from aif_ros.control.policy_network import POLICY_WEIGHTS, PolicyNetwork, best_action
from aif_ros.control.sweep import sweep_positions
from aif_ros.optics.lens_model import LensModel
from aif_ros.weights import WEIGHTS
from aif_ros.weights.files import load_weights

# Points of J, along either side of a cell, whose sources are looked at.
_POINTS = 6


class LearnedAgent:
    """Remembers what each look has told and lets a trained network choose, or stop.

    Args:
        lens_model: of the lens in use.
        dynamic: whether the scene may move: then it never stops and forgets by and by.
        frame_cost: what another frame of a still scene must gain to be worth it, dB of J; it was
            trained for 0.05 to 1.
        network: the policy; default the one that is shipped.

    Raises:
        ValueError: the cost of a frame is not positive.
        WeightsError: the shipped weights are missing or damaged.
    """

    def __init__(
        self,
        lens_model: LensModel,
        *,
        dynamic: bool = False,
        frame_cost: float = FRAME_COST,
        network: PolicyNetwork | None = None,
    ) -> None:
        self._lens_model = lens_model
        if not frame_cost > 0:
            raise ValueError(f"frame_cost must be a positive number of dB, got {frame_cost}")
        self._dynamic = dynamic
        self._frame_cost = frame_cost
        if network is None:
            network = load_weights(WEIGHTS / "policy.safetensors", POLICY_WEIGHTS).network
        self._network = network
        self.reset()

    def reset(self) -> None:
        """Forget all looks."""
        self._memory: FocusBelief | None = None
        self._coverage = Coverage()

    def act(self, observation: Observation) -> Action:
        """Choose what the network rates highest."""
        frame = observation.frame
        if self._memory is None:
            self._memory = FocusBelief(
                self._lens_model,
                frame.image_size[0],
                1,
                frame.radius.size,
                self._dynamic,
                self._frame_cost,
            )
            # The first frame of a sweep is taken wherever the lens happens to be.
            self._enough = 1 + len(sweep_positions(self._lens_model, frame.image_size[0]))
        memory = self._memory
        self._coverage.add(observation.position)
        for look in observation.looks:
            memory.update(_readings(look), passing=look is not observation)
        if not self._dynamic and memory.frames[0] >= self._enough:
            return Action(None, None, "as many captures as a full sweep takes")
        if memory.known_share[0] == 0:
            position = self._coverage.farthest(self._lens_model.limits)
            return Action(position, None, "nothing to see yet, looking elsewhere")
        with torch.inference_mode():
            logits, _ = self._network(torch.from_numpy(memory.features()))
        barred = torch.from_numpy(np.append(memory.barred, [[self._dynamic]], axis=1))
        best = int(best_action(logits, barred))
        lacking = float(memory.lacking.mean())
        if best == len(memory.positions):
            return Action(None, None, f"no capture is worth its time, {lacking:.1%} blurred")
        candidate = np.array([best])
        return Action(
            float(memory.positions[best]),
            frame.window(*divmod(int(memory.window(candidate)[0]), frame.shape[1])),
            f"expected to gain {memory.gain()[0, best]:.2f} dB",
        )


def _points_of_cells(values: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """(h, w) -> (rows * columns, points) of each cell of a grid of that shape, evenly spread."""
    rows, columns = (size * _POINTS for size in shape)
    points = cv2.resize(values, (columns, rows), interpolation=cv2.INTER_NEAREST)
    cells = points.reshape(shape[0], _POINTS, shape[1], _POINTS).swapaxes(1, 2)
    return np.asarray(cells.reshape(shape[0] * shape[1], _POINTS**2))


def _readings(look: Observation) -> Readings:
    """What one look tells, as a batch of one scene."""
    frame, fused = look.frame, look.fused
    return Readings(
        frame.radius.reshape(1, -1),
        frame.uncertainty.reshape(1, -1),
        fused.radius.reshape(1, -1),
        fused.uncertainty.reshape(1, -1),
        fused.in_focus.reshape(1, -1),
        fused.contrast.reshape(1, -1),
        _points_of_cells(look.source_position, fused.shape)[None],
        np.array([look.position]),
        np.array([look.stamp * 1e-9]),
    )
