"""Scores of policies in the simulation, in scenes that they were not trained on."""

import numpy as np
import torch
from numpy.typing import NDArray

from aif_ros.control.focus_belief import FocusBelief
from aif_ros.control.policy_features import policy_features
from aif_ros.control.policy_network import PolicyNetwork, best_action
from aif_ros.control.sweep import sweep_positions
from aif_ros.simulation.oracle import oracle_positions
from aif_ros.training.focus_simulation import FocusSimulation
from aif_ros.training.focus_task import Task
from aif_ros.training.policy_rollout import SceneSource, barred_actions, update_belief

_SEED = 1_000_003
"""Of the scenes to measure on; the trainings' seeds are drawn at random."""
_WELL_COVERED = 0.97
"""Coverage that every scene should reach."""


def evaluate(
    network: PolicyNetwork, source: SceneSource, *, image_width: int = 640, scenes: int = 256
) -> dict[str, float]:
    """Score a policy.

    Args:
        network: the policy.
        source: gives the scenes; none that it was trained on.
        image_width: of the images, pixels.
        scenes: number of still scenes, and of moving ones.

    Returns:
        For still scenes the mean coverage, the share of scenes covered to 97 %, the mean number of
        frames, their ratio to an oracle's that covers every depth, J's PSNR less that after a full
        sweep (dB), and the share of episodes it stopped by itself; for moving scenes J's mean
        PSNR (dB), and that of a sweep.
    """
    still = _evaluate_still(network, source, image_width, scenes)
    return still | {
        "moving_psnr": _moving_psnr(network, source, image_width, scenes),
        "moving_psnr_sweep": _moving_psnr(None, source, image_width, scenes),
    }


def _evaluate_still(
    network: PolicyNetwork, source: SceneSource, width: int, scenes: int
) -> dict[str, float]:
    still = source.simulate(width, scenes, Task(dynamic=False), _SEED)
    oracle = np.array(
        [
            1 + len(oracle_positions(focus[seen], still.half_depth_of_focus, start=float(start)))
            for focus, seen, start in zip(
                still.focus_positions, still.visible, still.readings.position, strict=True
            )
        ]
    )
    belief = source.initial_belief(still, width)
    stopped, done = np.zeros(scenes, bool), np.zeros(scenes, bool)
    while not done.all():
        action = _best(network, belief, still)
        action = np.where(done, len(still.positions), action)
        stopped |= action == len(still.positions)
        done |= still.step(action)[2]
    frames, quality, covered = still.frames.copy(), still.quality(), still.covered()
    swept = source.simulate(width, scenes, Task(dynamic=False), _SEED)
    for position in sweep_positions(source.lens_model, width):
        swept.step(np.full(scenes, np.abs(swept.positions - position).argmin()))
    return {
        "covered": float(covered.mean()),
        "scenes_covered_97_percent": float((covered >= _WELL_COVERED).mean()),
        "frames": float(frames.mean()),
        "frames_over_oracle": float((frames / oracle).mean()),
        "psnr_minus_sweep": float((quality - swept.quality()).mean()),
        "stopped_by_itself": float(stopped.mean()),
    }


def _moving_psnr(
    network: PolicyNetwork | None, source: SceneSource, width: int, scenes: int
) -> float:
    """Mean PSNR of J over time, dB; without a network that of a triangular sweep."""
    moving = source.simulate(width, scenes, Task(dynamic=True), _SEED)
    belief = source.initial_belief(moving, width)
    sweep = sweep_positions(source.lens_model, width)
    there_and_back = sweep + sweep[-2:0:-1]
    total, lasted, done = np.zeros(scenes), np.zeros(scenes), np.zeros(scenes, bool)
    count = 0
    while not done.all():
        if network is not None:
            action = _best(network, belief, moving)
        else:
            position = there_and_back[count % len(there_and_back)]
            action = np.full(scenes, np.abs(moving.positions - position).argmin())
        before = moving.seconds.copy()
        ended = moving.step(action)[2]
        elapsed = np.where(done, 0, moving.seconds - before)
        total, lasted = total + moving.shown * elapsed, lasted + elapsed
        done |= ended
        count += 1
    return float((total / lasted).mean())


def _best(
    network: PolicyNetwork, belief: FocusBelief, simulation: FocusSimulation
) -> NDArray[np.intp]:
    update_belief(belief, simulation)
    with torch.no_grad():
        logits, _ = network(torch.from_numpy(policy_features(belief)))
    barred = barred_actions(belief, no_stop=simulation.task.dynamic)
    return best_action(logits, barred).numpy()
