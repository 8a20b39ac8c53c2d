import pytest
import torch

from aif_ros.defocus.networks import (
    DISCRIMINATOR,
    ESTIMATOR,
    BlurNetwork,
    pool_votes,
)


@pytest.mark.parametrize("architecture", [ESTIMATOR, DISCRIMINATOR])
@pytest.mark.parametrize("shape", [(64, 64), (64, 192), (256, 128)])
def test_one_vote_of_each_class_for_each_cell(architecture, shape) -> None:
    votes = BlurNetwork(architecture)(torch.rand(2, 1, *shape))
    assert votes.shape == (2, len(architecture.radii), shape[0] // 32, shape[1] // 32)


def test_classes_are_equally_spaced_on_the_scale_of_the_errors() -> None:
    positions = torch.log1p(torch.tensor(ESTIMATOR.radii) / 4)
    assert positions[0] == 0
    assert torch.allclose(positions.diff(), positions[1].expand(63), atol=1e-3)


def test_brightness_does_not_matter() -> None:
    network = BlurNetwork(ESTIMATOR).eval()
    image = 0.5 * torch.rand(1, 1, 128, 128)
    # The border is seen against zeros: the inner cells are blind to a constant.
    difference = network(image + 0.3) - network(image)
    contrast = network(image * 0.5) - network(image)
    assert difference.abs().max() < 10 * contrast.abs().max()


def test_votes_add_up_like_evidence_of_neighbours() -> None:
    votes = torch.zeros(1, 3, 4, 4)
    votes[0, 1] = 2.0
    assert pool_votes(votes)[0].tolist() == [0, 8, 0]
