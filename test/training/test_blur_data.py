"""The samples of the blur network, in batches."""

import numpy as np
import pytest
import torch

from aif_ros.defocus.network import pool_votes
from aif_ros.simulation.patches import Patch
from aif_ros.training import blur_data
from aif_ros.training.blur_data import PatchBatch, collate, patch_loss


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


def squared(logits, radius):
    """Error of a network whose votes are the radius itself."""
    return (logits[:, 0] - radius) ** 2


def cells(radius, weight, one_depth):
    radius, weight = torch.tensor([radius]), torch.tensor([weight])
    luma = torch.zeros(1, 64 * radius.shape[1], 64 * radius.shape[2], dtype=torch.uint8)
    return PatchBatch(luma, radius, weight, torch.tensor([one_depth]))


@pytest.fixture
def whole_window(monkeypatch):
    """The window of random size is the whole patch."""
    monkeypatch.setattr(
        blur_data,
        "pool_random_window",
        lambda logits, weight: (pool_votes(logits), weight.mean(dim=(1, 2))),
    )


class TestPatchLoss:
    def test_is_that_of_each_cell_by_its_trust_and_of_the_window(self, whole_window):
        logits = torch.zeros(1, 1, 2, 4)
        logits[..., :2] = 0.5  # two by two votes count twice their mean
        batch = cells([[1.0, 3.0]], [[1.0, 3.0]], True)
        # Cells: 0 and 9; by trust (0 + 27) / 4. The window of votes 2 / sqrt(8) for a radius of 1.
        window = (2 / 8**0.5 - 1) ** 2
        assert float(patch_loss(logits, batch, squared)) == pytest.approx(27 / 4 + window)

    def test_a_patch_of_several_depths_has_no_window(self, whole_window):
        batch = cells([[1.0, 3.0]], [[1.0, 1.0]], False)
        assert float(patch_loss(torch.zeros(1, 1, 2, 4), batch, squared)) == pytest.approx(5.0)

    def test_without_trust_it_is_zero(self):
        batch = cells([[1.0, 3.0]], [[0.0, 0.0]], True)
        assert float(patch_loss(torch.zeros(1, 1, 2, 4), batch, squared)) == 0.0


def test_a_batch_has_a_label_for_each_pair_of_cells_of_the_network() -> None:
    label = np.ones((2, 2), np.float32)
    patch = Patch(np.zeros((128, 128), np.uint8), label, label, True)
    batch = collate([patch] * 3, np.random.default_rng(0))
    assert batch.luma.shape == (3, 128, 128)
    assert batch.radius.shape == batch.weight.shape == (3, 2, 2)
    assert batch.one_depth.tolist() == [True] * 3
