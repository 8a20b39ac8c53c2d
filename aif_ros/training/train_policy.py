"""Training of the focus-control policies.

First by the paper's rule: REINFORCE with a baseline, reward 1 where the chosen window of J was
still out of focus. That teaches where to look but neither how many frames a look is worth nor when
to stop; the result is kept as the policy `paper`. Then by proximal policy optimisation (Schulman et
al., 2017): in still scenes on coverage less the costs of frames and travel, with stopping as an
action; in moving scenes on the PSNR of J.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from aif_ros.control.policy_network import POLICY_WEIGHTS, PolicyNetwork
from aif_ros.training.card import About, Run, describe_data
from aif_ros.training.checkpoint import Progress, Stopwatch, load_checkpoint, save_checkpoint
from aif_ros.training.policy_evaluation import evaluate
from aif_ros.training.policy_losses import (
    masked_distribution,
    normalised,
    ppo_loss,
    reinforce_loss,
)
from aif_ros.training.policy_recipe import PolicyRecipe
from aif_ros.training.policy_rollout import (
    SceneSource,
    draw_task,
    of_scene_type,
    ppo_rollout,
    reinforce_rollout,
)
from aif_ros.training.run import check_output, write_weights_and_card

_ADAM_EPSILON = 1e-5
"""As in cleanrl's PPO."""

ABOUT = About(
    "Focus-control policies",
    "rate the next lens position, and stopping, from the belief over where each cell of the "
    "defocus map focuses; they see no image. Convolutions along the lens's travel, in units of the "
    "depth of focus: the same weights for any lens, image size and grid of cells.",
    "Simulated scenes (`aif_ros/training/focus_scenes.py`), read with errors as the blur estimator "
    "made them on rendered frames of the files below, or of photographs that come with "
    "scikit-image. No pixel of them is learned from.",
    "In the simulation, in scenes that were not trained on. Still scenes: mean coverage, share of "
    "scenes covered to 97 %, frames, their ratio to those of an oracle that covers every depth, "
    "PSNR of J less that of a full sweep (dB), share of episodes that it stopped by itself. Moving "
    "scenes: mean PSNR of J (dB), and of a triangular sweep.",
    "aif benchmark control",
    (
        "What the defocus maps do not show is unknown to it: textureless cells count as focused.",
        "It has no estimate of velocities: in moving scenes its belief decays and it looks again.",
    ),
)


def train_policy(
    recipe: PolicyRecipe, source: SceneSource, folder: Path, *, resume: bool = False
) -> tuple[PolicyNetwork, Progress]:
    """Train the policies, from scratch or from the folder's checkpoint.

    Args:
        recipe: how to train.
        source: of scenes.
        folder: for checkpoint and TensorBoard.
        resume: continue from the folder's checkpoint.

    Returns:
        The network, and what it took, earlier runs included.

    Raises:
        CheckpointError: the training cannot be resumed.
    """
    torch.manual_seed(recipe.seed)
    network = PolicyNetwork()
    optimiser = torch.optim.Adam(network.parameters(), recipe.learning_rate, eps=_ADAM_EPSILON)
    progress = Progress()
    if resume:
        progress = load_checkpoint(folder, network, optimiser, asdict(recipe))
    first, watch = progress.step, Stopwatch(progress)
    folder.mkdir(parents=True, exist_ok=True)
    writer = SummaryWriter(str(folder), purge_step=first)
    total = recipe.reinforce_iterations + recipe.num_iterations
    shown = tqdm(range(first, total), initial=first, total=total, unit="iteration", mininterval=10)
    for iteration in shown:
        # Seeded each time, so that a resumed training continues like an uninterrupted one.
        random = np.random.default_rng((recipe.seed, iteration))
        torch.manual_seed(int(random.integers(2**62)))
        if iteration < recipe.reinforce_iterations:
            figures = _reinforce(network, optimiser, source, recipe, iteration, random)
        else:
            if iteration == recipe.reinforce_iterations:
                _start_from_paper(network, recipe.scene_types)
            share = (iteration - recipe.reinforce_iterations) / recipe.num_iterations
            figures = _ppo(network, optimiser, source, recipe, share, random)
        for name, value in figures.items():
            writer.add_scalar(name, value, iteration + 1)
        if (iteration + 1) % recipe.checkpoint_every == 0 or iteration + 1 == total:
            now = watch.progress(iteration + 1)
            save_checkpoint(folder, network, optimiser, now, asdict(recipe))
            shown.set_postfix({name: f"{value:.3f}" for name, value in figures.items()})
    writer.close()
    return network.eval(), watch.progress(total)


def _reinforce(
    network: PolicyNetwork,
    optimiser: torch.optim.Optimizer,
    source: SceneSource,
    recipe: PolicyRecipe,
    iteration: int,
    random: np.random.Generator,
) -> dict[str, float]:
    """One iteration by the paper's rule; in still and in moving scenes in turn."""
    task, width = draw_task(recipe, random)
    task = of_scene_type(task, ("still", "moving")[iteration % 2])
    rollout = reinforce_rollout(network, source, recipe, task, width)
    logits, value = network.paper(rollout.features)
    loss = reinforce_loss(logits, value, rollout.barred, rollout.actions, rollout.returns, recipe)
    _descend(network, optimiser, loss, recipe.max_grad_norm)
    return {"paper/reward": rollout.reward}


def _start_from_paper(network: PolicyNetwork, scene_types: Sequence[str]) -> None:
    """Start the policies of PPO from what the paper's rule has taught."""
    for name in scene_types:
        branch = getattr(network, name)
        greed = branch.greed.detach().clone()
        branch.load_state_dict(network.paper.state_dict())
        branch.greed.data.copy_(greed)


def _ppo(
    network: PolicyNetwork,
    optimiser: torch.optim.Optimizer,
    source: SceneSource,
    recipe: PolicyRecipe,
    progress: float,
    random: np.random.Generator,
) -> dict[str, float]:
    """One iteration of PPO, on scenes of all types together."""
    fall = 0.5 * (1 + math.cos(math.pi * progress))
    for group in optimiser.param_groups:
        group["lr"] = recipe.learning_rate * fall
    task, width = draw_task(recipe, random)
    rollouts = {
        name: ppo_rollout(network, source, recipe, of_scene_type(task, name), width)
        for name in recipe.scene_types
    }

    def joined(attribute: str) -> Tensor:
        return torch.cat([getattr(rollout, attribute) for rollout in rollouts.values()])

    features, barred, actions = joined("features"), joined("barred"), joined("actions")
    old, returns = joined("log_probabilities"), joined("returns")
    # Gains in still and in moving scenes are of different sizes: each type counts alike.
    advantages = torch.cat([normalised(rollout.advantages) for rollout in rollouts.values()])
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
            loss = policy_loss + recipe.vf_coef * value_loss - recipe.ent_coef * fall * entropy
            _descend(network, optimiser, loss, recipe.max_grad_norm)
    return {f"{name}/reward": rollout.reward for name, rollout in rollouts.items()} | {
        "loss/value": float(value_loss.detach()),
        "loss/entropy": float(entropy.detach()),
    }


def _descend(
    network: PolicyNetwork, optimiser: torch.optim.Optimizer, loss: Tensor, max_grad_norm: float
) -> None:
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), max_grad_norm)
    optimiser.step()


def train_and_save_policy(
    recipe: PolicyRecipe,
    source: SceneSource,
    files: Sequence[Path],
    output: Path,
    folder: Path,
    command: str,
    *,
    resume: bool = False,
    threads: int = 1,
) -> dict[str, float]:
    """Train the policies, score them, write weights and card.

    Args:
        recipe: how to train.
        source: of scenes.
        files: that the source was made from.
        output: weights to write, ending in .safetensors.
        folder: for checkpoint and TensorBoard.
        command: that does so, for the card.
        resume: continue from the folder's checkpoint.
        threads: CPU threads.

    Returns:
        The figures of `evaluate`.

    Raises:
        CheckpointError: the training cannot be resumed.
        OSError: a file cannot be read or written.
        TrainingError: `output` does not end in .safetensors.
    """
    check_output(output)
    torch.set_num_threads(threads)
    network, progress = train_policy(recipe, source, folder, resume=resume)
    figures = evaluate(network, source, scenes=recipe.evaluation_scenes)
    run = Run(
        command,
        asdict(recipe),
        "",
        describe_data(files),
        figures,
        1,
        "cpu",
        progress,
    )
    write_weights_and_card(output, POLICY_WEIGHTS, network, {}, ABOUT, run, files)
    return figures
