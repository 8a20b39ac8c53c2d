"""Training of the focus-control policies.

First by the paper's rule: REINFORCE with a baseline, reward 1 where the chosen window of J was
still out of focus. That teaches where to focus, but neither what a frame costs nor when to
stop; the result is kept as the policy `paper`. Then by proximal policy optimisation
(Schulman et al., 2017): in still scenes on coverage less the costs of frames and travel, with
stopping as an action; in moving scenes on the PSNR of J.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from aif_ros.control.policy_network import POLICY_WEIGHTS, PolicyNetwork
from aif_ros.training.card import About, DataSet
from aif_ros.training.focus_task import Task
from aif_ros.training.policy_data import PolicyData
from aif_ros.training.policy_evaluation import evaluate
from aif_ros.training.policy_losses import (
    masked_distribution,
    normalised,
    ppo_loss,
    reinforce_loss,
)
from aif_ros.training.policy_recipe import PolicyRecipe
from aif_ros.training.policy_rollout import (
    draw_task,
    of_scene_type,
    ppo_rollout,
    reinforce_rollout,
)
from aif_ros.training.trainer import Training, TrainingStep

_ADAM_EPSILON = 1e-5
"""As in cleanrl's PPO."""


class PolicyTraining(Training[PolicyNetwork]):
    """Training of the policies, on the CPU: in simulated scenes, by REINFORCE and then by PPO."""

    kind = POLICY_WEIGHTS
    recipe: PolicyRecipe
    optimiser_name = "Adam (Kingma and Ba, ICLR 2015), PyTorch"
    about = About(
        "Focus-control policies",
        "rate the next lens position, and stopping, from the belief over where each cell of the "
        "defocus map focuses; they see no image. Convolutions along the lens's travel, in units of "
        "the depth of focus: the same weights for any lens, image size and grid of cells.",
        "Simulated scenes (`aif_ros/training/focus_scenes.py`), read with errors as the blur "
        "estimator made them on rendered frames of the files below. No pixel of them is learned "
        "from.",
        "In the simulation, in scenes that were not trained on. Still scenes: mean coverage, share "
        "of scenes covered to 97 %, frames, their ratio to those of an oracle that covers every "
        "depth, PSNR of J less that of a full sweep (dB), share of episodes that it stopped by "
        "itself. Moving scenes: mean PSNR of J (dB), and of a triangular sweep.",
        "aif benchmark control",
        (
            "What the defocus maps do not show is unknown to it: textureless cells count as "
            "focused.",
            "It has no estimate of velocities: in moving scenes its belief decays and it looks "
            "again.",
        ),
    )

    def __init__(self, recipe: PolicyRecipe, data: PolicyData) -> None:
        """Keep what to train on.

        Args:
            recipe: how to train.
            data: what to train on.
        """
        self.recipe, self._data = recipe, data
        self.files = data.files

    def build(self) -> PolicyNetwork:
        """Return the untrained network."""
        return PolicyNetwork()

    def optimiser(self, network: PolicyNetwork) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(network.parameters(), self.recipe.learning_rate, eps=_ADAM_EPSILON)

    def learning_rate(self, step: int) -> float:
        """Return the rate of a step: constant under the paper's rule, then a cosine to zero."""
        return self.recipe.learning_rate * self._fall(step)

    def random(self, rank: int, step: int) -> np.random.Generator:
        """Return the random numbers of a step; by the order in which one process always drew."""
        return np.random.default_rng((self.recipe.seed, step, rank))

    def update(self, step: TrainingStep[PolicyNetwork]) -> dict[str, float]:
        """Update the weights by one rollout, by the rule of that step."""
        recipe = self.recipe
        task, width = draw_task(recipe, step.random)
        if step.number < recipe.reinforce_iterations:
            # In still and in moving scenes in turn.
            name = ("still", "moving")[step.number % 2]
            return self._reinforce(step, of_scene_type(task, name), width)
        if step.number == recipe.reinforce_iterations:
            self._start_from_paper(step.network)
        return self._ppo(step, task, width)

    def validate(self, network: PolicyNetwork) -> dict[str, float]:
        """See `evaluate`; in few scenes."""
        return evaluate(network, self._data.scenes, scenes=self.recipe.validation_scenes)

    def measure(self, network: PolicyNetwork) -> dict[str, float]:
        """See `evaluate`."""
        return evaluate(network, self._data.scenes, scenes=self.recipe.evaluation_scenes)

    def data(self) -> Sequence[DataSet]:
        """Return what the card says of the files and of the estimator's weights."""
        return self._data.description

    def _fall(self, step: int) -> float:
        """Factor on learning rate and entropy bonus."""
        first = self.recipe.reinforce_iterations
        if step < first:
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * ((step - first) / (self.recipe.steps - first))))

    def _start_from_paper(self, network: PolicyNetwork) -> None:
        """Start the policies of PPO from the weights that the paper's rule has given."""
        if self.recipe.initial and not self.recipe.reinforce_iterations:
            # There are none: they continue from the initial weights.
            return
        for name in self.recipe.scene_types:
            branch = getattr(network, name)
            gain_weight = branch.greed.detach().clone()
            branch.load_state_dict(network.paper.state_dict())
            branch.greed.data.copy_(gain_weight)

    def _reinforce(
        self, step: TrainingStep[PolicyNetwork], task: Task, width: int
    ) -> dict[str, float]:
        """Update by the paper's rule."""
        network, recipe = step.network, self.recipe
        rollout = reinforce_rollout(network, self._data.scenes, recipe, task, width)
        logits, value = network.paper(rollout.features)
        step.descend(
            reinforce_loss(logits, value, rollout.barred, rollout.actions, rollout.returns, recipe)
        )
        return {"paper/reward": rollout.reward}

    def _ppo(self, step: TrainingStep[PolicyNetwork], task: Task, width: int) -> dict[str, float]:
        """Update by PPO, on scenes of all types together."""
        network, recipe = step.network, self.recipe
        rollouts = {
            name: ppo_rollout(network, self._data.scenes, recipe, of_scene_type(task, name), width)
            for name in recipe.scene_types
        }

        def joined(attribute: str) -> Tensor:
            return torch.cat([getattr(rollout, attribute) for rollout in rollouts.values()])

        features, barred, actions = joined("features"), joined("barred"), joined("actions")
        old, returns = joined("log_probabilities"), joined("returns")
        # Gains in still and in moving scenes are of different sizes: each type counts alike.
        advantages = torch.cat([normalised(rollout.advantages) for rollout in rollouts.values()])
        entropy_weight = recipe.ent_coef * self._fall(step.number)
        for _ in range(recipe.update_epochs):
            for part in torch.randperm(len(actions)).chunk(recipe.num_minibatches):
                logits, value = network(features[part])
                distribution = masked_distribution(logits, barred[part])
                policy_loss, value_loss = ppo_loss(
                    distribution,
                    value,
                    actions[part],
                    old[part],
                    advantages[part],
                    returns[part],
                    recipe.clip_coef,
                )
                entropy = distribution.entropy().mean()
                step.descend(policy_loss + recipe.vf_coef * value_loss - entropy_weight * entropy)
        return {f"{name}/reward": rollout.reward for name, rollout in rollouts.items()} | {
            "loss/value": float(value_loss.detach()),
            "loss/entropy": float(entropy.detach()),
        }
