"""That ONNX Runtime gives the answers of PyTorch, and which of the two `auto` chooses."""

import json

import cv2
import numpy as np
import pytest
import torch

from aif_ros.benchmarks.latency import textured_image
from aif_ros.defocus.neural import NeuralBlurEstimator
from aif_ros.fusion.neural import NeuralFusion
from aif_ros.simulation.metrics import psnr
from aif_ros.types.image import to_float
from aif_ros.weights import runner
from aif_ros.weights.device import ComputeDeviceError
from aif_ros.weights.engines import engines

installed = pytest.mark.skipif(
    "onnxruntime" not in runner.available_devices(), reason="needs the extra 'fast'"
)


@pytest.fixture(autouse=True)
def cache_file(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "aif_ros" / "engines.json"


def blurred(width, height, sigma, seed=0):
    colours = [to_float(textured_image(width, height, seed + i)) for i in range(3)]
    return cv2.GaussianBlur(np.dstack(colours), (0, 0), sigma)


@installed
@pytest.mark.parametrize("size", [(64, 64), (200, 130), (330, 200)])
def test_blur_within_a_hundredth_of_a_pixel(size):
    image = blurred(*size, 2.0)
    one, other = (NeuralBlurEstimator(device=name) for name in ("cpu", "onnxruntime"))
    expected, found = one.estimate_patch(image), other.estimate_patch(image)
    assert found.radius == pytest.approx(expected.radius, abs=0.01, nan_ok=True)
    assert found.in_focus == pytest.approx(expected.in_focus, abs=0.001, nan_ok=True)
    expected, found = one.estimate(image), other.estimate(image)
    np.testing.assert_allclose(found.radius, expected.radius, atol=0.01)
    np.testing.assert_allclose(found.uncertainty, expected.uncertainty, atol=0.01)


@installed
@pytest.mark.parametrize("size", [(64, 48), (201, 131)])
def test_fusion_within_two_hundredths_of_a_decibel(size):
    sharp, soft = blurred(*size, 0.5), blurred(*size, 3.0)
    middle = size[0] // 2
    left = np.hstack([sharp[:, :middle], soft[:, middle:]])
    right = np.hstack([soft[:, :middle], sharp[:, middle:]])

    def fused(device):
        method = NeuralFusion(device=device)
        result = None
        for position, image in enumerate([left, right, soft, left]):
            result = method.merge(image, float(position), result)
        return psnr(result.image, sharp)

    assert fused("onnxruntime") == pytest.approx(fused("cpu"), abs=0.02)


def test_several_results_of_a_network_with_named_tuples_on_several_threads():
    pytest.importorskip("onnxruntime", reason="needs the extra 'fast'")
    method = NeuralFusion(device="onnxruntime")
    image = blurred(64, 64, 1.0)
    before = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            first = method.merge(image, 0.0, None)
            results.append(method.merge(blurred(64, 64, 1.0, 7), 1.0, first).image)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(*results, atol=1e-5)


class Clock:
    """Stands for the measurement: what it would give, and how often it was made."""

    def __init__(self, monkeypatch, by_torch, by_onnx):
        self.times, self.calls = (by_torch, by_onnx), 0
        monkeypatch.setattr(runner, "_milliseconds", self)

    def __call__(self, run, example):
        self.calls += 1
        return self.times[(self.calls - 1) % 2]


@installed
@pytest.mark.parametrize(
    ("by_torch", "by_onnx", "chosen"), [(5.0, 3.0, "ONNX Runtime"), (3.0, 5.0, "PyTorch")]
)
def test_auto_takes_the_faster_one_and_measures_once(monkeypatch, by_torch, by_onnx, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    clock = Clock(monkeypatch, by_torch, by_onnx)
    for _ in range(2):
        NeuralBlurEstimator(device="auto")
        assert engines()["blur"].startswith(chosen)
        assert f"PyTorch {by_torch} ms, ONNX Runtime {by_onnx} ms" in engines()["blur"]
    assert clock.calls == 2


@installed
@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', '{"a": ["b", null]}', "\0"])
def test_a_damaged_cache_is_replaced(monkeypatch, cache_file, content):
    clock = Clock(monkeypatch, 5.0, 3.0)
    cache_file.parent.mkdir()
    cache_file.write_text(content)
    NeuralBlurEstimator(device="auto")
    assert clock.calls == 2
    assert list(json.loads(cache_file.read_text()).values()) == [[5.0, 3.0]]


@installed
def test_without_a_folder_to_keep_it_in_auto_measures_each_time(monkeypatch, tmp_path):
    clock = Clock(monkeypatch, 5.0, 3.0)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    NeuralBlurEstimator(device="auto")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(runner.Path, "expanduser", lambda path: (_ for _ in ()).throw(RuntimeError))
    NeuralBlurEstimator(device="auto")
    assert clock.calls == 4


def test_without_the_extra(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(runner, "find_spec", lambda name: None)
    with pytest.raises(ComputeDeviceError, match=r"'\.\[fast\]'"):
        NeuralBlurEstimator(device="onnxruntime")
    NeuralBlurEstimator(device="auto")
    assert engines()["blur"] == "PyTorch on cpu"
