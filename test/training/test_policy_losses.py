"""Losses and advantages against values computed by hand."""

import pytest
import torch

from aif_ros.training.policy_losses import (
    generalised_advantages,
    masked_distribution,
    normalised,
    ppo_loss,
)


def test_barred_actions_are_never_drawn() -> None:
    torch.manual_seed(0)
    barred = torch.tensor([[True, False, True, False]])
    distribution = masked_distribution(torch.tensor([[9.0, 0.0, 9.0, 0.0]]), barred)
    assert set(distribution.sample((200,)).flatten().tolist()) == {1, 3}
    assert float(distribution.entropy()) == pytest.approx(0.6931, abs=1e-4)


def test_advantages_of_lambda_one_are_discounted_returns_less_the_values() -> None:
    rewards = torch.tensor([[1.0], [2.0], [4.0]])
    values = torch.tensor([[0.5], [0.5], [0.5]])
    discounts = torch.full((3, 1), 0.5)
    advantages = generalised_advantages(
        rewards, values, torch.tensor([8.0]), torch.zeros(3, 1), discounts, 1.0
    )
    # 1 + 0.5 * (2 + 0.5 * (4 + 0.5 * 8)) = 4 and so on.
    assert advantages.flatten().tolist() == [3.5, 5.5, 7.5]


def test_nothing_is_carried_over_the_end_of_an_episode() -> None:
    rewards, values = torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1)
    ends, discounts = torch.tensor([[1.0], [0.0]]), torch.ones(2, 1)
    advantages = generalised_advantages(
        rewards, values, torch.tensor([100.0]), ends, discounts, 0.9
    )
    assert advantages.flatten().tolist() == [1.0, 102.0]


def test_lambda_zero_counts_one_reward() -> None:
    rewards, values = torch.ones(2, 1), torch.tensor([[3.0], [5.0]])
    advantages = generalised_advantages(
        rewards, values, torch.tensor([7.0]), torch.zeros(2, 1), torch.ones(2, 1), 0.0
    )
    assert advantages.flatten().tolist() == [1 + 5 - 3, 1 + 7 - 5]


@pytest.mark.parametrize(("advantage", "gains"), [(1.0, False), (-1.0, True)])
def test_too_large_a_change_in_the_wanted_direction_has_no_gradient(advantage, gains) -> None:
    logits = torch.tensor([[2.0, 0.0]], requires_grad=True)
    barred = torch.zeros(1, 2, dtype=torch.bool)
    distribution = masked_distribution(logits, barred)
    action = torch.tensor([0])
    old = distribution.log_prob(action).detach() - 1.0
    policy_loss, value_loss = ppo_loss(
        distribution,
        torch.tensor([1.0]),
        action,
        old,
        torch.tensor([advantage]),
        torch.tensor([3.0]),
        0.2,
    )
    policy_loss.backward()
    assert bool(logits.grad.abs().sum() > 0) is gains
    assert float(value_loss) == 4.0


def test_normalised_values() -> None:
    values = normalised(torch.tensor([1.0, 2.0, 3.0]))
    assert values.tolist() == pytest.approx([-1, 0, 1], abs=1e-5)
