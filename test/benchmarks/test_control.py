import json

import numpy as np
import pytest
from noise_planes import LENS, WIDTH, Contrast, Steps, rig

from aif_ros.__main__ import main
from aif_ros.benchmarks import control_scenes
from aif_ros.benchmarks.control import (
    LENS_CONDITIONS,
    moving_figures,
    play_still,
    scene_figures,
    still_figures,
)
from aif_ros.benchmarks.control_episode import run_episode
from aif_ros.benchmarks.control_figure import save_episode_figure
from aif_ros.control.agents import make_agent
from aif_ros.control.sweep import sweep_positions
from aif_ros.defocus import estimators
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.truth import Truth


@pytest.fixture(scope="module")
def still():
    agents = {name: make_agent(name, LENS) for name in ("sweep", "planner")}
    return play_still(Steps(), agents, rig(Steps()), 0.8e-3)


@pytest.fixture(scope="module")
def moving():
    scene = Steps(moving=True)
    agents = {name: make_agent(name, LENS, dynamic=True) for name in ("sweep", "planner")}
    return {
        name: run_episode(scene, name, agent, rig(scene), 0.8e-3, 1.0)
        for name, agent in agents.items()
    }


class TestStillScenes:
    def test_the_oracle_needs_one_frame_for_each_plane(self, still):
        oracle = still["oracle"]
        assert oracle.frames == 1 + 3
        assert oracle.stopped
        assert oracle.covered >= 0.99
        assert oracle.hunting_rate == 0.0

    def test_the_sweep_captures_at_all_its_positions(self, still):
        positions = len(sweep_positions(LENS, WIDTH))
        assert still["sweep"].frames == 1 + positions
        assert still["sweep"].hunting_rate > 0.5
        assert still["sweep"].in_focus_share[-1] == 1.0

    def test_time_is_the_lens_and_the_frames(self, still):
        sweep = still["sweep"]
        # At least the frame periods, at most these and the way there and through the travel.
        assert (sweep.frames - 1) / 30 <= sweep.seconds <= 2 * sweep.frames / 30 + 2.3e-3 / 5e-3

    def test_the_summary_compares_with_oracle_and_sweep(self, still):
        figures = still_figures([still])
        assert figures["oracle"]["frames_over_oracle"] == 1.0
        assert figures["sweep"]["psnr_minus_sweep"] == 0.0
        ratio = still["sweep"].frames / still["oracle"].frames
        assert figures["sweep"]["frames_over_oracle"] == pytest.approx(ratio)
        assert figures["sweep"]["covered"] == figures["sweep"]["worst_scene_covered"] == 1.0
        assert figures["planner"]["covered"] == still["planner"].covered
        difference = still["planner"].psnr[-1] - still["sweep"].psnr[-1]
        assert figures["planner"]["psnr_minus_sweep"] == pytest.approx(difference)

    def test_each_decision_was_timed(self, still):
        assert len(still["planner"].decision_seconds) >= still["planner"].frames
        assert min(still["planner"].decision_seconds) > 0


class TestMovingScenes:
    def test_ends_when_time_is_up(self, moving):
        for run in moving.values():
            assert run.reason == "time is up"
            assert 0.8 < run.seconds < 1.5

    def test_is_compared_at_every_frame_period(self, moving):
        for run in moving.values():
            assert len(run.psnr) == pytest.approx(30, abs=1)

    def test_what_moved_is_out_of_focus_at_once(self, moving):
        share = moving["sweep"].in_focus_share
        # The sweep has not come round again when two of the three planes change places.
        assert share[17] < max(share[:14])

    def test_the_summary_is_the_mean_over_time(self, moving):
        figures = moving_figures([moving])
        assert figures["sweep"]["psnr_mean"] == pytest.approx(np.mean(moving["sweep"].psnr))


def test_figures_of_no_scenes_are_empty():
    assert still_figures([]) == {}
    assert moving_figures([]) == {}


def test_every_scene_is_reported(still, moving):
    figures = scene_figures([still], [moving])
    assert figures["static"]["steps"]["planner"]["frames"] == still["planner"].frames
    assert "oracle" not in figures["dynamic"]["steps"]


def test_an_episode_can_be_drawn(tmp_path):
    episode = run_episode(
        Steps(), "planner", make_agent("planner", LENS), rig(Steps()), 0.8e-3, None
    )
    save_episode_figure(episode, LENS, tmp_path / "new" / "episode.png")
    assert (tmp_path / "new" / "episode.png").stat().st_size > 10_000


def test_the_command_reports_all_agents_and_draws_each_episode(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(estimators, "make_estimator", lambda *_: Contrast())
    monkeypatch.setattr(control_scenes, "still_scenes", lambda *_: [Steps()])
    monkeypatch.setattr(control_scenes, "moving_scenes", lambda *_: [Steps(moving=True)])
    path = tmp_path / "control.json"
    arguments = [
        "--scenes",
        "0",
        "--seconds",
        "0.2",
        "--json",
        str(path),
        "--save",
        str(tmp_path / "figures"),
    ]
    assert main(["benchmark", "control", *arguments]) == 0
    result = json.loads(path.read_text())
    agents = {"sweep", "rule_based", "planner", "learned", "paper"}
    assert set(result["static"]) == agents | {"oracle"}
    assert set(result["dynamic"]) == agents
    still = {"frames_mean", "frames_over_oracle", "psnr_final", "psnr_minus_sweep", "seconds"}
    still |= {"covered", "worst_scene_covered", "travel_mm", "remaining_estimate"}
    assert all(still <= set(figures) for figures in result["static"].values())
    moving = {"psnr_mean", "in_focus_share", "hunting_rate"}
    assert all(moving <= set(figures) for figures in result["dynamic"].values())
    assert result["setup"]["frame_rate"] > 0
    drawn = {figure.name for figure in (tmp_path / "figures").iterdir()}
    assert {"still_steps_oracle.png", "moving_steps_learned.png"} <= drawn
    assert len(drawn) == 11
    shown = capsys.readouterr()
    assert "frames_over_oracle" in shown.out
    assert "still, nominal: 100%" in shown.err


@pytest.mark.parametrize(
    "option",
    [
        "--frame-rate=0",
        "--frame-rate=500",
        "--frame-rate=nan",
        "--lens-speed=-1",
        "--scenes=-1",
        "--condition=fog",
        "--agents=swep",
        "--photos=/nowhere",
    ],
)
def test_impossible_values_are_refused(option, monkeypatch, capsys):
    monkeypatch.setattr(estimators, "make_estimator", lambda *_: Contrast())
    assert main(["benchmark", "control", option]) != 0
    assert option.split("=")[1].split("/")[-1] in capsys.readouterr().err


def test_conditions_change_the_lens_or_its_calibration():
    for name, factor in (("double_blur", 1.0), ("lens_15_percent_more", 1.15)):
        known, real = LENS_CONDITIONS[name].lenses(LENS)
        assert real.blur_per_metre == pytest.approx(factor * known.blur_per_metre)
    assert LENS_CONDITIONS["double_blur"].lenses(LENS)[0].blur_per_metre == 2 * LENS.blur_per_metre


def test_the_truth_has_the_geometry_of_the_fused_image():
    lens = LensModel("breathing", 1e-6, (0.0, 1.5e-3), 90000.0, 640, breathing_per_metre=100.0)
    picture, focus = Truth(Steps(), lens).at(0.0)
    assert picture.shape[:2] == focus.shape
    # The outer planes lose what the narrowest field of view does not cover.
    widths = [(focus[0] == value).sum() for value in np.unique(focus)]
    assert widths[1] > WIDTH // 3 > widths[0]
