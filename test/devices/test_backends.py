import importlib.util
import re
from dataclasses import fields, is_dataclass

import pytest

from aif_ros.devices import optional
from aif_ros.devices.backends import CAMERAS, LENSES, DeviceUri, open_camera, open_motor_lens
from aif_ros.devices.clock import SystemClock
from aif_ros.devices.device import DeviceError, MissingDependencyError
from aif_ros.devices.moonlite import MoonliteSettings
from aif_ros.devices.simulators.moonlite import SimulatedMoonlite
from aif_ros.devices.simulators.serial_line import SerialSimulator
from aif_ros.optics.lens_model import LensModel
from aif_ros.settings.declaration import declared
from aif_ros.settings.nodes import REAL_LENSES

BACKENDS = [*LENSES.items(), *CAMERAS.items()]


@pytest.fixture
def clock():
    return SystemClock()


def test_address_and_settings():
    device = DeviceUri.parse("moonlite:/dev/ttyUSB0?high=8000&settling_time=0.1", LENSES)
    assert (device.name, device.address) == ("moonlite", "/dev/ttyUSB0")
    expected = MoonliteSettings(metres_per_unit=1e-5, high=8000.0, settling_time=0.1)
    assert device.settings({"metres_per_unit": 1e-5}) == expected


def test_addresses_may_hold_colons_and_spaces():
    device = DeviceUri.parse("indi:pi:7624/My Focuser?high=3", LENSES)
    assert (device.address, device.options) == ("pi:7624/My Focuser", {"high": "3"})


def test_urls_keep_their_questions():
    device = DeviceUri.parse("opencv:rtsp://camera/live?profile=2", CAMERAS)
    assert device.address == "rtsp://camera/live?profile=2"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "no backend ''"),
        ("/dev/ttyUSB0", "is an address: put its backend in front, such as moonlite:/dev/ttyUSB0"),
        ("telepathy:x", "no backend 'telepathy': choose from moonlite, optotune"),
        ("moonlite", r"'moonlite' names no device: write moonlite:PORT, such as moonlite:/dev"),
        ("moonlite:", "names no device"),
        ("moonlite:/dev/null?speed=3", "has no setting 'speed': choose from metres_per_unit, low"),
        ("moonlite:/dev/null?high", "'high' in .* is no setting: write NAME=VALUE"),
        ("moonlite:/dev/null?high=1&high=2", "gives high twice: leave one out"),
        ("moonlite:/dev/null?high=far", "high must be a number, got 'far'"),
        ("moonlite:/dev/null?baud_rate=9600.5", "baud_rate must be a whole number"),
        ("moonlite:/dev/null?baud_rate=1", "baud_rate must lie between 50 and"),
        ("moonlite:/dev/null?metres_per_unit=nan", "metres_per_unit must be a finite number"),
        ("optotune:/dev/null?mode=voltage", "mode must be one of focal_power, current"),
    ],
)
def test_wrong_uris(uri, words, clock):
    with pytest.raises(ValueError, match=words):
        open_motor_lens(uri, clock)


@pytest.mark.parametrize("uri", ["indi:localhost/C?exposure=0", "micro_manager:demo?exposure=-1"])
def test_wrong_uris_of_cameras(uri, clock):
    with pytest.raises(ValueError, match="exposure must lie between"):
        open_camera(uri, clock)


def test_a_calibration_gives_scale_and_limits(tmp_path, clock):
    lens_model = LensModel("test", 2e-6, (0.0, 1e-2), 90000.0, 3840)
    with SerialSimulator(SimulatedMoonlite(), tmp_path / "tty") as line:
        lens = open_motor_lens(f"moonlite:{line.path}", clock, lens_model)
        assert lens.limits == (0.0, 1e-2)
        lens.move_to(4e-3)
        lens.state()
        assert line.device.motor.commands == [2000]
        lens.close()


def test_cameras_open_by_name(tmp_path, clock):
    with pytest.raises(DeviceError, match="no image"):
        open_camera(f"opencv:{tmp_path}", clock)


@pytest.mark.parametrize(("name", "backend"), BACKENDS)
def test_each_backend_is_complete(name, backend):
    assert importlib.util.find_spec(f"aif_ros.devices.{backend.module}")
    assert backend.load(backend.opener)
    assert backend.example.startswith(f"{name}:")
    device = DeviceUri.parse(backend.example, {name: backend})
    if backend.settings:
        assert is_dataclass(device.settings({}))
        kind = backend.load(backend.settings)
        assert [setting.name for setting in declared(kind) if setting.description] == [
            each.name for each in fields(kind)
        ]


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    with pytest.raises(MissingDependencyError) as caught:
        optional.require("no_such_package.part", "serial")
    assert re.search(r"pip install '\.\[serial\]'", str(caught.value))


def test_a_defect_inside_a_package_is_not_taken_for_its_absence(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import another_missing_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="another_missing_package"):
        optional.require("broken_package", "serial")


def test_the_nodes_support_every_lens():
    assert set(REAL_LENSES) == {*LENSES, "ros_parameter"}
