"""Which device networks are computed on, and that own weights can be named where one is chosen."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

from aif_ros.__main__ import main
from aif_ros.control.agents import make_agent
from aif_ros.defocus.estimators import make_estimator
from aif_ros.fusion.fuser import make_method
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.weights import WEIGHTS
from aif_ros.weights.device import ComputeDeviceError, choose_device, infer
from aif_ros.weights.files import WeightsError

LENS = LensModel.load(DEFAULT_CALIBRATION)


@pytest.fixture(autouse=True)
def fresh():
    choose_device.cache_clear()
    yield
    choose_device.cache_clear()


@pytest.mark.parametrize(
    ("name", "available", "chosen"),
    [
        ("cpu", True, "cpu"),
        ("cpu", False, "cpu"),
        ("auto", True, "cuda"),
        ("auto", False, "cpu"),
        ("cuda", True, "cuda"),
    ],
)
def test_order_of_devices(monkeypatch, capsys, name, available, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert choose_device(name).type == chosen
    assert capsys.readouterr().err == ""


def test_cuda_without_a_device_is_an_error_line(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ComputeDeviceError):
        choose_device("cuda")
    words = ["run", "--scene", "planes", "--width", "96", "--estimator", "neural"]
    assert main([*words, "--device", "cuda"]) == 2
    error = capsys.readouterr().err
    assert "there is no CUDA device" in error
    assert len(error.splitlines()) == 1


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


class Sum(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(1))

    def forward(self, value, pair):
        assert value.device == pair.first.device == pair.second.device == self.one.device
        return value + pair.first + pair.second + self.one, value


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
        ),
    ],
)
def test_inputs_go_to_the_device_and_results_come_back(device):
    network = Sum().to(device)
    value = torch.ones(2)
    results = infer(network, value, Pair(value, value))
    assert all(each.device.type == "cpu" and each.dtype == torch.float32 for each in results)
    assert results[0].tolist() == [4.0, 4.0]


@pytest.mark.parametrize(
    ("make", "weights"),
    [
        (lambda name: make_estimator(name, LENS), "blur"),
        (lambda name: make_agent(name, LENS), "policy"),
        (make_method, "fusion"),
    ],
    ids=["estimator", "agent", "fusion"],
)
def test_own_weights_can_be_named(make, weights, tmp_path):
    assert make(str(WEIGHTS / f"{weights}.safetensors")) is not None
    with pytest.raises(WeightsError, match="there is no weight file"):
        make(str(tmp_path / "missing.safetensors"))
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="damaged"):
        make(str(wrong))
    other = "fusion" if weights == "blur" else "blur"
    with pytest.raises(WeightsError, match="holds the"):
        make(str(WEIGHTS / f"{other}.safetensors"))


@pytest.mark.parametrize("option", ["--estimator", "--fusion", "--agent"])
def test_wrong_weights_are_one_line(option, capsys):
    assert main(["run", "--scene", "planes", "--width", "96", option, "mine.safetensors"]) == 2
    error = capsys.readouterr().err
    assert "mine.safetensors" in error
    assert len(error.splitlines()) == 1


def test_an_own_estimator_gives_what_the_shipped_one_gives():
    image = np.random.default_rng(0).random((128, 128)).astype(np.float32)
    shipped = make_estimator("neural", LENS).estimate(image)
    own = make_estimator(str(WEIGHTS / "blur.safetensors"), LENS).estimate(image)
    np.testing.assert_array_equal(own.in_focus, shipped.in_focus)
