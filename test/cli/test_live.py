"""Faults of real devices, end to end: a focuser on a pseudo-terminal and a camera that sees it."""

import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rights import without_rights

from aif_ros.__main__ import main
from aif_ros.cli import _run_devices, _run_library
from aif_ros.devices import backends, serial_port
from aif_ros.devices.device import Capture
from aif_ros.devices.simulators.moonlite import SimulatedMoonlite
from aif_ros.devices.simulators.motor import SimulatedMotor
from aif_ros.devices.simulators.serial_line import SerialSimulator
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.renderer import Renderer, Sensor
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView

SIZE = (128, 96)
STEP = 4e-6
LENS = LensModel("test", STEP, (0.0, 1.6e-3), 14e3, SIZE[0])


class SceneCamera:
    """A camera that looks through the lens of a motor, at something in focus at 0.8 mm."""

    size = SIZE

    def __init__(self, motor):
        self._motor = motor
        view = SceneView(
            texture(SIZE, np.random.default_rng(0)), np.full(SIZE[::-1], 0.8e-3, np.float32)
        )
        self._renderer = Renderer(view, LENS)
        self._sensor = Sensor()

    def capture(self):
        image = self._sensor.expose(self._renderer.render(self._motor.position * STEP))
        return Capture(image, time.time_ns())

    def close(self):
        pass


@pytest.fixture
def folder():
    # pytest's own folders are closed to other users, whom `without_rights` needs.
    with tempfile.TemporaryDirectory(prefix="aif_") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def line(folder, monkeypatch):
    monkeypatch.setattr(serial_port, "REPLY_TIMEOUT", 0.2)
    motor = SimulatedMotor(position=10, speed=1000)
    monkeypatch.setattr(backends, "open_camera", lambda text, clock: SceneCamera(motor))
    with SerialSimulator(SimulatedMoonlite(motor), folder / "tty") as line:
        yield line


@pytest.fixture
def arguments(line, folder):
    LENS.save(folder / "lens.yaml")
    devices = ["--camera", "0", "--lens", f"moonlite:{line.path}"]
    return [*devices, "--calibration", str(folder / "lens.yaml")]


@pytest.fixture
def loop(arguments, folder):
    outputs = ["-o", str(folder / "sharp.png"), "--json", str(folder / "result.json")]
    return ["run", *arguments, "--preset", "classical", "--agent", "sweep", *outputs]


def unplug_in_mid_move(line, then=lambda: None):
    """Pull the cable during the third move."""
    motor = line.device.motor
    move, moves = motor.move, []

    def pull():
        line.unplug()
        then()

    def noted(target):
        move(target)
        moves.append(target)
        if len(moves) == 3:
            # Not here: the line itself waits for the end of this call.
            threading.Timer(0.02, pull).start()

    motor.move = noted


def test_the_loop_goes_on_when_the_cable_is_plugged_in_again(line, loop, folder, capsys):
    unplug_in_mid_move(line, lambda: threading.Timer(0.3, line.plug_in).start())
    assert main(loop) == 0
    messages = capsys.readouterr().err
    assert messages.count("connect it again; waiting 30 s for it (Ctrl-C ends)") == 1
    assert (folder / "sharp.png").is_file()
    targets = line.device.motor.commands
    assert len(set(targets)) > 6
    assert min(targets) >= 0
    assert max(targets) <= 400


def test_an_interrupt_in_mid_move_stops_the_motor_before_the_picture_is_written(
    line, loop, folder, monkeypatch
):
    motor = line.device.motor
    capture, write = SceneCamera.capture, _run_library.write_image

    def interrupted(camera):
        if len(motor.commands) == 3:
            motor.speed = 1.0  # several minutes for the whole travel
            motor.move(10 if motor.position > 200 else 390)
            raise KeyboardInterrupt
        return capture(camera)

    def written(*arguments, **options):
        deadline = time.monotonic() + 20
        while motor.moving and time.monotonic() < deadline:
            time.sleep(0.005)
        stopped.append(not motor.moving)
        write(*arguments, **options)

    stopped = []
    monkeypatch.setattr(SceneCamera, "capture", interrupted)
    monkeypatch.setattr(_run_library, "write_image", written)
    assert main(loop) == 0
    assert stopped == [True]
    assert (folder / "sharp.png").is_file()


def test_a_cable_that_stays_away_ends_the_loop_and_keeps_the_picture(
    line, loop, folder, capsys, monkeypatch
):
    monkeypatch.setattr(_run_devices, "RECONNECT_TIMEOUT", 1.5)
    unplug_in_mid_move(line)
    assert main(loop) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "there is no such port: connect the device" in last
    assert last.endswith(f"frames until then is in {folder / 'sharp.png'}")
    assert (folder / "sharp.png").is_file()


def test_what_is_not_saved_is_said_to_be_lost(line, arguments, capsys, monkeypatch):
    monkeypatch.setattr(_run_devices, "RECONNECT_TIMEOUT", 1.5)
    unplug_in_mid_move(line)
    assert main(["run", *arguments, "--preset", "classical", "--agent", "sweep"]) == 2
    assert "frames is lost: name a file for it with -o" in capsys.readouterr().err


def test_the_limits_are_printed_before_the_lens_moves(line, loop, capsys):
    assert main(loop) == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert "0 to 0.0016 m (0 to 400 steps): low from the device, high from the calibr" in first


def test_limits_of_the_device_narrower_than_those_of_the_calibration(line, loop):
    loop[loop.index("--lens") + 1] = f"moonlite:{line.path}?low=50&high=300"
    line.device.motor.move(60)
    assert main(loop) == 0
    assert min(line.device.motor.commands) >= 50
    assert max(line.device.motor.commands) <= 300


def test_a_start_at_a_limit_as_it_is_printed(line, arguments, capsys):
    """400 steps of 4e-6 m are less than 0.0016 m in floating point."""
    main(["autofocus", *arguments, "--search", "fibonacci", "--start", "0.0016"])
    assert "--start must lie within the travel" not in capsys.readouterr().err
    assert line.device.motor.commands[0] == 400


@pytest.mark.parametrize("moves", [False, True])
def test_few_frames_of_a_lens_that_reports_motion_only_end_with_a_doubt(
    line, loop, folder, capsys, monkeypatch, moves
):
    if not moves:
        stuck = SimulatedMotor(position=190)
        monkeypatch.setattr(backends, "open_camera", lambda text, clock: SceneCamera(stuck))
    loop[loop.index("--lens") + 1] = f"moonlite:{line.path}?low=120&high=220"
    line.device.motor.move(120)
    assert main(loop) == 0
    result = json.loads((folder / "result.json").read_text())
    shown = capsys.readouterr().err
    assert bool(result["doubt"]) == (not moves)
    assert ("warning: the images show no change with the lens position" in shown) == (not moves)
    assert result["doubt"] in shown


@pytest.mark.parametrize("command", ["devices", "run", "autofocus", "calibrate"])
def test_a_port_without_rights(line, arguments, folder, capsys, command):
    words = {
        "devices": ["devices", arguments[3]],
        "run": ["run", *arguments, "--preset", "classical"],
        "autofocus": ["autofocus", *arguments, "--search", "fibonacci"],
        "calibrate": ["calibrate", *arguments[:3], f"{arguments[3]}?high=400", "-o"],
    }[command]
    if command == "calibrate":
        words.append(str(folder / "new.yaml"))
    # What is imported lazily may lie where only root can read.
    assert main(["devices", arguments[3]]) == 0
    capsys.readouterr()
    with without_rights(line.path):
        assert main(words) == 2
    shown = capsys.readouterr()
    assert "you may not open the port: only its owner may" in shown.out + shown.err
    assert 'GROUP="dialout"' in shown.out + shown.err
    assert not (folder / "new.yaml").exists()
