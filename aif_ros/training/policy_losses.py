"""Losses of the policies: REINFORCE with a baseline, and PPO.

By hand: no library at hand has PPO with masked actions over a number of positions that varies from
batch to batch.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from aif_ros.training.policy_recipe import PolicyRecipe


def masked_distribution(logits: Tensor, barred: Tensor) -> torch.distributions.Categorical:
    """Return the distribution over actions (B, K + 1) without those that are barred.

    Args:
        logits: (B, K + 1): K positions, and stopping.
        barred: (B, K + 1) bool.
    """
    return torch.distributions.Categorical(logits=logits.masked_fill(barred, -1e9))


def normalised(values: Tensor) -> Tensor:
    """Return values with mean 0 and standard deviation 1."""
    return (values - values.mean()) / (values.std() + 1e-8)


def generalised_advantages(
    rewards: Tensor,
    values: Tensor,
    last_value: Tensor,
    ends: Tensor,
    discounts: Tensor,
    gae_lambda: float,
) -> Tensor:
    """Estimate advantages (Schulman et al., "High-dimensional continuous control using GAE", 2016).

    Args:
        rewards: (T, B).
        values: (T, B) expected returns.
        last_value: (B,) expected return after the last frame.
        ends: (T, B) 1 where an episode ends.
        discounts: (T, B) of what follows each frame.
        gae_lambda: 0: only the next reward counts; 1: all.

    Returns:
        (T, B).
    """
    advantages = torch.zeros_like(rewards)
    running = torch.zeros_like(last_value)
    following = last_value
    for t in reversed(range(len(rewards))):
        going_on = 1 - ends[t]
        surprise = rewards[t] + discounts[t] * following * going_on - values[t]
        running = surprise + discounts[t] * gae_lambda * going_on * running
        advantages[t], following = running, values[t]
    return advantages


def reinforce_loss(
    logits: Tensor,
    value: Tensor,
    barred: Tensor,
    actions: Tensor,
    returns: Tensor,
    recipe: "PolicyRecipe",
) -> Tensor:
    """Return the loss of REINFORCE with the value as baseline; all (B,) but logits and barred.

    Args:
        logits: (B, A) of the actions.
        value: (B,) expected return.
        barred: (B, A) bool, actions that are not allowed.
        actions: (B,) those taken.
        returns: (B,) returns from there on.
        recipe: weights of the terms.
    """
    distribution = masked_distribution(logits, barred)
    advantage = returns - value
    gain = (normalised(advantage.detach()) * distribution.log_prob(actions)).mean()
    error = advantage.square().mean()
    result: Tensor = recipe.vf_coef * error - gain - recipe.ent_coef * distribution.entropy().mean()
    return result


def ppo_loss(
    distribution: torch.distributions.Categorical,
    value: Tensor,
    actions: Tensor,
    old_log_probabilities: Tensor,
    advantages: Tensor,
    returns: Tensor,
    clip_coef: float,
) -> tuple[Tensor, Tensor]:
    """Return the loss of the policy and that of the value (Schulman et al., "PPO", 2017).

    Args:
        distribution: over actions, (B, K + 1).
        value: (B,) expected returns.
        actions: (B,) of the rollout, as the next.
        old_log_probabilities: (B,) by the policy that acted.
        advantages: (B,).
        returns: (B,).
        clip_coef: largest change of a probability ratio that is rewarded.
    """
    ratio = (distribution.log_prob(actions) - old_log_probabilities).exp()
    clipped = ratio.clamp(1 - clip_coef, 1 + clip_coef)
    gain = torch.minimum(ratio * advantages, clipped * advantages).mean()
    return -gain, (value - returns).square().mean()
