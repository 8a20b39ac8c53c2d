"""Weight files of every network: read back as written, and refused in one line otherwise."""

import json
import os

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from aif_ros.control.policy_network import POLICY_WEIGHTS, PolicyNetwork
from aif_ros.defocus.network import BLUR_WEIGHTS, Architecture, BlurNetwork
from aif_ros.fusion.network import FUSION_WEIGHTS, FusionNetwork
from aif_ros.weights import WEIGHTS
from aif_ros.weights.files import Provenance, WeightsError, load_weights, save_weights

SMALL = Architecture((0.0, 2.0, 5.0), 4, (8, 4), (4, 4, 4), 6)
KINDS = (BLUR_WEIGHTS, FUSION_WEIGHTS, POLICY_WEIGHTS)


def network(kind):
    return {"fusion": FusionNetwork, "policy": PolicyNetwork}.get(
        kind.name, lambda: BlurNetwork(SMALL)
    )()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.safetensors"


def rewrite(path, change) -> None:
    """Write the file again with its header changed."""
    with safe_open(str(path), framework="pt") as file:
        header = json.loads(file.metadata()["aif_ros"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(header)
    save_file(tensors, str(path), metadata={"aif_ros": json.dumps(header)})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
class TestEveryKind:
    def test_round_trip(self, kind, path) -> None:
        written = network(kind)
        provenance = Provenance({"seed": 3}, "abc", ("1234",))
        save_weights(path, kind, written, {"patch_temperature": 1.5}, provenance)
        loaded = load_weights(path, kind)
        assert loaded.network.architecture == written.architecture
        assert not loaded.network.training
        for name, value in written.state_dict().items():
            assert torch.equal(loaded.network.state_dict()[name], value)
        assert loaded.fitted == {"patch_temperature": 1.5}
        assert loaded.provenance == provenance

    def test_shipped_weights_load(self, kind) -> None:
        load_weights(WEIGHTS / f"{kind.name}.safetensors", kind)
        assert (WEIGHTS / f"{kind.name}.md").is_file()

    def test_absurd_architecture_is_refused_before_it_is_built(self, kind, path) -> None:
        save_weights(path, kind, network(kind))

        def change(header) -> None:
            for name, value in header["architecture"].items():
                if isinstance(value, int):
                    header["architecture"][name] = 10**9
                elif name == "widths":
                    header["architecture"][name] = [10**9] * len(value)

        rewrite(path, change)
        refused(path, kind, "damaged")

    def test_largest_allowed_architecture_of_an_empty_file_is_refused(self, kind, path) -> None:
        save_weights(path, kind, network(kind))

        def change(header) -> None:
            for name in {"width", "head"} & set(header["architecture"]):
                header["architecture"][name] = 512
            if "widths" in header["architecture"]:
                header["architecture"]["widths"] = [512] * len(header["architecture"]["widths"])

        rewrite(path, change)
        refused(path, kind, "do not fit its architecture")


def refused(path, kind, words) -> None:
    with pytest.raises(WeightsError) as error:
        load_weights(path, kind)
    assert str(path) in str(error.value)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


class TestUnusableFile:
    def test_missing(self, path) -> None:
        refused(path, FUSION_WEIGHTS, "aif train fusion")

    def test_folder_and_pipe(self, tmp_path) -> None:
        os.mkfifo(tmp_path / "pipe")
        refused(tmp_path, BLUR_WEIGHTS, "there is no weight file")
        refused(tmp_path / "pipe", BLUR_WEIGHTS, "there is no weight file")

    @pytest.mark.parametrize("kept", [0, 7, 300, -20])
    def test_cut_off(self, path, kept) -> None:
        save_weights(path, BLUR_WEIGHTS, BlurNetwork(SMALL))
        path.write_bytes(path.read_bytes()[:kept])
        refused(path, BLUR_WEIGHTS, "damaged")

    def test_not_safetensors(self, path) -> None:
        path.write_bytes(b"PK\x03\x04 a picture of a cat")
        refused(path, BLUR_WEIGHTS, "damaged or not a safetensors file")

    def test_header_claims_terabytes(self, path) -> None:
        header = json.dumps(
            {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}
        )
        path.write_bytes(len(header).to_bytes(8, "little") + header.encode())
        refused(path, BLUR_WEIGHTS, "damaged")

    def test_foreign(self, path) -> None:
        save_file({"weight": torch.zeros(3)}, str(path))
        refused(path, BLUR_WEIGHTS, "another network")

    def test_other_kind(self, path) -> None:
        save_weights(path, BLUR_WEIGHTS, BlurNetwork(SMALL))
        refused(path, FUSION_WEIGHTS, "holds the blur network, not fusion")

    def test_other_version(self, path) -> None:
        save_weights(path, FUSION_WEIGHTS._replace(version=1000), FusionNetwork())
        refused(path, FUSION_WEIGHTS, "version 1000 of the fusion network")

    def test_layers_that_do_not_fit(self, path) -> None:
        broken = BlurNetwork(SMALL)
        broken.classify = torch.nn.Conv2d(6, 5, 1)
        save_weights(path, BLUR_WEIGHTS, broken)
        refused(path, BLUR_WEIGHTS, "do not fit its architecture")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_not_finite(self, path, value) -> None:
        broken = BlurNetwork(SMALL)
        torch.nn.init.constant_(broken.classify.weight, float(value))
        save_weights(path, BLUR_WEIGHTS, broken)
        refused(path, BLUR_WEIGHTS, "not finite")

    @pytest.mark.parametrize(
        ("part", "value"),
        [
            ("widths", []),
            ("widths", [4, 4, 0]),
            ("radii", []),
            ("radii", [2.0, 1.0]),
            ("radii", [0.0, float("nan"), 5.0]),
            ("stem", [8, 3]),
            ("levels", 0),
            ("levels", "many"),
            ("colour", 3),
        ],
    )
    def test_crafted_architecture(self, path, part, value) -> None:
        save_weights(path, BLUR_WEIGHTS, BlurNetwork(SMALL))
        rewrite(path, lambda header: header["architecture"].update({part: value}))
        refused(path, BLUR_WEIGHTS, part)

    def test_deeply_nested_header(self, path) -> None:
        text = '{"format": ' + "[" * 100_000
        save_file({"a": torch.zeros(1)}, str(path), metadata={"aif_ros": text})
        refused(path, BLUR_WEIGHTS, "damaged")


def test_failed_write_leaves_the_older_file(path, monkeypatch) -> None:
    save_weights(path, POLICY_WEIGHTS, PolicyNetwork())
    before = path.read_bytes()

    def full_disk(descriptor) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_weights(path, POLICY_WEIGHTS, PolicyNetwork())
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
