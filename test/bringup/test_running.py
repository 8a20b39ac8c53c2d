"""The whole graph, in one process and in processes of its own, on a small scene."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from demo_microscope import write_config
from diagnostic_msgs.msg import DiagnosticArray
from patience import PATIENCE

import aif_ros
from aif_ros.__main__ import main
from aif_ros.bringup import supervisor
from aif_ros.bringup.graph import BringupError, pipeline_graph
from aif_ros.bringup.one_process import run_in_one_process
from aif_ros.bringup.processes import run_in_processes
from aif_ros.bringup.silent_topics import SilentTopics
from aif_ros.devices.image_files import read_image
from aif_ros.devices.simulators.gcode import SimulatedMarlin
from aif_ros.devices.simulators.serial_line import SerialSimulator
from aif_ros.nodes.topics import CAMERA_IMAGE, FUSED_IMAGE
from aif_ros.optics.lens_model import LensModel
from aif_ros.settings.pipeline import PipelineSettings

ROOT = Path(aif_ros.__file__).parents[1]
RUNNERS = {"one process": run_in_one_process, "processes": run_in_processes}


@pytest.fixture(autouse=True)
def domain(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(40 + os.getpid() % 60))


@pytest.fixture
def namespace(request):
    """Different for each test: nodes of other tests are not seen."""
    return (
        "test_" + "".join(c if c.isalnum() else "_" for c in request.node.name) + str(os.getpid())
    )


def small(namespace, **choices):
    small = {"scene": "planes", "width": 160, "preset": "classical", "agent": "sweep"}
    return pipeline_graph(PipelineSettings(**(small | {"namespace": namespace} | choices)))


@pytest.fixture
def stack(tmp_path):
    """A focal stack: a texture, of which each slice shows another third sharply."""
    folder = tmp_path / "stack"
    folder.mkdir()
    sharp = np.random.default_rng(0).integers(0, 256, (96, 192, 3), dtype=np.uint8)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 3)
    for index in range(3):
        picture = blurred.copy()
        columns = slice(64 * index, 64 * (index + 1))
        picture[:, columns] = sharp[:, columns]
        cv2.imwrite(str(folder / f"slice{index}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return folder, sharp


@pytest.mark.parametrize("how", RUNNERS)
def test_the_loop_runs_until_it_stops_by_itself(how, namespace, tmp_path):
    path = tmp_path / "fused.png"
    heard, times = [], []

    def hear(message):
        heard.append(FUSED_IMAGE.decode(message))
        times.append(time.monotonic())

    with RUNNERS[how](small(namespace, save_path=str(path))) as running:
        running.node.create_subscription(
            FUSED_IMAGE.message_type, FUSED_IMAGE.name, hear, FUSED_IMAGE.subscription_qos(10)
        )
        assert running.spin_until(lambda: running.stopped, PATIENCE)
        # The end may be reported before the last picture arrives.
        assert running.spin_until(lambda: times and time.monotonic() - times[-1] > 1.0, PATIENCE)
        assert running.state.frames_captured >= 3
        assert set(running.pids) == (
            {node.name for node in running.graph.nodes} if how == "processes" else set()
        )
        pids = list(running.pids.values())
    # What was fused has been saved on the way down, and nothing goes on running.
    saved = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(saved, heard[-1].image)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("how", RUNNERS)
def test_a_recorded_stack_goes_through_the_same_graph(how, namespace, stack, tmp_path):
    folder, sharp = stack
    path = tmp_path / "fused.png"
    graph = pipeline_graph(
        PipelineSettings(
            preset="classical",
            scene=str(folder),
            agent="sweep",
            namespace=namespace,
            save_path=str(path),
        )
    )
    with RUNNERS[how](graph) as running:
        assert running.spin_until(lambda: running.stopped, PATIENCE)
    fused = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(int)
    for index in range(3):
        middle = slice(64 * index + 16, 64 * index + 48)
        assert np.abs(fused[:, middle] - sharp[:, middle]).mean() < 5


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_a_node_that_dies_or_hangs_is_started_again(number, namespace, tmp_path):
    heard, pictures = [], []
    with run_in_processes(small(namespace), log_directory=tmp_path) as running:
        running.node.create_subscription(
            DiagnosticArray, "/diagnostics", lambda message: heard.extend(message.status), 10
        )
        running.node.create_subscription(
            FUSED_IMAGE.message_type,
            FUSED_IMAGE.name,
            pictures.append,
            FUSED_IMAGE.subscription_qos(10),
        )
        assert running.spin_until(lambda: running.stopped and pictures, PATIENCE)
        before = running.pids["fusion"]
        pictures.clear()
        os.kill(before, number)

        def status():
            found = [each for each in heard if each.name == f"{namespace}/supervisor"]
            return {pair.key: pair.value for pair in found[-1].values} if found else {}

        assert running.spin_until(lambda: status().get("fusion restarts") == "1", PATIENCE)
        assert running.spin_until(lambda: status().get("fusion") == "active", PATIENCE)
        assert running.pids["fusion"] != before
        # The focus controller starts again with the new J, and stops again.
        assert running.spin_until(lambda: pictures and running.stopped, PATIENCE)


def test_a_camera_that_is_no_longer_received_is_started_again(namespace, tmp_path, monkeypatch):
    take = SilentTopics.take

    def hear_nothing(topics, traffic, now):
        silent = {CAMERA_IMAGE.name: 4.2} if traffic.node == "fusion" else {}
        take(topics, replace(traffic, silent={**traffic.silent, **silent}), now)

    with run_in_processes(small(namespace), log_directory=tmp_path) as running:
        before = running.pids["camera"]
        monkeypatch.setattr(SilentTopics, "take", hear_nothing)
        assert running.spin_until(lambda: running.pids.get("camera", before) != before, PATIENCE)
        monkeypatch.setattr(SilentTopics, "take", take)
        assert running.spin_until(lambda: running.stopped, PATIENCE)


def test_a_node_that_dies_again_and_again_is_named(namespace, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_MOST_RESTARTS", 1)
    with run_in_processes(small(namespace), log_directory=tmp_path) as running:

        def kill():
            pid = running.pids.pop("lens", None)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                running.pids["lens"] = pid
            return False

        with pytest.raises(BringupError, match="node lens has ended by signal SIGKILL"):
            running.spin_until(kill, PATIENCE)


@pytest.mark.parametrize("how", RUNNERS)
def test_a_node_that_cannot_be_configured_gives_a_reason(how, namespace, tmp_path, capfd):
    options = {"log_directory": tmp_path} if how == "processes" else {}
    with (
        pytest.raises(BringupError, match="camera could not be configured") as error,
        RUNNERS[how](small(namespace, scene="/no/such/scene"), **options),
    ):
        pass
    words = str(error.value) if how == "processes" else capfd.readouterr().err
    assert "there is no scene '/no/such/scene'" in words
    assert "Traceback" not in words


@pytest.mark.parametrize("how", RUNNERS)
def test_a_parameter_that_is_not_allowed_gives_a_reason(how, namespace, tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("/**:\n  ros__parameters:\n    state_rate: -1.0\n")
    options = {"log_directory": tmp_path} if how == "processes" else {}
    with (
        pytest.raises(BringupError, match=r"(?s)lens.*state_rate.*-1"),
        RUNNERS[how](small(namespace, params_file=str(file)), **options),
    ):
        pass


def test_the_user_s_parameter_file_wins_over_the_package_s(namespace, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    frame_id: eye\n"
        "/**/lens:\n  ros__parameters:\n    state_rate: 77.0\n"
    )
    graph = small(namespace, params_file=str(file))
    with run_in_one_process(graph) as running:
        nodes = {node.get_name(): node for node in running.executor.get_nodes()}
        assert nodes["camera"].get_parameter("frame_id").value == "eye"
        assert nodes["lens"].get_parameter("state_rate").value == 77.0
        assert nodes["camera"].get_parameter("width").value == 160


def test_names_in_use_are_reported(namespace):
    with (
        run_in_one_process(small(namespace)),
        pytest.raises(BringupError, match=f"/{namespace}/autofocus, .* run already in ROS domain"),
        run_in_processes(small(namespace)),
    ):
        pass


def test_two_pipelines_in_two_namespaces_do_not_meet(namespace):
    with (
        run_in_one_process(small(namespace + "_a", agent="sweep")) as first,
        run_in_one_process(small(namespace + "_b", agent="rule_based")) as second,
    ):
        for running in (first, second):
            assert running.spin_until(lambda running=running: running.stopped, PATIENCE)
        assert first.state.agent == "sweep"
        assert second.state.agent == "rule_based"


WAYS = {"library": [], "one-process": ["--one-process"], "processes": ["--ros"]}


class TestCommand:
    """`aif run`."""

    def command(self, namespace, *words):
        options = ["--scene=planes", "--width=160", "--agent=sweep", "--preset=classical"]
        options.append(f"--namespace={namespace}")
        return [sys.executable, "-m", "aif_ros", "run", *options, *words]

    def run(self, command, **options):
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, **options
        )

    @pytest.mark.parametrize("how", ["library", "one-process", "processes"])
    def test_runs_and_reports(self, how, namespace, tmp_path):
        path, report = tmp_path / "fused.png", tmp_path / "run.json"
        namespace = "" if how == "library" else namespace
        result = self.run(
            self.command(namespace, *WAYS[how], "-o", str(path), "--json", str(report))
        )
        assert result.returncode == 0, result.stderr
        content = json.loads(report.read_text())
        assert content["stopped"]
        assert content["frames_captured"] >= 3
        assert (content["how"], content["agent"], content["scene"]) == (how, "sweep", "planes")
        assert cv2.imread(str(path)).shape == (120, 160, 3)

    @pytest.mark.parametrize(
        ("how", "signal_", "ripe"),
        [
            ("one-process", signal.SIGINT, "stopped after"),
            ("processes", signal.SIGINT, "stopped after"),
            ("processes", signal.SIGTERM, "stopped after"),
            ("processes", signal.SIGINT, "camera opened"),
        ],
    )
    def test_ends_well_when_interrupted(self, how, signal_, ripe, namespace, tmp_path):
        path = tmp_path / "fused.png"
        command = self.command(namespace, *WAYS[how], "--forever", "-o", str(path))
        lines = []
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout:
                lines.append(line)
                if ripe in line:
                    process.send_signal(signal_)
            process.wait(PATIENCE)
        output = "".join(lines)
        assert process.returncode == 0, output
        assert "Traceback" not in output
        assert path.exists() == (ripe == "stopped after")

    def test_ends_well_when_interrupted_while_the_nodes_start(self, namespace):
        command = self.command(namespace, "--ros", "--forever")
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            observer = psutil.Process(process.pid)
            while not observer.children():
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, output
        assert "Traceback" not in output

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
    def test_leaves_no_nodes_and_no_files_behind(self, number, namespace, stack, tmp_path):
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        words = ["--ros", "--forever", "--preset=classical", f"--scene={stack[0]}"]
        words.append(f"--namespace={namespace}")
        command = [sys.executable, "-m", "aif_ros", "run", *words]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            while "camera opened" not in process.stdout.readline():
                assert process.poll() is None
            nodes = psutil.Process(process.pid).children()
            assert len(nodes) == 5
            process.send_signal(number)
            process.stdout.read()
        assert process.returncode == (0 if number == signal.SIGHUP else -number)
        psutil.wait_procs(nodes, timeout=PATIENCE)
        assert not any(node.is_running() for node in nodes)
        assert not list(temporary.iterdir())

    def test_what_the_library_does_not_have(self, namespace):
        result = self.run(self.command(namespace))
        assert result.returncode == 2
        assert "--namespace needs ROS: add --ros" in result.stderr


def test_a_fused_image_that_could_not_be_saved_is_no_success(
    namespace, tmp_path, monkeypatch, capsys
):
    def full(path, image, *, sixteen_bit):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("aif_ros.nodes.saved_image.write_image", full)
    path = tmp_path / "fused.png"
    words = ["run", "--scene=planes", "--width=160", "--agent=sweep", "--one-process"]
    assert main([*words, f"--namespace={namespace}", "-o", str(path)]) == 2
    assert f"{path} has not been written" in capsys.readouterr().err
    assert not path.exists()


def test_a_video_that_ends_before_the_loop_ends_the_run(namespace, tmp_path, capsys):
    video, calibration = tmp_path / "short.avi", tmp_path / "lens.yaml"
    codec = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(video), codec, 15, (160, 120))
    for _ in range(3):
        writer.write(np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8))
    writer.release()
    calibration.write_text(
        "name: axis\nmetres_per_step: 2.5e-6\nlimits: [0.0, 0.01]\nblur_per_metre: 4000\n"
        "calibration_width: 160\n"
    )
    with SerialSimulator(SimulatedMarlin(), tmp_path / "port") as line:
        devices = ["--camera", str(video), "--lens", f"marlin:{line.path}"]
        choices = ["--calibration", str(calibration), "--preset", "classical", "--agent", "sweep"]
        code = main(["run", "--one-process", "--namespace", namespace, *devices, *choices])
    assert code == 2
    assert "short.avi has been played to its end" in capsys.readouterr().err


def test_a_microscope_in_one_process(namespace, tmp_path):
    """Camera and stage of Micro-Manager share a core, which two processes cannot."""
    pytest.importorskip("pymmcore_plus", reason="needs pymmcore-plus")
    pytest.importorskip("mm_test_adapters", reason="needs mm-test-adapters")
    device = f"micro_manager:{write_config(tmp_path)}"
    calibration, picture, result = (tmp_path / name for name in ("l.yaml", "j.tif", "r.json"))
    LensModel("demo", 1e-6, (-15e-6, 15e-6), 0.5e6, 512).save(calibration)
    devices = ["--camera", device, "--lens", device, "--calibration", str(calibration)]
    choices = ["--preset", "classical", "--agent", "sweep", "--namespace", namespace]
    outputs = ["-o", str(picture), "--json", str(result)]
    assert main(["run", "--one-process", *devices, *choices, *outputs]) == 0
    ended = json.loads(result.read_text())
    assert ended["stopped"]
    assert ended["frames_captured"] > 2
    assert ended["doubt"] == ""
    assert read_image(picture).shape == (512, 512)
