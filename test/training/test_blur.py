"""Losses and temperature of the training of the blur network."""

import numpy as np
import pytest
import torch

from aif_ros.defocus.network import ARCHITECTURE, BlurNetwork
from aif_ros.simulation.patches import Patch
from aif_ros.training.blur_data import PatchBatch, collate
from aif_ros.training.blur_loss import blur_loss, mean_errors
from aif_ros.training.temperature import fit_scaling


def batch(radius: float, weight: float = 1.0) -> PatchBatch:
    return PatchBatch(
        torch.zeros(1, 64, 64, dtype=torch.uint8),
        torch.full((1, 1, 1), radius),
        torch.full((1, 1, 1), weight),
        torch.tensor([True]),
    )


def test_luma_and_labels_are_turned_alike() -> None:
    luma = np.zeros((128, 192), np.uint8)
    luma[:64, 128:] = 9
    radius = np.zeros((2, 3), np.float32)
    radius[0, 2] = 9
    patch = Patch(luma[:128, 64:], radius[:, 1:], radius[:, 1:], True)
    seen = set()
    for seed in range(40):
        turned = collate([patch], np.random.default_rng(seed))
        cells = turned.luma[0, 32::64, 32::64].float()
        assert torch.equal(cells, turned.radius[0])
        assert torch.equal(cells, turned.weight[0])
        seen.add(tuple(cells.flatten().tolist()))
    assert len(seen) == 4


@pytest.mark.parametrize("right", [10, 40])
def test_loss_is_least_for_the_right_class(right) -> None:
    losses = []
    for answer in range(len(ARCHITECTURE.radii)):
        logits = torch.zeros(1, len(ARCHITECTURE.radii), 2, 2)
        logits[:, answer] = 6.0
        losses.append(float(blur_loss(logits, batch(ARCHITECTURE.radii[right]))))
    assert int(np.argmin(losses)) == right


def test_untrusted_cells_teach_nothing() -> None:
    network = BlurNetwork(ARCHITECTURE)
    votes = network(torch.rand(1, 1, 64, 64))
    blur_loss(votes, batch(5.0, weight=0.0)).backward()
    assert float(network.classify.weight.grad.abs().max()) == 0


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


def test_errors_by_band_leave_out_the_unsure() -> None:
    truth = np.linspace(3, 9, 100)
    estimate = truth + 0.2
    deviation = np.full(100, 0.3)
    estimate[:15], deviation[:15] = 50.0, 9.0
    figures = mean_errors(estimate, deviation, truth)
    assert figures["mae/2-10"] == pytest.approx(0.2)
    assert figures["mae_all/2-10"] > 5
    assert "mae/27-60" not in figures
