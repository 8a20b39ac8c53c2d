"""`aif devices`, and live calibration and loop on simulated devices that speak real protocols."""

import json
import re
import socket
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from demo_microscope import write_config

from aif_ros.__main__ import main
from aif_ros.cli import devices
from aif_ros.devices import discovery
from aif_ros.devices.device import DeviceError
from aif_ros.devices.simulators.moonlite import SimulatedMoonlite
from aif_ros.devices.simulators.serial_line import SerialSimulator
from aif_ros.optics.lens_model import LensModel


def test_a_device_that_answers(tmp_path, capsys):
    with SerialSimulator(SimulatedMoonlite(), tmp_path / "tty") as line:
        assert main(["devices", f"moonlite:{line.path}?high=8000"]) == 0
    text = capsys.readouterr().out
    assert "answers    yes" in text
    assert "limits     0 to 0.032 m" in text
    assert "position   0 m\n" in text
    assert f'--lens "moonlite:{line.path}?high=8000"' in text


def test_a_device_that_does_not_answer(tmp_path, capsys):
    results = tmp_path / "results.json"
    assert main(["devices", f"moonlite:{tmp_path}/nowhere", "--json", str(results)]) == 2
    captured = capsys.readouterr()
    assert "there is no such port" in captured.out
    assert "1 of 1 devices cannot be used" in captured.err
    (device,) = json.loads(results.read_text())["devices"]
    (problem,) = device["problems"]
    assert device["problem"] == problem
    assert "there is no such port" in problem


def test_an_unknown_backend(capsys):
    assert main(["devices", "telepathy:here"]) == 2
    shown = capsys.readouterr().out
    assert "there is no backend 'telepathy': choose from moonlite" in shown
    assert "ros_parameter" in shown


def test_a_wrong_text_does_not_stop_the_others(tmp_path, capsys):
    with SerialSimulator(SimulatedMoonlite(), tmp_path / "tty") as line:
        texts = ["telepathy:here", "moonlite", f"moonlite:{line.path}?high=8000"]
        assert main(["devices", *texts]) == 2
    captured = capsys.readouterr()
    assert "answers    yes" in captured.out
    assert "2 of 3 devices cannot be used" in captured.err


def problems(capsys):
    lines = capsys.readouterr().out.splitlines()
    return [line for line in lines if line.startswith("  problem ")]


def test_each_problem_has_a_line(capsys, monkeypatch):
    def fails(kind):
        def attempt(uri):
            raise DeviceError(f"the {kind} is broken")

        return attempt

    for kind in ("lens", "camera"):
        monkeypatch.setattr(devices, f"_try_{kind}", fails(kind))
    assert main(["devices", "indi:localhost/Both"]) == 2
    assert [line.split(maxsplit=1)[1] for line in problems(capsys)] == [
        "the lens is broken",
        "the camera is broken",
    ]


def test_what_lens_and_camera_have_in_common_is_said_once(capsys):
    assert main(["devices", f"indi:localhost:{_closed_port()}/Focuser Simulator"]) == 2
    (problem,) = problems(capsys)
    assert "there is no INDI server at localhost" in problem


def _closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Moonlite:/dev/x", "no backend 'Moonlite': did you mean moonlite?"),
        ("/dev/ttyUSB0", "put its backend in front, such as moonlite:/dev/ttyUSB0"),
        ("ros_parameter", "such as ros_parameter:/camera?preset=camera_ros"),
        ("indi:localhost:99999/Focuser", "a network port lies between 1 and 65535, got 99999"),
        ("alpaca:localhost:0", "a network port lies between 1 and 65535, got 0"),
        ("micro_manager:nowhere.cfg?low=0&high=1", "nowhere.cfg: there is no such file"),
        ("grbl:/etc/hostname", "this is no serial port"),
        ("v4l2:77", "focus of camera /dev/video77: there is no such device"),
        ("77", "cannot open camera 77: there is no /dev/video77"),
    ],
)
def test_mistakes_in_the_text(text, words, capsys):
    module = {"ros_parameter": "rclpy", "alpaca": "alpaca", "v4l2": "linuxpy"}
    if (needed := module.get(text.partition(":")[0])) is not None:
        pytest.importorskip(needed)
    if text.startswith("micro_manager"):
        pytest.importorskip("pymmcore_plus")
    assert main(["devices", text]) == 2
    shown = capsys.readouterr()
    assert words in shown.out + shown.err


def test_a_stage_without_limits_is_named_beside_the_camera(capsys):
    pytest.importorskip("pymmcore_plus", reason="needs pymmcore-plus")
    pytest.importorskip("mm_test_adapters", reason="needs mm-test-adapters")
    assert main(["devices", "micro_manager:demo"]) == 0
    text = capsys.readouterr().out
    assert '--camera "micro_manager:demo"' in text
    assert "no lens" in text
    assert "(?low=...&high=...)" in text


def test_a_lens_with_a_fault_is_not_also_blamed_as_a_camera(capsys):
    assert main(["devices", "indi:here", "micro_manager:nowhere.cfg?low=0&high=1"]) == 2
    text = capsys.readouterr().out
    assert text.count("an INDI device is given as HOST[:PORT]/DEVICE, got 'here'") == 1
    assert "has no setting" not in text


def test_an_inverted_lens_is_refused_before_it_moves(tmp_path, capsys):
    with SerialSimulator(SimulatedMoonlite(), tmp_path / "tty") as line:
        devices = ["--camera", "0", "--lens", f"moonlite:{line.path}?high=800"]
        output = ["-o", str(tmp_path / "lens.yaml"), "--higher-focuses", "far"]
        assert main(["calibrate", *devices, *output]) == 2
        assert not line.device.motor.commands
    words = f"(moonlite:{line.path}?high=800&metres_per_unit=-4e-06)"
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("limits", [("0", "0"), ("1e-5", "1e-6")])
def test_a_live_sweep_needs_a_range(limits, tmp_path, capsys):
    devices = ["--camera", "0", "--lens", "moonlite:/nowhere", "-o", str(tmp_path / "lens.yaml")]
    assert main(["calibrate", *devices, "--range", *limits]) == 2
    assert "--range must be LOW HIGH, got" in capsys.readouterr().err


def test_what_is_connected(tmp_path, capsys, monkeypatch):
    entry = tmp_path / "video2"
    entry.mkdir()
    (entry / "name").write_text("Microscope camera\n")
    (entry / "index").write_text("0\n")
    monkeypatch.setattr(discovery, "VIDEO", tmp_path)
    monkeypatch.setattr(discovery, "port_names", lambda: ["/dev/ttyUSB7"])
    monkeypatch.setattr(discovery, "_alpaca_focusers", lambda: iter(()))
    assert main(["devices"]) == 0
    text = capsys.readouterr().out
    assert "opencv:/dev/video2" in text
    assert "Microscope camera" in text
    assert "moonlite:/dev/ttyUSB7" in text
    assert "backends for lenses:" in text


def test_what_is_not_searched_for_and_how_to_install_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(discovery, "VIDEO", tmp_path)
    monkeypatch.setattr(discovery, "_indi_devices", lambda: iter(()))
    for package in ("serial", "serial.tools.list_ports", "alpaca", "alpaca.discovery"):
        monkeypatch.setitem(sys.modules, package, None)
    assert main(["devices"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"serial ports are not searched for: .* pip install '\.\[serial\]'", text)
    assert re.search(r"Alpaca servers are not searched for: .* pip install '\.\[alpaca\]'", text)


def test_a_simulated_device_serves_until_interrupted():
    command = [sys.executable, "-m", "aif_ros", "devices", "--simulate", "moonlite"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        text = process.stdout.readline().strip()
        assert main(["devices", text]) == 0
        process.send_signal(2)
        assert process.wait(10) in (0, 130)


class TestMicroscope:
    """The demonstration microscope of Micro-Manager: beads that blur with the stage."""

    @pytest.fixture
    def config(self, tmp_path):
        pytest.importorskip("pymmcore_plus", reason="needs pymmcore-plus")
        pytest.importorskip("mm_test_adapters", reason="needs mm-test-adapters")
        return write_config(tmp_path)

    def test_calibrate_then_run(self, config, tmp_path, capsys):
        calibration, picture = tmp_path / "lens.yaml", tmp_path / "sharp.png"
        focus_map = tmp_path / "height.tif"
        camera = f"micro_manager:{config}"
        options = ["--camera", camera, "--lens", f"{camera}?low=-15&high=15"]
        assert main(["calibrate", *options, "-o", str(calibration)]) == 0
        assert "autofocus: in focus" in capsys.readouterr().out
        assert (tmp_path / "lens_proof.png").is_file()
        # The adapter's beads blur by 0.5 pixels for each micrometre.
        assert LensModel.load(calibration).blur_per_metre == pytest.approx(5e5, rel=0.25)
        devices = ["--camera", camera, "--lens", camera]
        outputs = ["-o", str(picture), "--focus-map", str(focus_map)]
        preset = ["--preset", "classical"]
        calibrated = ["--calibration", str(calibration)]
        assert main(["run", *devices, *calibrated, *outputs, *preset]) == 0
        assert picture.is_file()
        height = tifffile.imread(focus_map)
        assert height.dtype == np.float32
        assert np.nanmedian(height) == pytest.approx(0, abs=3e-6)

    @pytest.fixture
    def calibration(self, tmp_path):
        path = tmp_path / "known.yaml"
        LensModel("demo", 1e-6, (-40e-6, 60e-6), 0.5e6, 512).save(path)
        return str(path)

    def test_autofocus(self, config, calibration, tmp_path, capsys):
        device, results = f"micro_manager:{config}", tmp_path / "results.json"
        devices = ["--camera", device, "--lens", device, "--calibration", calibration]
        options = ["--search", "fibonacci", "--start", "50e-6", "--exposure-time", "0.02"]
        outputs = ["--save", str(tmp_path / "out"), "--json", str(results)]
        assert main(["autofocus", *devices, *options, *outputs]) == 0
        result = json.loads(results.read_text())
        assert result["focused"]
        assert result["looks"][0][0] == pytest.approx(50e-6)
        assert result["position"] == pytest.approx(0, abs=2e-6)
        assert (tmp_path / "out" / "window.png").is_file()
        assert main(["autofocus", *devices, "--start", "1e-3"]) == 2
        assert "--start must lie within the travel, -4e-05 to 6e-05" in capsys.readouterr().err

    def test_run_takes_the_uris_that_aif_devices_prints(self, config, calibration, tmp_path):
        device, picture = f"micro_manager:{config}", tmp_path / "sharp.png"
        devices = ["--camera", device, "--lens", device, "--calibration", calibration]
        assert main(["run", *devices, "--preset", "classical", "-o", str(picture)]) == 0
        assert picture.is_file()

    def test_a_range_outside_the_travel(self, config, tmp_path, capsys):
        camera = f"micro_manager:{config}"
        options = ["--camera", camera, "--lens", f"{camera}?low=-15&high=15"]
        output = tmp_path / "lens.yaml"
        arguments = ["calibrate", *options, "--range", "0", "1", "-o", str(output)]
        assert main(arguments) == 2
        assert "--range must lie within the travel, -1.5e-05 to 1.5e-05" in capsys.readouterr().err
        assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["calibrate", "--camera", "0", "-o", "x.yaml"], "and --lens: --lens is missing"),
        (
            ["calibrate", "--camera", "0", "--lens", "x", "-o", "x.yaml", "--travel", "1e-3"],
            "--travel is for photographs",
        ),
        (["calibrate", "a.png", "--camera", "0", "-o", "x.yaml"], "give either photographs"),
        (["devices", "opencv:0", "--simulate", "moonlite"], "leave out opencv:0"),
        (["calibrate", "--camera", "0", "--lens", "magic:1", "-o", "x.yaml"], "no backend 'magic'"),
        (["calibrate", "a.png"], "give the file to write"),
        (["run", "--camera", "device"], "camera=device needs an explicit lens"),
        (["run", "--camera", "0", "--lens", "simulated"], "a real camera needs a real lens"),
        (["run", "--camera", "stack"], "camera=stack needs the folder of the focal stack"),
        (["run", "--camera", "stack", "--scene", "planes"], "there is no folder or file planes"),
        (["run", "--lens", "stack"], "lens=stack is the lens of a recorded focal stack"),
        (["run", "--lens", "simulated:x"], "lens=simulated has no address: leave out ':x'"),
        (["demo", "--lens", "stack"], "lens=stack is the lens of a recorded focal stack"),
        (
            ["run", "--camera", "0", "--lens", "grbl:x", "--scene", "planes"],
            "scene has no meaning with camera=0: leave it out",
        ),
        (["run", "--focus-map", "height.png"], "maps in metres are 32-bit TIFFs"),
        (["run", "--camera", "simulatd"], "there is no camera 'simulatd': choose from simulated"),
        (["run", "--lens", "moonlight:/dev/x", "--camera", "0"], "--lens must be one of simulated"),
        (["autofocus"], "name what to focus: a scene, the folder of a stack, or --camera and"),
        (["autofocus", "planes", "--camera", "0"], "give either a scene (planes) or --camera"),
        (["autofocus", "--camera", "0"], "a real camera needs --camera and --lens: --lens is"),
        (["autofocus", "--camera", "0", "--lens", "grbl:x"], "a real lens needs its calibration"),
        (
            ["autofocus", "--camera", "0", "--lens", "grbl:x", "--channel", "1"],
            "--channel is for recorded stacks",
        ),
        (
            ["run", "--camera", "device", "--lens", "moonlite:/dev/null"],
            "a real lens needs its calibration",
        ),
    ],
)
def test_incomplete_commands(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
