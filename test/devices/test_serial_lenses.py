"""Serial lenses against devices that are simulated byte by byte on a pseudo-terminal."""

import time

import pytest
from lens_contract import LensContract

from aif_ros.devices import serial_port
from aif_ros.devices.clock import SystemClock
from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.devices.gcode import GcodeSettings, GrblLens, MarlinLens
from aif_ros.devices.moonlite import MoonliteLens, MoonliteSettings
from aif_ros.devices.optotune import OptotuneLens, OptotuneSettings
from aif_ros.devices.simulators.gcode import SimulatedGrbl, SimulatedMarlin
from aif_ros.devices.simulators.moonlite import SimulatedMoonlite
from aif_ros.devices.simulators.motor import SimulatedMotor
from aif_ros.devices.simulators.optotune import SimulatedOptotune
from aif_ros.devices.simulators.serial_line import SerialSimulator

FAST = {"settling_time": 0.01, "stall_timeout": 0.8}


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(serial_port, "REPLY_TIMEOUT", 0.15)
    monkeypatch.setattr(serial_port, "BOOT_TIMEOUT", 0.5)
    return tmp_path / "ttyTEST"


def wait_until(condition, timeout=10.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.005)


def at_rest(lens):
    wait_until(lambda: not lens.state().moving)
    return lens.state().position


class SerialLensContract(LensContract):
    """Adds the faults of a serial line to what every lens must do."""

    low: float
    high: float

    @pytest.fixture
    def line(self, path):
        with SerialSimulator(self.device(), path) as line:
            yield line

    @pytest.fixture
    def lens(self, line, clock):
        lens = self.open(line.path, clock)
        yield lens
        lens.close()

    def test_garbage_before_a_reply_is_survived(self, lens, line):
        before = at_rest(lens)
        line.faults.noise = [b"\xff\x00garbage\n#>"]
        assert lens.state().position == before

    def test_lost_and_truncated_replies_are_asked_for_again(self, lens, line):
        before = at_rest(lens)
        line.faults.drop = 1
        assert lens.state().position == before
        line.faults.truncate = 1
        assert lens.state().position == before

    def test_slow_replies_are_waited_for(self, lens, line, clock):
        line.faults.delay = 0.1
        lens.move_to(lens.limits[1])
        assert self.settle(lens, clock).position == pytest.approx(
            lens.limits[1], abs=self.resolution
        )

    def test_a_damaged_command_does_not_reach_the_motor(self, lens, line, clock):
        at_rest(lens)
        low, high = lens.limits
        line.faults.corrupt_requests = 1
        lens.move_to(low + 0.6 * (high - low))
        position = self.settle(lens, clock).position
        assert position == pytest.approx(low + 0.6 * (high - low), abs=self.resolution)

    def test_silence_is_an_error_that_names_the_device(self, lens, line):
        line.faults.ignores_all = True
        with pytest.raises(ConnectionLostError, match=f"{line.path} does not answer"):
            lens.state()

    def test_unplugged_in_mid_move_and_plugged_in_again(self, lens, line, clock):
        low, high = lens.limits
        at_rest(lens)
        lens.move_to(high)
        line.unplug()
        with pytest.raises(ConnectionLostError, match="was disconnected"):
            lens.state()
        with pytest.raises(ConnectionLostError):
            lens.move_to(low)
        line.plug_in()

        def answers():
            try:
                return lens.state()
            except ConnectionLostError:
                return None

        wait_until(answers)
        lens.move_to(low)
        assert self.settle(lens, clock).position == pytest.approx(low, abs=self.resolution)

    def test_a_second_program_is_refused(self, lens, line, clock):
        with pytest.raises(ConnectionLostError, match="another program uses the port"):
            self.open(line.path, clock)
        assert lens.state()

    def test_a_closed_port_can_be_opened_again(self, lens, line, clock):
        lens.close()
        again = self.open(line.path, clock)
        assert again.state()
        again.close()


class SerialMotorContract(SerialLensContract):
    """Adds what a lens must do that takes time to move."""

    def test_closed_in_mid_move_it_stops(self, lens, line):
        low, high = lens.limits
        target = high if at_rest(lens) < (low + high) / 2 else low
        motor = line.device.motor
        motor.speed *= 0.01
        lens.move_to(target)
        wait_until(lambda: motor.moving)
        lens.close()
        wait_until(lambda: not motor.moving)
        assert motor.position != motor.commands[-1]

    def test_closed_at_rest_it_is_not_stopped(self, lens, line, monkeypatch):
        lens.move_to(lens.limits[1])
        at_rest(lens)
        monkeypatch.setattr(lens, "_halt", lambda: pytest.fail("was stopped"))
        lens.close()

    def test_closing_a_device_that_is_gone(self, lens, line):
        at_rest(lens)
        lens.move_to(lens.limits[0])
        line.unplug()
        lens.close()


class TestMoonlite(SerialMotorContract):
    resolution = 2e-6

    def device(self):
        return SimulatedMoonlite(SimulatedMotor(position=1000, speed=40000))

    def open(self, path, clock):
        return MoonliteLens(str(path), clock, MoonliteSettings(high=8000, **FAST))

    def test_temperature_compensation_is_switched_off(self, lens, line):
        lens.state()
        assert line.device.compensates is False

    def test_a_jam_is_reported_and_overcome(self, lens, line):
        at_rest(lens)
        line.device.motor.blocked = True
        lens.move_to(0.02)
        with pytest.raises(DeviceError, match=r"has stalled at 0\.004 m on the move to 0\.02 m"):
            at_rest(lens)
        line.device.motor.blocked = False
        lens.move_to(0.01)
        assert at_rest(lens) == pytest.approx(0.01)

    def test_a_motor_that_turns_the_wrong_way_is_stopped(self, lens, line):
        at_rest(lens)
        line.device.motor.speed = 1000
        line.device.motor.reverse = True
        lens.move_to(0.03)
        with pytest.raises(DeviceError, match="moves away from it"):
            at_rest(lens)
        wait_until(lambda: not line.device.motor.moving)

    def test_counts_that_grow_towards_far_objects(self, line, clock):
        settings = MoonliteSettings(high=8000, metres_per_unit=-4e-6, **FAST)
        lens = MoonliteLens(str(line.path), clock, settings)
        assert lens.limits == (pytest.approx(-0.032), 0.0)
        lens.move_to(-0.012)
        assert at_rest(lens) == pytest.approx(-0.012)
        assert line.device.motor.commands[-1] == 3000
        lens.close()

    def test_limits_of_the_calibration_hold(self, line, clock):
        settings = MoonliteSettings(high=8000, **FAST)
        lens = MoonliteLens(str(line.path), clock, settings, limits=(0.001, 1.0))
        assert lens.limits == (0.001, 0.032)
        with pytest.raises(ValueError, match="does not lie within the limits"):
            lens.move_to(0.0005)
        assert line.device.motor.commands == []
        lens.close()

    def test_limits_that_leave_nothing(self, line, clock):
        with pytest.raises(DeviceError, match="has nowhere to move"):
            MoonliteLens(str(line.path), clock, MoonliteSettings(high=8000), limits=(1.0, 2.0))

    def test_motion_is_reported(self, lens, line):
        at_rest(lens)
        lens.move_to(0.03)
        states = [lens.state()]
        wait_until(lambda: states.append(lens.state()) or not states[-1].moving)
        on_the_move = [state for state in states if 0.005 < state.position < 0.029]
        assert on_the_move
        assert all(state.moving for state in on_the_move)


class TestOptotune(SerialLensContract):
    resolution = 1e-3 / 400 * 1.01

    def device(self):
        return SimulatedOptotune()

    def open(self, path, clock):
        return OptotuneLens(str(path), clock, OptotuneSettings(**FAST))

    def test_limits_are_those_of_the_lens(self, lens):
        assert lens.limits == pytest.approx((-2e-3, 3e-3))

    def test_current_mode(self, line, clock):
        settings = OptotuneSettings(mode="current", metres_per_unit=1e-5, **FAST)
        lens = OptotuneLens(str(line.path), clock, settings)
        assert lens.limits == pytest.approx((0.0, 293e-5))
        lens.move_to(100e-5)
        assert at_rest(lens) == pytest.approx(100e-5, abs=1e-6)
        assert line.device.current == round(100 / 293 * 4095)
        lens.close()

    def test_a_lens_without_memory_needs_current_mode(self, path, clock):
        with (
            SerialSimulator(SimulatedOptotune(memory=False), path),
            pytest.raises(DeviceError, match="use mode=current"),
        ):
            self.open(path, clock)


class TestGrbl(SerialMotorContract):
    resolution = 1e-3 / 400

    def device(self):
        return SimulatedGrbl()

    def open(self, path, clock):
        return GrblLens(str(path), clock, GcodeSettings(**FAST))

    def test_limits_are_those_of_the_controller(self, lens):
        assert lens.limits == pytest.approx((-10e-3, 0.0))

    def test_without_soft_limits_they_must_be_given(self, line, clock):
        line.device.soft_limits = False
        with pytest.raises(DeviceError, match="does not report its limits: add them"):
            self.open(line.path, clock)

    def test_positions_in_inches(self, line, clock):
        line.device.inches = True
        lens = self.open(line.path, clock)
        assert lens.limits == pytest.approx((-10e-3, 0.0))
        assert lens.state().position == pytest.approx(-5e-3, abs=2e-6)
        lens.move_to(-2e-3)
        assert at_rest(lens) == pytest.approx(-2e-3, abs=4e-6)
        assert line.device.motor.position == pytest.approx(-2.0)
        lens.close()

    def test_an_alarm_is_explained(self, lens, line):
        line.device.alarm = True
        with pytest.raises(DeviceError, match=r"in the state Alarm: home it \(\$H\)"):
            lens.state()
        line.device.alarm = False
        assert lens.state()

    def test_an_axis_that_does_not_exist(self, line, clock):
        with pytest.raises(DeviceError, match="has no axis A"):
            GrblLens(str(line.path), clock, GcodeSettings(axis="A"))


class TestMarlin(SerialMotorContract):
    resolution = 1e-3 / 400

    def device(self):
        return SimulatedMarlin()

    def open(self, path, clock):
        return MarlinLens(str(path), clock, GcodeSettings(**FAST))

    def test_limits_are_those_of_the_controller(self, lens):
        assert lens.limits == pytest.approx((0.0, 10e-3))

    def test_limits_in_the_report_of_newer_versions(self, line, clock):
        line.device.newer_report = True
        lens = self.open(line.path, clock)
        assert lens.limits == pytest.approx((0.0, 10e-3))
        lens.close()

    def test_a_controller_that_was_set_to_inches(self, line, clock):
        line.device.unit = 25.4
        lens = self.open(line.path, clock)
        assert lens.limits == pytest.approx((0.0, 10e-3))
        lens.move_to(2e-3)
        assert at_rest(lens) == pytest.approx(2e-3, abs=self.resolution)
        assert line.device.motor.position == pytest.approx(2.0)
        lens.close()


def test_a_port_that_does_not_exist(tmp_path, clock):
    with pytest.raises(DeviceError, match=r"there is no such port: connect the device; ports now"):
        MoonliteLens(str(tmp_path / "nowhere"), clock)


def test_another_kind_of_device(path, clock):
    with (
        SerialSimulator(SimulatedGrbl(), path),
        pytest.raises(ConnectionLostError, match=r"does not answer :GV# as it should") as caught,
    ):
        MoonliteLens(str(path), clock)
    assert str(caught.value).endswith("uses 9600 baud (another rate: baud_rate in its URI)")


def test_a_grbl_controller_is_no_marlin_one(path, clock):
    with (
        SerialSimulator(SimulatedGrbl(), path),
        pytest.raises(DeviceError, match=rf"error:20: .* a Grbl one is named grbl:{path}"),
    ):
        MarlinLens(str(path), clock)


def test_a_device_with_one_rate_only(path, clock):
    with (
        SerialSimulator(SimulatedGrbl(), path),
        pytest.raises(ConnectionLostError, match=r"uses 115200 baud$"),
    ):
        OptotuneLens(str(path), clock)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"metres_per_unit": 0.0}, "metres_per_unit must not be 0"),
        ({"metres_per_unit": float("nan")}, "metres_per_unit"),
        ({"settling_time": -1.0}, "settling_time must lie between 0 and 60; got -1"),
    ],
)
def test_impossible_settings(settings, words):
    with pytest.raises(ValueError, match=words):
        MoonliteSettings(**settings)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            PermissionError(13, "Permission denied"),
            r"you may not open the port: ",
        ),
        (OSError(16, "Device or resource busy"), "another program uses the port"),
        (OSError(5, "Input/output error"), "cannot open the port: .*Input/output error"),
        (ValueError("Not a valid baudrate"), "cannot be set up: Not a valid baudrate"),
    ],
)
def test_ports_that_cannot_be_opened(path, clock, monkeypatch, error, words):
    path.touch()

    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr("serial.Serial", fail)
    with pytest.raises(ConnectionLostError, match=words):
        MoonliteLens(str(path), clock)


def test_a_move_outside_the_limits_reaches_no_motor(path, clock):
    motor = SimulatedMotor(position=100)
    with SerialSimulator(SimulatedMoonlite(motor), path):
        lens = MoonliteLens(str(path), clock, MoonliteSettings(low=50, high=200))
        for position in (0.0, 49 * 4e-6, 201 * 4e-6, 1.0, float("nan")):
            with pytest.raises(ValueError, match="does not lie within the limits"):
                lens.move_to(position)
        assert motor.commands == []
        lens.close()
