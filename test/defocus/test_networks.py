import pytest
import torch
from safetensors.torch import save_file

from aif_ros.defocus.networks import (
    DISCRIMINATOR,
    ESTIMATOR,
    Architecture,
    BlurNetwork,
    WeightsError,
    load_network,
    pool_votes,
    save_network,
)

SMALL = Architecture("estimator", (0.0, 2.0, 5.0), 4, (8, 4), (4, 4, 4), 6)


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


def test_weights_survive_a_round_trip(tmp_path) -> None:
    network = BlurNetwork(SMALL).eval()
    save_network(network, tmp_path / "w.safetensors", {"patch_temperature": 1.5})
    again, notes = load_network(tmp_path / "w.safetensors", "estimator")
    image = torch.rand(1, 1, 64, 64)
    assert torch.equal(again(image), network(image))
    assert again.architecture == SMALL
    assert notes == {"patch_temperature": 1.5}
    assert not again.training


class TestUnusableWeights:
    def refused(self, path, kind="estimator") -> str:
        with pytest.raises(WeightsError) as error:
            load_network(path, kind)
        assert str(path) in str(error.value)
        return str(error.value)

    def test_missing(self, tmp_path) -> None:
        assert "there is no weight file" in self.refused(tmp_path / "none.safetensors")

    def test_cut_off(self, tmp_path) -> None:
        path = tmp_path / "w.safetensors"
        save_network(BlurNetwork(SMALL), path, {})
        path.write_bytes(path.read_bytes()[:-20])
        assert "damaged" in self.refused(path)

    def test_not_safetensors(self, tmp_path) -> None:
        path = tmp_path / "w.safetensors"
        path.write_bytes(b"PK\x03\x04 a picture of a cat")
        assert "damaged or of another format" in self.refused(path)

    def test_foreign(self, tmp_path) -> None:
        path = tmp_path / "w.safetensors"
        save_file({"weight": torch.zeros(3)}, str(path))
        assert "another network" in self.refused(path)

    def test_the_other_network(self, tmp_path) -> None:
        path = tmp_path / "w.safetensors"
        save_network(BlurNetwork(SMALL), path, {})
        assert "the estimator, not the discriminator" in self.refused(path, "discriminator")

    def test_layers_that_do_not_fit(self, tmp_path) -> None:
        path = tmp_path / "w.safetensors"
        network = BlurNetwork(SMALL)
        network.classify = torch.nn.Conv2d(6, 5, 1)
        save_network(network, path, {})
        assert "damaged" in self.refused(path)

    def test_not_finite(self, tmp_path) -> None:
        path = tmp_path / "w.safetensors"
        network = BlurNetwork(SMALL)
        torch.nn.init.constant_(network.classify.weight, float("nan"))
        save_network(network, path, {})
        assert "not finite" in self.refused(path)
