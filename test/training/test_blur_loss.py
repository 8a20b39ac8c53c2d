"""Loss of the blur network, and figures of its answers."""

import math

import numpy as np
import pytest
import torch

from aif_ros.defocus.network import ARCHITECTURE, BlurNetwork, log_radius
from aif_ros.simulation.patches import LARGEST_RADIUS
from aif_ros.training.blur_data import PatchBatch
from aif_ros.training.blur_loss import blur_loss, cross_entropy, draw_clear_radius, mean_errors

RADII = torch.tensor(ARCHITECTURE.radii)


def sure_of(index, strength=30.0):
    logits = torch.zeros(1, len(RADII))
    logits[0, index] = strength
    return logits


class TestCrossEntropy:
    @pytest.mark.parametrize("index", [0, 5, len(ARCHITECTURE.radii) - 2])
    def test_the_true_class_costs_nothing(self, index):
        assert float(cross_entropy(sure_of(index), RADII[index : index + 1])) < 0.3
        assert float(cross_entropy(sure_of(index + 1), RADII[index : index + 1])) > 25

    def test_between_two_classes_each_counts_by_its_distance(self):
        """A quarter of the way, on the scale of the classes."""
        place = log_radius(RADII[4]) + 0.25 * (log_radius(RADII[5]) - log_radius(RADII[4]))
        radius = 4 * torch.expm1(place)[None]
        logits = torch.full((1, len(RADII)), -50.0)
        logits[0, 4], logits[0, 5] = math.log(0.75), math.log(0.25)
        entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
        assert float(cross_entropy(logits, radius)) == pytest.approx(entropy, abs=1e-3)

    def test_radii_beyond_the_classes_are_the_last_one(self):
        radius = torch.tensor([1000.0])
        assert float(cross_entropy(sure_of(-1), radius)) < 0.1
        assert torch.isfinite(cross_entropy(sure_of(0), radius)).all()

    def test_no_opinion_costs_the_same_for_every_radius(self):
        radii = torch.linspace(0, 50, 20)
        losses = cross_entropy(torch.zeros(20, len(RADII)), radii)
        torch.testing.assert_close(losses, torch.full((20,), math.log(len(RADII))))


def test_clear_radii_leave_out_what_is_a_matter_of_the_limit():
    random = np.random.default_rng(0)
    sharp = [draw_clear_radius(True, random) for _ in range(500)]
    blurred = np.array([draw_clear_radius(False, random) for _ in range(500)])
    assert min(sharp) >= 0 and max(sharp) <= 0.7
    assert blurred.min() >= 1.5 and 0.8 * LARGEST_RADIUS < blurred.max() <= LARGEST_RADIUS
    assert (blurred < 10).mean() > 0.5


class TestMeanErrors:
    def test_by_radius_band(self):
        radius = np.array([1.0, 1.5, 5.0, 20.0, 40.0])
        estimate = radius + np.array([0.1, -0.3, 1.0, -2.0, 5.0])
        figures = mean_errors(estimate, np.ones(5), radius)
        assert figures["mae_all/0-2"] == pytest.approx(0.2)
        assert figures["mae_all/2-10"] == pytest.approx(1.0)
        assert figures["mae_all/0-27"] == pytest.approx(3.4 / 4)
        assert figures["mae_all/27-60"] == pytest.approx(5.0)

    def test_the_least_certain_are_left_out_of_the_first_figure(self):
        radius, deviation = np.full(100, 5.0), np.arange(100.0)
        estimate = np.where(deviation > 85, 15.0, 5.5)
        figures = mean_errors(estimate, deviation, radius)
        assert figures["mae/2-10"] == pytest.approx(0.5)
        assert figures["mae_all/2-10"] > 1.5

    def test_bands_without_radii_have_no_figure(self):
        assert set(mean_errors(np.ones(2), np.ones(2), np.ones(2))) == {
            *("mae/0-2", "mae_all/0-2"),
            *("mae/0-27", "mae_all/0-27"),
        }


def batch(radius: float, weight: float = 1.0) -> PatchBatch:
    return PatchBatch(
        torch.zeros(1, 64, 64, dtype=torch.uint8),
        torch.full((1, 1, 1), radius),
        torch.full((1, 1, 1), weight),
        torch.tensor([True]),
    )


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
