import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage.data

from aif_ros.__main__ import main
from aif_ros.benchmarks.estimator import PatchResults, figures, measure, read, save_figures
from aif_ros.defocus.patch_blur import PatchBlur

PHOTO = cv2.resize(skimage.data.stereo_motorcycle()[0], (1100, 740))
RADII = np.linspace(0, 66, 67).astype(np.float32)


def patch(radius: float) -> SimpleNamespace:
    return SimpleNamespace(luma=None, radius=np.full((1, 1), radius))


def test_reads_mean_of_the_distribution_and_takes_unknown_as_least_sure() -> None:
    class Unknown:
        def estimate_patch(self, image) -> PatchBlur:
            return PatchBlur(np.nan, np.nan, np.nan, RADII, np.eye(67, dtype=np.float32)[8])

    readings = read(Unknown(), [patch(5.0)])
    assert readings.radius[0] == pytest.approx(8, abs=1e-3)
    assert np.isinf(readings.uncertainty[0])
    assert readings.in_focus[0] == 0.5


def test_surest_are_those_of_least_uncertainty() -> None:
    truth = np.arange(10.0)
    readings = PatchResults(truth, truth + np.arange(10), np.arange(10.0), np.zeros(10))
    assert readings.surest(0.5).truth.tolist() == [0, 1, 2, 3, 4]
    assert readings.within(3, 5).truth.tolist() == [3, 4]
    assert readings.mean_error() == 4.5


@pytest.fixture
def little_work(monkeypatch):
    monkeypatch.setattr("aif_ros.benchmarks.estimator.SIZE", 256)
    monkeypatch.setattr("aif_ros.benchmarks.estimator.NOISES", (1.5, 10.0))
    monkeypatch.setattr("aif_ros.benchmarks.estimator.EXPOSURES", (1.0,))


class Blind:
    """Answers 10 px whatever it sees."""

    def estimate_patch(self, image) -> PatchBlur:
        share = np.eye(67, dtype=np.float32)[10]
        return PatchBlur(10.0, 3.0, 0.3, RADII, share)


def test_figures_of_an_estimator_without_readings(tmp_path, little_work) -> None:
    result = measure(Blind(), [PHOTO], 10, seed=0)
    summary = figures(result)
    assert summary["mae_px_all"]["0-2"] == pytest.approx(9, abs=0.1)
    assert summary["bias_at_focus_px"] == pytest.approx(9.5, abs=0.2)
    assert summary["mae_px_all"]["27-60"] == pytest.approx(33.5, abs=0.1)
    assert summary["discriminator"] == {"accuracy": 0.5, "auc": 0.5}
    json.dumps(summary, allow_nan=False)
    for path in save_figures(result, tmp_path):
        assert path.stat().st_size > 10_000


def test_command_writes_json_with_the_documented_keys(tmp_path, capsys, little_work) -> None:
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos/one.png"), PHOTO)
    file = tmp_path / "out.json"
    words = ["benchmark", "estimator", "--photos", str(tmp_path / "photos"), "--patches", "10"]
    assert main([*words, "--json", str(file)]) == 0
    result = json.loads(file.read_text())
    assert (
        set(result["mae_px"])
        == set(result["mae_px_all"])
        == {*("0-2", "2-10", "10-27", "0-27", "27-60")}
    )
    assert {"bias_at_focus_px", "mae_px_noise10", "setup"} < set(result)
    assert set(result["discriminator"]) == {"accuracy", "auc"}
    assert "MAE" in capsys.readouterr().out


def test_command_refuses_a_folder_without_photos(tmp_path, capsys) -> None:
    assert main(["benchmark", "estimator", "--photos", str(tmp_path)]) == 2
    assert "no photo" in capsys.readouterr().err
