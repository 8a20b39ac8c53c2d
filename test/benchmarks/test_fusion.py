"""The comparison of fusion methods, on small things."""

import json
import os
import stat
from dataclasses import replace

import cv2
import numpy as np
import pytest

from aif_ros.__main__ import main
from aif_ros.benchmarks import stacking_tools
from aif_ros.benchmarks.fusion import (
    measure_moving,
    measure_pairs,
    measure_stacks,
    measure_still,
    render_frames,
)
from aif_ros.benchmarks.stacking_tools import ToolError, run_tool
from aif_ros.fusion.fuser import FUSION_METHODS
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.scenes.planes import PlanesScene, texture
from aif_ros.simulation.scenes.scene_motion import MovedCamera

LENS = LensModel.load(DEFAULT_CALIBRATION)
SHARP = (texture((96, 80), np.random.default_rng(3)) * 255).round().astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """A folder with one pair in it."""
    pair = tmp_path / "things" / "pair"
    pair.mkdir(parents=True)
    soft = cv2.GaussianBlur(SHARP, (0, 0), 3.0)
    left = np.arange(96)[None, :, None] < 48
    cv2.imwrite(str(pair / "1.png"), np.where(left, SHARP, soft))
    cv2.imwrite(str(pair / "2.png"), np.where(left, soft, SHARP))
    return tmp_path / "things"


@pytest.fixture
def no_others(monkeypatch):
    monkeypatch.setattr(stacking_tools, "_OTHERS", {})


def test_still_scene():
    figures, sheet = measure_still(PlanesScene(LENS, (96, 80)), LENS)
    assert set(figures) == {"best_frame", "oracle", *FUSION_METHODS}
    for method in FUSION_METHODS:
        assert figures["best_frame"]["psnr"] < figures[method]["psnr"] < figures["oracle"]["psnr"]
        assert figures[method]["seconds"] > 0
    assert "truth" in sheet.images


def test_truth_moves_as_the_picture_does():
    high = LENS.limits[1]
    lens = replace(LENS, breathing_per_metre=0.3 / high)
    scene = MovedCamera(PlanesScene(lens, (96, 80)), shake=8.0, seed=1)
    inner = (slice(24, -24), slice(24, -24))
    for frame in render_frames(scene, lens, [high] * 4):
        errors = {
            (down, right): psnr(
                frame.image[inner], np.roll(frame.truth, (down, right), axis=(0, 1))[inner]
            )
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
        }
        assert max(errors, key=errors.__getitem__) == (0, 0)


def test_alignment_helps_where_the_camera_moves():
    scene = MovedCamera(PlanesScene(LENS, (96, 80)), shake=3.0, seed=1)
    figures, _ = measure_moving(scene, LENS)
    row, aligned = figures["laplacian"], figures["laplacian, aligned"]
    assert aligned["psnr"] > row["psnr"] + 1
    assert aligned["stability"] > row["stability"]
    assert aligned["worst_gain"] > row["worst_gain"]


def test_pairs(folder, tmp_path, no_others):
    figures = measure_pairs([folder / "pair"], tmp_path / "sheets", lambda name: None)
    assert set(figures) == set(FUSION_METHODS)
    for row in figures.values():
        assert 0.6 < row["qabf"] < 1
        assert 0.8 < row["qmi"] < 2
    assert cv2.imread(str(tmp_path / "sheets" / "pair.png")) is not None


def test_stacks_are_fused_by_the_command_and_by_installed_tools(folder, tmp_path, monkeypatch):
    # A tool whose result is always the same.
    result = tmp_path / "result.tif"
    cv2.imwrite(str(result), cv2.imread(str(next((folder / "pair").iterdir()))))
    tool = tmp_path / "enfuse"
    tool.write_text(f'#!/bin/sh\nsleep 0.1\ncp {result} "$6"\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(stacking_tools, "FUSION_METHODS", ["laplacian"])
    figures = measure_stacks([folder / "pair"], None, lambda name: None)["pair"]
    assert {"laplacian", "enfuse"} <= set(figures)
    assert figures["laplacian"]["fog"] < 5
    assert figures["laplacian"]["peak_mb"] > 30 > figures["enfuse"]["peak_mb"]


def test_shinestacker_runs_in_the_python_it_is_installed_in(tmp_path, monkeypatch):
    python, program = tmp_path / "python", tmp_path / "shinestacker"
    # Writes what it has been asked to.
    python.write_text('#!/bin/sh\ntest -f "$1" && echo "$3" > "$2"\n')
    program.write_text(f"#!{python}\nimport sys\n")
    for file in (python, program):
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    output = tmp_path / "out.tif"
    run_tool(stacking_tools.other_tools()["shinestacker"](["a.jpg", "b.jpg"], str(output)), output)
    assert output.read_text() == "a.jpg\n"


def test_a_tool_that_fails_is_quoted(tmp_path):
    with pytest.raises(ToolError, match="code 3: no such stack"):
        run_tool(["sh", "-c", "echo no such stack; exit 3"], tmp_path / "out.tif")
    with pytest.raises(ToolError, match="code 0"):
        run_tool(["true"], tmp_path / "out.tif")


def test_command(folder, tmp_path, no_others, capsys):
    path = tmp_path / "out.json"
    assert main(["benchmark", "fusion", "--pairs", str(folder), "--json", str(path)]) == 0
    result = json.loads(path.read_text())
    assert set(result) == {"pairs", "setup"}
    assert set(result["pairs"]["neural"]) == {"qabf", "qmi", "seconds"}
    assert main(["benchmark", "fusion", "--video", str(folder)]) == 2
    assert "depth" in capsys.readouterr().err
