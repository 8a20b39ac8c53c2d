"""Rollouts: actions and rewards of the policies in a batch of simulated scenes."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aif_ros.control.focus_belief import FocusBelief
from aif_ros.control.policy_features import policy_features
from aif_ros.control.policy_network import PolicyNetwork
from aif_ros.optics.lens_model import LensModel
from aif_ros.training.estimator_surrogate import EstimatorSurrogate
from aif_ros.training.focus_simulation import FocusSimulation
from aif_ros.training.focus_task import Task
from aif_ros.training.policy_losses import generalised_advantages, masked_distribution
from aif_ros.training.policy_recipe import PolicyRecipe


@dataclass(frozen=True)
class SceneSource:
    """Lens and data of the simulated scenes.

    Attributes:
        lens_model: the lens.
        surrogate: errors of the blur estimator.
        focus_maps: (N, h, w) of real scenes, shares of the lens's travel, or None.
    """

    lens_model: LensModel
    surrogate: EstimatorSurrogate
    focus_maps: NDArray[np.floating] | None

    def simulate(self, width: int, scenes: int, task: Task, seed: int) -> FocusSimulation:
        """Return a batch of scenes in images `width` pixels wide."""
        return FocusSimulation(
            self.lens_model,
            width,
            scenes,
            task,
            surrogate=self.surrogate,
            backgrounds=self.focus_maps,
            seed=seed,
        )

    def initial_belief(self, simulation: FocusSimulation, width: int) -> FocusBelief:
        """Return an empty belief over the scenes of a simulation."""
        scenes, cells = simulation.visible.shape
        return FocusBelief(self.lens_model, width, scenes, cells, simulation.task.dynamic)


@dataclass(frozen=True)
class Rollout:
    """Frames of one batch of scenes; T frames, B scenes, K candidate positions.

    Attributes:
        features: (T * B, FEATURES, K).
        barred: (T * B, K + 1) actions that could not be taken.
        actions, log_probabilities, advantages, returns: (T * B,).
        reward: mean reward of a frame.
    """

    features: Tensor
    barred: Tensor
    actions: Tensor
    log_probabilities: Tensor
    advantages: Tensor
    returns: Tensor
    reward: float


def draw_task(recipe: PolicyRecipe, random: np.random.Generator) -> tuple[Task, int]:
    """Return a task of still scenes, and the width of the images in pixels."""
    width = recipe.widths[random.integers(len(recipe.widths))]
    grid = recipe.grids[random.integers(len(recipe.grids))]
    speed = recipe.lens_speeds[random.integers(len(recipe.lens_speeds))]
    return Task(grid=grid, lens_speed=speed), width


def update_belief(belief: FocusBelief, simulation: FocusSimulation) -> None:
    """Add the readings since the last action, those made during the move included.

    Args:
        belief: updated in place.
        simulation: of the same scenes.
    """
    for readings, which in simulation.passed:
        belief.update(readings, which, passing=True)
    belief.update(simulation.readings)


def barred_actions(belief: FocusBelief, *, no_stop: bool) -> Tensor:
    """(B, K + 1) bool: positions without use, and stopping where that is no action.

    Args:
        belief: over B scenes and K positions.
        no_stop: whether stopping is no action.
    """
    stop = np.full((len(belief.barred), 1), no_stop)
    return torch.from_numpy(np.concatenate([belief.barred, stop], axis=1))


def reinforce_rollout(
    network: PolicyNetwork, source: SceneSource, recipe: PolicyRecipe, task: Task, width: int
) -> Rollout:
    """Run episodes by the paper's rule: reward 1 where the chosen window of J is still blurred.

    As in the paper, the window is brought into focus even if the belief is wrong: else the largest
    return is that of windows that never come into focus. Stopping is no action.

    Args:
        network: whose policy `paper` acts.
        source: makes the scenes.
        recipe: their number, `num_envs`, that of frames, `reinforce_steps`, and the discount.
        task: kind of the scenes.
        width: of their images, pixels.
    """
    simulation = source.simulate(width, recipe.num_envs, task, _seed())
    belief = source.initial_belief(simulation, width)
    features, barred, actions, log_probabilities, values, rewards = [], [], [], [], [], []
    for _ in range(recipe.reinforce_steps):
        update_belief(belief, simulation)
        features.append(torch.from_numpy(policy_features(belief)))
        barred.append(barred_actions(belief, no_stop=True))
        with torch.no_grad():
            logits, value = network.paper(features[-1])
        distribution = masked_distribution(logits, barred[-1])
        actions.append(distribution.sample())
        log_probabilities.append(distribution.log_prob(actions[-1]))
        values.append(value)
        window = belief.window(actions[-1].numpy())[:, None]
        blur = np.take_along_axis(simulation.fused_radius, window, 1)[:, 0]
        seen = np.take_along_axis(simulation.visible, window, 1)[:, 0]
        blurred = (blur > source.lens_model.depth_of_field_px) & seen
        rewards.append(torch.from_numpy(blurred.astype(np.float32)))
        focus = np.take_along_axis(simulation.focus_positions, window[..., None], 1)
        target = np.median(focus[:, 0], axis=1)
        simulation.step(np.abs(simulation.positions - target[:, None]).argmin(axis=1))
    returns = torch.stack(rewards) * recipe.reward_scale
    for t in reversed(range(len(rewards) - 1)):
        returns[t] += recipe.reinforce_gamma * returns[t + 1]
    return Rollout(
        torch.cat(features),
        torch.cat(barred),
        torch.cat(actions),
        torch.cat(log_probabilities),
        (returns - torch.stack(values)).flatten(),
        returns.flatten(),
        float(torch.stack(rewards).mean()),
    )


def ppo_rollout(
    network: PolicyNetwork, source: SceneSource, recipe: PolicyRecipe, task: Task, width: int
) -> Rollout:
    """Let the policy act for `num_steps` frames; ended scenes are reset.

    Args:
        network: whose policy for scenes of that type acts.
        source: makes the scenes.
        recipe: their number, `num_envs`, that of frames, `num_steps`, and the discount.
        task: kind of the scenes.
        width: of their images, pixels.
    """
    simulation = source.simulate(width, recipe.num_envs, task, _seed())
    belief = source.initial_belief(simulation, width)
    shape = (recipe.num_steps, recipe.num_envs)
    features, barred, actions = [], [], torch.zeros(shape, dtype=torch.long)
    log_probabilities, rewards, values = (torch.zeros(shape) for _ in range(3))
    ends, discounts = torch.zeros(shape), torch.zeros(shape)
    for t in range(recipe.num_steps):
        update_belief(belief, simulation)
        features.append(torch.from_numpy(policy_features(belief)))
        barred.append(barred_actions(belief, no_stop=task.dynamic))
        with torch.no_grad():
            logits, values[t] = network(features[-1])
        distribution = masked_distribution(logits, barred[-1])
        actions[t] = distribution.sample()
        log_probabilities[t] = distribution.log_prob(actions[t])
        _, reward, done = simulation.step(actions[t].numpy())
        rewards[t] = torch.from_numpy(reward * recipe.reward_scale)
        ends[t] = torch.from_numpy(done)
        periods = simulation.periods if task.dynamic else np.ones(recipe.num_envs)
        discounts[t] = torch.from_numpy(recipe.gamma[int(task.dynamic)] ** periods)
        if done.any():
            simulation.reset(done)
            belief.reset(done)
    update_belief(belief, simulation)
    with torch.no_grad():
        _, last_value = network(torch.from_numpy(policy_features(belief)))
    advantages = generalised_advantages(
        rewards, values, last_value, ends, discounts, recipe.gae_lambda
    )
    return Rollout(
        torch.cat(features),
        torch.cat(barred),
        actions.flatten(),
        log_probabilities.flatten(),
        advantages.flatten(),
        (advantages + values).flatten(),
        float(rewards.mean()) / recipe.reward_scale,
    )


def of_scene_type(task: Task, name: str) -> Task:
    """Return the task for "still" or "moving" scenes."""
    return replace(task, dynamic=name == "moving")


def _seed() -> int:
    """A seed for a simulation, from PyTorch's random numbers, which each iteration seeds."""
    return int(torch.randint(2**31, ()))
