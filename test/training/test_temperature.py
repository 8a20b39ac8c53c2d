"""Temperature scaling of votes."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from aif_ros.training.temperature import fit_scaling


def windows(random, temperature, growth, sides=(1, 4, 16), count=4000):
    """Truths drawn from probabilities, and the logits of a network that is too sure of them."""
    made = {}
    for cells in sides:
        logits = torch.tensor(random.normal(0, 1.5, (count, 3)))
        truth = torch.distributions.Categorical(logits=logits).sample()
        made[cells] = logits * temperature * cells**growth, truth
    return made


def cross_entropy(logits, truth):
    return functional.cross_entropy(logits, truth, reduction="none")


@pytest.mark.parametrize(("temperature", "growth"), [(1.0, 0.0), (3.0, 0.2), (0.5, 0.4)])
def test_finds_by_how_much_the_network_is_too_sure(temperature, growth):
    torch.manual_seed(0)
    drawn = windows(np.random.default_rng(0), temperature, growth)
    scaling = fit_scaling(drawn, cross_entropy)
    assert scaling.temperature == pytest.approx(temperature, rel=0.12)
    assert scaling.growth == pytest.approx(growth, abs=0.06)


def test_the_fitted_scaling_costs_least():
    torch.manual_seed(1)
    drawn = windows(np.random.default_rng(1), 2.0, 0.3, count=500)

    def cost(scaling_at):
        return sum(
            float(cross_entropy(logits / scaling_at(cells), truth).mean())
            for cells, (logits, truth) in drawn.items()
        )

    fitted = fit_scaling(drawn, cross_entropy)
    best = cost(fitted.at)
    for change in (0.7, 1.4):
        assert cost(lambda cells, change=change: change * fitted.at(cells)) > best


def test_temperature_of_overconfident_votes_is_above_one_and_grows_with_correlation() -> None:
    torch.manual_seed(0)
    truth = torch.randint(2, (4000,))
    # Right nine times in ten, whatever the number of cells, but with votes as if 999 in a thousand,
    # and twice as many of them where there are four times as many cells.
    shown = torch.where(torch.rand(4000) < 0.9, truth, 1 - truth)
    logits = 6.9 * torch.nn.functional.one_hot(shown, 2).float()
    windows = {1: (logits, truth), 4: (2 * logits, truth), 16: (4 * logits, truth)}
    temperature, growth = fit_scaling(
        windows, lambda x, y: torch.nn.functional.cross_entropy(x, y, reduction="none")
    )
    assert temperature == pytest.approx(6.9 / np.log(9), rel=0.1)
    assert growth == pytest.approx(0.5, abs=0.03)
