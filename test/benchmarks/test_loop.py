"""The measured loop does what the loop does."""

import pytest

from aif_ros.benchmarks.loop import camera_rate, quality, run_core_loop
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.simulation.scenes.open_scene import open_scene


@pytest.fixture(scope="module")
def lens_model():
    return LensModel.load(DEFAULT_CALIBRATION)


def test_fused_picture_is_far_better_than_any_frame(lens_model):
    scene = open_scene("planes", lens_model, width=160)
    run = run_core_loop(scene, lens_model, "sweep")
    measured = quality(run, scene, lens_model)
    assert measured["frames"] == len(run.frames) > 2
    assert measured["gain_db"] > 3
    assert run.seconds > 0


def test_camera_rate_is_plausible(lens_model):
    scene = open_scene("planes", lens_model, width=96)
    assert 1 < camera_rate(scene, lens_model, lens_moves=True, seconds=0.05) < 100_000
