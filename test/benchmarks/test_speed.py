"""The benchmark of fusion's speed."""

import json

import numpy as np
import pytest

from aif_ros.__main__ import main
from aif_ros.benchmarks import speed
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.weights.runner import available_devices


@pytest.fixture(scope="module")
def lens_model():
    return LensModel.load(DEFAULT_CALIBRATION)


def test_halves_are_in_focus_in_turn(lens_model):
    still = speed.frame_sequence((96, 64), lens_model, moving=False).frames
    assert still[0].shape == (64, 96, 3) and still[0].dtype == np.float32
    left, right = (
        [np.abs(np.diff(f[:, half], axis=1)).mean() for f in still[:2]]
        for half in (np.s_[:48], np.s_[48:])
    )
    assert left[0] > left[1] and right[0] < right[1]
    moving = speed.frame_sequence((96, 64), lens_model, moving=True).frames
    assert np.abs(moving[0] - moving[2]).mean() > np.abs(still[0] - still[2]).mean()


def test_reference_keeps_sharp_parts():
    sharp = np.random.default_rng(0).random((64, 64, 3), np.float32)
    flat = np.full_like(sharp, 0.5)
    np.testing.assert_array_equal(speed.reference(flat, sharp)[8:-8, 8:-8], sharp[8:-8, 8:-8])


def test_networks_on_each_device(lens_model):
    measured = speed.on_devices(["laplacian", "neural"], available_devices(), lens_model)
    names = [name for name, _ in speed.stages((96, 64), lens_model, measured)]
    assert "still: update, laplacian" in names
    for device in available_devices():
        for stage in (f"defocus map, on {device}", f"window of 512x512, on {device}"):
            assert names.count(stage) == 1
        method = "neural" if device == "cpu" else f"neural on {device}"
        assert names.count(f"moving: update, {method}") == 1


def test_every_stage_has_a_time_and_a_ratio(tmp_path):
    file, picture = tmp_path / "speed.json", tmp_path / "speed.png"
    words = ["benchmark", "speed", "--sizes", "96x64", "128x96", "--methods", "laplacian"]
    words += ["--threads", "1", "--repeats", "1", "--json", str(file), "--plot", str(picture)]
    assert main(words) == 0
    found = json.loads(file.read_text())
    row, ratio = found["ms"]["1"]["96x64"], found["ratio"]["1"]["128x96"]
    assert {"reference", "still: update, laplacian", "moving: update, laplacian"} <= row.keys()
    assert {"moving: warp frame", "moving: view", "still: merge, laplacian"} <= row.keys()
    assert all(value > 0 for value in row.values())
    assert ratio["reference"] == 1
    assert picture.stat().st_size > 1000
    frames = json.loads(file.read_text())["ms_over_frames"]
    assert {len(times) for times in frames.values()} == {39}
    assert frames.keys() == {"still: update, laplacian", "moving: update, laplacian"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sizes", "640"], "640x480"),
        (["--sizes", "8x8"], "64 pixels or more"),
        (["--methods", "magic"], "no fusion method 'magic'"),
        (["--threads", "0"], "at least 1"),
        (["--devices", "abacus"], "no device 'abacus'"),
    ],
)
def test_bad_options_are_refused(words, message, capsys):
    assert main(["benchmark", "speed", *words]) == 2
    assert message in capsys.readouterr().err
