"""The autofocus benchmark on simulated trials."""

import json

import cv2
import numpy as np
import pytest

from aif_ros.__main__ import main
from aif_ros.autofocus.search import Decision, FocusMeasurement
from aif_ros.autofocus.searches import make_search
from aif_ros.benchmarks import autofocus as evaluation
from aif_ros.simulation.scenes.planes import texture

LENS = evaluation.paper_lens(1000)
CROP = texture((512, 512), np.random.default_rng(0))[..., 1]


def grainy_photo(seed):
    """Detail down to single pixels, as only truly sharp photos have."""
    random = np.random.default_rng(seed)
    grain = 0.1 * random.standard_normal((1000, 1000, 1))
    return (255 * np.clip(texture((1000, 1000), random) + grain, 0, 1)).astype(np.uint8)


class Goes:
    """Goes to the places given and stays at the last."""

    def __init__(self, *places):
        self._places = places

    def begin(self, position, limits, image_width):
        self.measurements = []

    def update(self, patch, position):
        self.measurements.append(FocusMeasurement(position, float(patch.std())))
        count = len(self.measurements)
        return Decision(self._places[min(count, len(self._places)) - 1], count > 2, True, "")


def bench(start=0.2e-3, focus=0.5e-3, **options):
    settings = {"breathing": False, "backlash": 0.0, **options}
    return evaluation.Bench(evaluation.Trial(CROP, focus, start, 1), LENS, **settings)


def test_a_run_is_judged_by_the_truth():
    run = evaluation.run_trial(Goes(0.8e-3, 0.505e-3, 0.51e-3), bench(), LENS)
    assert run.images == 3
    assert run.error == pytest.approx(10e-6)
    assert run.success
    assert run.blurs == pytest.approx([27.0, 27.0, 0.45])
    assert not evaluation.run_trial(Goes(0.5e-3, 0.5e-3, 0.512e-3), bench(), LENS).success


def test_a_move_that_blurs_is_hunting():
    run = evaluation.run_trial(Goes(0.1e-3, 0.5e-3, 0.5e-3), bench(), LENS)
    assert run.hunting == 0.5


def test_backlash_keeps_the_optics_behind():
    with_play = bench(backlash=10e-6)
    with_play.move_to(0.5e-3)
    assert with_play.motor == pytest.approx(0.5e-3)
    assert 0 < with_play.error <= 10e-6


def test_breathing_changes_the_scale():
    still, breathing = (bench(breathing=each).capture() for each in (False, True))
    assert np.abs(still - breathing).mean() > 0.002


def test_near_starts_are_near():
    photo = grainy_photo(seed=1)
    for near in (True, False):
        trials = evaluation.make_trials([photo], LENS, 12, near, seed=0)
        away = [abs(trial.start - trial.focus) for trial in trials]
        assert (max(away) <= 300e-6) == near


def test_figures_are_those_that_the_paper_gives():
    runs = [evaluation.TrialResult(n, n * 1e-6, n < 12, True, 0.5, [1.0]) for n in range(1, 21)]
    figures = evaluation.figures({"neural": runs}, LENS)["neural"]
    assert set(figures) == {
        "images_mean",
        "images_median",
        "images_p95",
        "success_rate",
        "false_focus_rate",
        "error_steps_median",
        "hunting_rate",
    }
    assert figures["images_mean"] == figures["images_median"] == 10.5
    assert figures["success_rate"] == 0.55
    assert figures["false_focus_rate"] == 0.45
    assert figures["error_steps_median"] == pytest.approx(10.5)


def test_command(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    cv2.imwrite(str(photos / "sharp.png"), grainy_photo(seed=2))
    results = tmp_path / "results.json"
    arguments = ["--photos", str(photos), "--near", "--trials", "2", "--json", str(results)]
    arguments += ["--search", "neural", "fibonacci", "--save", str(tmp_path)]
    assert main(["benchmark", "autofocus", *arguments]) == 0
    assert (tmp_path / "autofocus.png").stat().st_size > 0
    result = json.loads(results.read_text())
    assert set(result) == {"methods", "conditions", "setup"}
    assert set(result["methods"]) == {"neural", "fibonacci"}
    assert result["setup"]["photos"] == 1


def test_searches_do_the_same_trials():
    trial = evaluation.Trial(CROP, 0.5e-3, 0.4e-3, 1)
    searches = {"one": make_search("fibonacci", LENS), "two": make_search("fibonacci", LENS)}
    runs = evaluation.compare(searches, [trial], LENS)
    assert runs["one"] == runs["two"]
