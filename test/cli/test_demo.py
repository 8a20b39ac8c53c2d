"""The demo as a user runs it: a process that starts processes."""

import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext

import cv2
import numpy as np
import pytest
from patience import PATIENCE

from aif_ros.__main__ import main
from aif_ros.benchmarks import report
from aif_ros.bringup import recorder
from aif_ros.cli import _watch
from aif_ros.cli._watch import WatchedRun
from aif_ros.cli.demo import _decision_printer
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION
from aif_ros.pipeline.decision_record import DecisionRecord, Evidence

ROOT = DEFAULT_CALIBRATION.parents[3]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A small photo scene: texture at two depths."""
    folder = tmp_path_factory.mktemp("scenes") / "two_walls"
    folder.mkdir()
    texture = np.random.default_rng(5).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "image.png"), cv2.resize(texture, (160, 120)))
    depth = np.full((120, 160), 3.0, np.float32)
    depth[:, :80] = 1.0
    np.save(folder / "depth.npy", depth)
    return folder


LAUNCH = """#!/bin/sh
# Stands in for `ros2 launch aif_ros pipeline.launch.py NAME:=VALUE...`.
shift 3
echo "launch: $@"
exec "$PYTHON" -m aif_ros.bringup.start one_process "$@"
"""


@pytest.fixture
def ros2(tmp_path, monkeypatch):
    """Put a program named `ros2` on the path."""
    program = tmp_path / "bin" / "ros2"
    program.parent.mkdir()

    def write(text):
        program.write_text(text)
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHON", sys.executable)
    return write


@pytest.fixture
def demo(tmp_path):
    """Start `aif demo` in a ROS domain of its own."""
    started = []

    def start(*arguments):
        environment = os.environ | {
            "ROS_DOMAIN_ID": str(40 + os.getpid() % 60),
            "PYTHONUNBUFFERED": "1",
        }
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "aif_ros",
                "demo",
                "--preset",
                "classical",
                "--timeout",
                "3600",
                "--out",
                tmp_path / "demo",
                *arguments,
            ],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate()


def test_it_runs_by_itself_and_writes_everything(demo, scene, tmp_path):
    process = demo("--scene", scene, "--agent", "sweep", "--json", tmp_path / "copy.json")
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    result = json.loads((tmp_path / "demo" / "result.json").read_text())
    assert result == json.loads((tmp_path / "copy.json").read_text())
    assert (result["scene"], result["agent"]) == ("two_walls", "sweep")
    assert result["psnr"] > result["best_single_frame_psnr"] + 3
    assert (result["doubt"], result["frames_not_fused"]) == ("", 0)
    assert output.count("  frame ") >= result["frames_captured"]
    assert "all_in_focus.png" in output
    for name in ("first_frame.png", "ground_truth.png", "loop.webp", "report.html"):
        assert (tmp_path / "demo" / name).stat().st_size > 0


def test_a_line_is_printed_for_each_decision(capsys):
    show = _decision_printer()
    for number, stamp, reason in ((1, 10, "on"), (2, 10, "again"), (3, 20, "enough")):
        evidence = (Evidence(stamp, stamp, number * 1e-4),)
        show(DecisionRecord(number, stamp, evidence, None, None, reason, None))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("lens")[0].strip() for line in lines] == ["frame  1", "frame  1", "frame  2"]
    assert lines[1].endswith("lens at    200 µm  again")


def test_launch_starts_the_nodes_with_the_same_settings(demo, scene, ros2, tmp_path):
    ros2(LAUNCH)
    process = demo("--with", "launch", "--scene", scene, "--agent", "sweep", "--namespace", "demo")
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    log = (tmp_path / "demo" / "launch.log").read_text()
    for argument in ("preset:=classical", "agent:=sweep", "namespace:=demo", f"scene:={scene}"):
        assert argument in log
    assert "frame  2" in output
    result = json.loads((tmp_path / "demo" / "result.json").read_text())
    assert (result["scene"], result["agent"]) == ("two_walls", "sweep")


def test_the_end_of_launch_is_an_error_that_names_its_output(demo, scene, ros2, tmp_path):
    ros2("#!/bin/sh\nexit 1\n")
    process = demo("--with", "launch", "--scene", scene)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert f"ros2 launch has ended: see {tmp_path / 'demo' / 'launch.log'}" in errors
    assert "Traceback" not in errors


def test_a_missing_ros2_is_found_before_anything_is_done(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("aif_ros.cli.demo._scene", lambda graph: pytest.fail("renders the scene"))
    assert main(["demo", "--with", "launch", "--out", str(tmp_path / "demo")]) == 2
    error = capsys.readouterr().err
    assert "there is no `ros2`" in error
    assert "source ROS 2 first" in error
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        (
            ["--bits-per-sample", "12"],
            "--bits-per-sample has no effect on the images of a rendered",
        ),
        (["--camera", "0", "--lens", "simulated", "--width", "96"], "--width has no effect on"),
    ],
)
def test_options_without_an_effect_are_refused(tmp_path, capsys, options, refused):
    assert main(["demo", "--out", str(tmp_path / "demo"), *options]) == 2
    assert refused in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_a_width_holds_for_the_pictures_and_their_truth(demo, scene, tmp_path):
    process = demo("--scene", scene, "--agent", "sweep", "--width", "96")
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    for name in ("all_in_focus.png", "ground_truth.png"):
        assert cv2.imread(str(tmp_path / "demo" / name)).shape == (72, 96, 3)


def test_ctrl_c_keeps_what_was_recorded(demo, scene, tmp_path):
    # So shallow a depth of field takes dozens of captures.
    calibration = tmp_path / "lens.yaml"
    text = DEFAULT_CALIBRATION.read_text()
    calibration.write_text(text.replace("blur_per_metre: 90000.0", "blur_per_metre: 900000.0"))
    process = demo(
        *("--scene", scene, "--preset", "classical", "--agent", "sweep"),
        *("--calibration", calibration),
    )
    for line in process.stdout:
        if "frame  3" in line:
            process.send_signal(signal.SIGINT)
            break
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "Loop: interrupted" in output
    assert "Traceback" not in errors
    result = json.loads((tmp_path / "demo" / "result.json").read_text())
    assert result["frames_captured"] >= 2


def test_an_interrupt_after_the_loop_does_not_cost_the_image(tmp_path, monkeypatch):
    class Recorder:
        anything = True

        def wait_for_last_decision(self):
            signal.raise_signal(signal.SIGINT)

        def recording(self, name, lens_model):
            return name

    end = WatchedRun(None, "done", 1.0, interrupted=False, fault=False)
    written = []
    monkeypatch.setattr(_watch, "watch_loop", lambda *_: end)
    monkeypatch.setattr(recorder, "recording", lambda *_: nullcontext(Recorder()))
    monkeypatch.setattr(report, "write_fused_image", lambda *seen: written.append(seen))
    words = ["--scene", "planes", "--width", "96", "--preset", "classical"]
    assert main(["demo", *words, "--out", str(tmp_path)]) == 0
    assert written == [("planes", tmp_path)]


def test_a_scene_that_is_not_there_is_one_clear_error(demo, tmp_path):
    process = demo("--scene", tmp_path / "nowhere")
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "nowhere" in errors
    assert "Traceback" not in errors
