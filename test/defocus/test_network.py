import pytest
import torch

from aif_ros.defocus.network import ARCHITECTURE, BlurNetwork, pool_votes


@pytest.mark.parametrize("shape", [(64, 64), (64, 192), (256, 128)])
def test_one_vote_of_each_class_for_each_cell(shape) -> None:
    votes = BlurNetwork(ARCHITECTURE)(torch.rand(2, 1, *shape))
    assert votes.shape == (2, len(ARCHITECTURE.radii), shape[0] // 32, shape[1] // 32)


def test_classes_are_equally_spaced_on_the_scale_of_the_errors() -> None:
    positions = torch.log1p(torch.tensor(ARCHITECTURE.radii) / 4)
    assert positions[0] == 0
    assert torch.allclose(positions.diff(), positions[1].expand(63), atol=1e-3)


def test_votes_of_inner_cells_do_not_depend_on_brightness() -> None:
    torch.manual_seed(0)
    network = BlurNetwork(ARCHITECTURE).eval()
    image = 0.5 * torch.rand(1, 1, 512, 512)
    with torch.inference_mode():
        votes, brighter = network(image), network(image + 0.3)
    # Six cells: beyond them no receptive field reaches the border, which is padded with zeros.
    inner = (..., slice(6, -6), slice(6, -6))
    torch.testing.assert_close(brighter[inner], votes[inner], rtol=0, atol=1e-5)
    assert votes[inner].std() > 0.01


def test_votes_add_up_like_evidence_of_neighbours() -> None:
    votes = torch.zeros(1, 3, 4, 4)
    votes[0, 1] = 2.0
    assert pool_votes(votes)[0].tolist() == [0, 8, 0]
