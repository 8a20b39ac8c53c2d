"""Grbl and Marlin axes on a scripted port: what is sent, and what the answers mean.

The same lenses on a simulated serial line: `test_serial_lenses.py`.
"""

import pytest

from aif_ros.devices import gcode
from aif_ros.devices.clock import SystemClock
from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.devices.gcode import (
    GcodeSettings,
    GrblLens,
    MarlinLens,
    marlin_checksum,
    parse_grbl_settings,
    parse_grbl_status,
    parse_marlin_count,
    parse_marlin_limits,
    parse_marlin_steps,
)

GRBL = {
    "?": "<Idle|MPos:0.000,0.000,-5.000|FS:0,0>",
    "$$": "$13=0\n$20=1\n$102=400.000\n$132=10.000\nok\n",
}
MARLIN = {
    "M503": "echo:  M92 X80.00 Z400.00\nok\n",
    "M114": "X:0.00 Z:5.00 Count X:0 Z:2000\nok\n",
    "M211": "echo:Soft endstops: On  Min: X0.00 Z0.00   Max: X200.00 Z10.00\nok\n",
}


class ScriptedPort:
    """Answers each command with the text that the script has for it, else with ``ok``.

    Attributes:
        sent: all commands, decoded.
        once: answers that replace those of the script a single time.
    """

    def __init__(self, script):
        self.script, self.sent, self.once, self._lines = dict(script), [], {}, []

    def handshake(self, attempt):
        attempt()

    def send(self, data, *, again=False):
        text = data.decode("latin-1").strip()
        self.sent.append(text)
        command = text.split("*")[0].split(" ", 1)[-1] if text.startswith("N") else text
        command = command.split("*")[0]
        answer = self.once.pop(command, None) or self.script.get(command, "ok\n")
        self._lines = [line.encode() + b"\n" for line in answer.splitlines()]

    def read(self, *, end, timeout=None):
        return self._lines.pop(0) if self._lines else b""

    def ask(self, request, parse, *, end):
        self.sent.append(request.decode())
        return parse(self.script[request.decode()].encode())

    def no_answer(self, command, problem):
        return ConnectionLostError(f"{command}: {problem}")

    def close(self):
        pass


@pytest.fixture
def open_lens(monkeypatch):
    def opened(lens, script, **options):
        port = ScriptedPort(script)
        monkeypatch.setattr(gcode, "SerialPort", lambda *arguments: port)
        return lens("port", SystemClock(), **options), port

    return opened


class TestGrbl:
    def test_limits_are_the_travel_below_zero(self, open_lens):
        lens, _ = open_lens(GrblLens, GRBL)
        assert lens.limits == pytest.approx((-0.01, 0.0))

    def test_a_move_is_a_jog_in_millimetres_of_the_machine(self, open_lens):
        lens, port = open_lens(GrblLens, GRBL, settings=GcodeSettings(feed_rate=120.0))
        lens.move_to(-0.0025)
        assert port.sent[-1] == "$J=G53 G90 G21 Z-2.5000 F120.0"

    def test_positions_in_inches_are_converted(self, open_lens):
        inches = GRBL | {"$$": GRBL["$$"].replace("$13=0", "$13=1")}
        inches["?"] = "<Idle|MPos:0.0000,0.0000,-0.1000|FS:0,0>"
        lens, _ = open_lens(GrblLens, inches)
        assert lens.state().position == pytest.approx(-2.54e-3)

    def test_a_refused_command_is_named(self, open_lens):
        lens, port = open_lens(GrblLens, GRBL)
        jog = "$J=G53 G90 G21 Z-2.0000 F300.0"
        port.script[jog] = "error:15\n"
        with pytest.raises(DeviceError, match="error:15"):
            lens.move_to(-0.002)
        assert port.sent.count(jog) == gcode.ATTEMPTS

    def test_an_alarm_says_what_to_do(self, open_lens):
        lens, port = open_lens(GrblLens, GRBL)
        port.script["?"] = GRBL["?"].replace("Idle", "Alarm")
        with pytest.raises(DeviceError, match="unlock"):
            lens.state()

    def test_a_setting_that_is_missing_is_another_axis(self, open_lens):
        with pytest.raises(DeviceError, match="no axis X"):
            open_lens(GrblLens, GRBL | {"$$": "$132=10\nok\n"}, settings=GcodeSettings(axis="X"))


class TestMarlin:
    def test_lines_are_numbered_from_one_and_end_in_a_checksum(self, open_lens):
        _, port = open_lens(MarlinLens, MARLIN)
        assert port.sent[0].startswith("M110 N0*")
        numbered = [each.split(" ")[0] for each in port.sent[1:]]
        assert numbered == [f"N{index + 1}" for index in range(len(numbered))]
        assert all("*" in each for each in port.sent)

    def test_a_line_that_is_asked_for_again_gets_its_number_again(self, open_lens):
        lens, port = open_lens(MarlinLens, MARLIN)
        before = len(port.sent)
        number = before  # M110 has none
        port.once["M114"] = (
            f"Error:checksum mismatch, Last Line: {number - 1}\nResend: {number}\nok\n"
        )
        assert lens.state().position == pytest.approx(5e-3)
        assert [each.split(" ")[0] for each in port.sent[before:]] == [f"N{number}"] * 2

    def test_the_position_is_that_of_the_stepper(self, open_lens):
        lens, port = open_lens(MarlinLens, MARLIN)
        port.script["M114"] = "X:0.00 Z:9.00 Count X:0 Z:1200\nok\n"
        assert lens.state().position == pytest.approx(3e-3)

    def test_motion_is_a_change_of_the_count(self, open_lens):
        settings = GcodeSettings(settling_time=0.0)
        lens, port = open_lens(MarlinLens, MARLIN, settings=settings)
        lens.move_to(6e-3)
        port.script["M114"] = "Count X:0 Z:2200\nok\n"
        assert lens.state().moving
        port.script["M114"] = "Count X:0 Z:2400\nok\n"
        lens.state()
        assert not lens.state().moving

    def test_an_answer_without_end_is_no_answer(self, open_lens):
        lens, port = open_lens(MarlinLens, MARLIN)
        port.script["M114"] = "Count X:0 Z:2000\n"
        with pytest.raises(ConnectionLostError, match="no reply"):
            lens.state()


def test_checksum_is_the_exclusive_or_of_all_characters():
    # The example of the RepRap documentation.
    assert marlin_checksum("N3 T0") == b"N3 T0*57\n"


@pytest.mark.parametrize(
    "answer, limits",
    [
        ("echo:Soft endstops: On  Min: X0.00 Z-1.50   Max: X200.00 Z10.25", (-1.5, 10.25)),
        ("  M211 S1 ; ON\n  Min:  X0.00 Z0.00   Max:  X200.00 Z10.00", (0.0, 10.0)),
        ("echo:Soft endstops: Off  Min: X0.00 Z0.00   Max: X200.00 Z10.00", (None, None)),
        ("echo:Soft endstops: On  Min: X0.00   Max: X200.00", (None, None)),
    ],
)
def test_end_stops_of_marlin(answer, limits):
    assert parse_marlin_limits(answer, "Z") == limits


def test_reports_without_the_axis():
    assert parse_marlin_steps("echo: M92 X80.00", "Z") is None
    assert parse_marlin_steps("echo: M92 Z0.00", "Z") is None
    with pytest.raises(ConnectionLostError, match="no axis Z"):
        parse_marlin_count("Count X:0 Y:0", "Z")
    with pytest.raises(ValueError, match="axis is missing"):
        parse_grbl_status(b"<Idle|MPos:0.000,1.000|FS:0,0>", 2)


def test_settings_of_grbl_that_are_no_numbers_are_ignored():
    assert parse_grbl_settings("$0=10\n[MSG:'$H']\n$5=1.2.3\n$132=200.000") == {0: 10, 132: 200}
