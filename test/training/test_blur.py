"""Losses and calibration of the blur networks' trainings."""

import numpy as np
import pytest
import torch

from aif_ros.defocus.networks import ESTIMATOR, BlurNetwork
from aif_ros.simulation.patches import Patch
from aif_ros.training.blur import Batch, collate
from aif_ros.training.temperature import fit_temperature
from aif_ros.training.train_discriminator import discriminator_loss
from aif_ros.training.train_estimator import estimator_loss, mean_errors


def batch(radius: float, weight: float = 1.0) -> Batch:
    return Batch(
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
def test_estimator_loss_is_least_for_the_right_class(right) -> None:
    losses = []
    for answer in range(len(ESTIMATOR.radii)):
        logits = torch.zeros(1, len(ESTIMATOR.radii), 2, 2)
        logits[:, answer] = 6.0
        losses.append(float(estimator_loss(logits, batch(ESTIMATOR.radii[right]))))
    assert int(np.argmin(losses)) == right


def test_discriminator_loss_prefers_the_right_side() -> None:
    logits = torch.full((1, 6, 2, 2), 2.0)
    assert discriminator_loss(logits, batch(0.2)) < discriminator_loss(-logits, batch(0.2))
    assert discriminator_loss(logits, batch(9.0)) > discriminator_loss(-logits, batch(9.0))


def test_untrusted_cells_teach_nothing() -> None:
    network = BlurNetwork(ESTIMATOR)
    votes = network(torch.rand(1, 1, 64, 64))
    estimator_loss(votes, batch(5.0, weight=0.0)).backward()
    assert float(network.classify.weight.grad.abs().max()) == 0


def test_temperature_of_overconfident_votes_is_above_one() -> None:
    torch.manual_seed(0)
    truth = torch.randint(2, (4000,))
    # Right nine times in ten, but as sure as if it were right 999 times in a thousand.
    shown = torch.where(torch.rand(4000) < 0.9, truth, 1 - truth)
    logits = 6.9 * torch.nn.functional.one_hot(shown, 2).float()
    temperature = fit_temperature(
        logits, lambda x: torch.nn.functional.cross_entropy(x, truth, reduction="none")
    )
    assert temperature == pytest.approx(6.9 / np.log(9), rel=0.1)


def test_errors_by_band_leave_out_the_unsure() -> None:
    truth = np.linspace(3, 9, 100)
    estimate = truth + 0.2
    deviation = np.full(100, 0.3)
    estimate[:15], deviation[:15] = 50.0, 9.0
    figures = mean_errors(estimate, deviation, truth)
    assert figures["mae/2-10"] == pytest.approx(0.2)
    assert figures["mae_all/2-10"] > 5
    assert "mae/27-60" not in figures
