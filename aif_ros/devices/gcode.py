"""Stages and lens controllers that run G-code firmware: Grbl 1.1 and Marlin 2.

Positions are millimetres on one axis, in machine coordinates. Sources: `doc/markdown/interface.md`,
`commands.md` and `jogging.md`, `grbl/report.c` and `grbl/print.c` of gnea/grbl bfb67f0;
`gcode/host/M114.cpp`, `gcode/control/M211.cpp`, `gcode/config/M92.cpp`, `gcode/gcode.cpp`,
`module/stepper.cpp` and `gcode/queue.cpp` of MarlinFirmware/Marlin.
"""

import re
import time
from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated

from typing_extensions import Doc

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.devices.motor_axis import Axis, Reading
from aif_ros.devices.motor_settings import MetresPerUnit, MotorSettings
from aif_ros.devices.serial_lens import SerialLens
from aif_ros.devices.serial_port import ATTEMPTS, BaudRate, SerialPort
from aif_ros.settings.declaration import Limits, OneOf

AXES = ("X", "Y", "Z", "A", "B", "C")
JOG_CANCEL = b"\x85"
"""Grbl: stop a jog with deceleration and forget the rest of it; no reply."""
STOP_TIMEOUT = 2.0
"""Seconds that an axis may take to stop before the next move is refused."""
MARLIN_STOP_TIMEOUT = 3.0
"""Seconds to wait for the answer to M410: Marlin drops new moves for one second after it."""
MILLIMETRES_PER_INCH = 25.4
MOST_LINES = 200
"""Lines that a reply may have; the settings of Marlin (M503) are the longest."""


@dataclass(frozen=True)
class GcodeSettings(MotorSettings):
    """G-code axis; a unit is a millimetre."""

    metres_per_unit: MetresPerUnit = 1e-3
    axis: Annotated[str, OneOf(AXES), Doc("Axis that moves the lens.")] = "Z"
    feed_rate: Annotated[
        float, Limits(1e-3, 1e6), Doc("Speed of moves, millimetres per minute.")
    ] = 300.0
    baud_rate: BaudRate = 115200


class GcodeLens(SerialLens):
    """An axis of a controller that takes lines of G-code and answers ``ok``.

    Args:
        path: serial port.
        clock: source of the stamps.
        settings: see there.
        limits: see `MotorLens`.

    Raises:
        DeviceError: the port cannot be opened, the controller does not answer, or it reports no
            limits and none are given.
    """

    firmware = "G-code"
    unit = "mm"

    def __init__(
        self,
        path: str,
        clock: Clock,
        settings: GcodeSettings | None = None,
        *,
        limits: tuple[float, float] | None = None,
    ) -> None:
        self._options = settings or GcodeSettings()
        label = f"{self.firmware} axis at {path}"
        super().__init__(path, label, clock, self._options, limits=limits)

    @abstractmethod
    def _frame(self, line: str) -> bytes:
        """Return the bytes that send a line."""

    def _resend(self, reply: str) -> bool:
        """Whether a line of a reply asks for the command again."""
        return False

    def _exchange(self, line: str, expect: str = "", timeout: float | None = None) -> str:
        """Send a line and return what is answered before ``ok``.

        Args:
            line: of G-code, without its end.
            expect: text that the answer must contain, else it counts as garbage.
            timeout: seconds to wait for each line of the answer.

        Raises:
            ConnectionLostError: no usable answer in all attempts.
            DeviceError: the controller refuses the command.
        """
        port = self._open_port()
        problem, refusal = "no reply", None
        for attempt in range(ATTEMPTS):
            port.send(self._frame(line), again=attempt > 0)
            answer = self._answer(port, timeout)
            if answer is None:
                continue
            # A line that arrived damaged is refused as well.
            refusal = re.search(r"^(error:|ALARM:).*", answer, re.MULTILINE)
            if refusal is None and expect in answer:
                return answer
            problem = f"not understood: {answer[:60]!r}"
        if refusal is not None:
            raise DeviceError(f"{self.label} refuses {line}: {refusal[0]}")
        raise port.no_answer(line, problem)

    def _answer(self, port: SerialPort, timeout: float | None) -> str | None:
        """Return the lines up to ``ok``, or to a refusal.

        None if there is no end, or the controller asks for the command again.
        """
        lines: list[str] = []
        while len(lines) < MOST_LINES:
            text = port.read(end=b"\n", timeout=timeout).decode("ascii", "replace")
            if not text.endswith("\n"):
                return None
            text = text.strip()
            if text == "ok" or text.startswith("ok "):
                return "\n".join(lines)
            if self._resend(text):
                port.read(end=b"\n")  # the ok that follows
                return None
            lines.append(text)
            if text.startswith(("error:", "ALARM:")):
                return "\n".join(lines)
        return None


class GrblLens(GcodeLens):
    """An axis of a Grbl 1.1 controller, moved by jogging.

    A jog respects the soft limits, is stopped without losing the position, and leaves the parser's
    state alone. Limits come from the controller if its soft limits are on ($20=1).
    """

    firmware = "Grbl"

    def _connect(self) -> Axis:
        self._at_rest = False
        self._reported_unit = 1.0  # mm
        port = self._port = SerialPort(self._path, self.label, self._options.baud_rate)
        port.handshake(lambda: self._status(0))
        settings = parse_grbl_settings(self._exchange("$$", "$132="))
        index = AXES.index(self._options.axis)
        try:
            step = 1 / settings[100 + index]
            travel = settings[130 + index]
        except (KeyError, ZeroDivisionError):
            raise DeviceError(f"{self.label} has no axis {self._options.axis}") from None
        # $13=1: positions are reported in inches; settings and jogs stay in millimetres.
        if settings.get(13):
            self._reported_unit = MILLIMETRES_PER_INCH
        # Machine coordinates run from -travel to 0 (HOMING_FORCE_SET_ORIGIN off, the default).
        low, high = (-travel, 0.0) if settings.get(20) else (None, None)
        # Reports have three decimals, in inches four.
        digit = 0.001 if self._reported_unit == 1.0 else 0.0001 * MILLIMETRES_PER_INCH
        return Axis(low, high, resolution=step, tolerance=0.5 * step + digit)

    def _read(self) -> Reading:
        state, position = self._status(AXES.index(self._options.axis))
        if state not in ("Idle", "Jog", "Run", "Hold"):
            raise DeviceError(
                f"{self.label} is in the state {state}: home it ($H) or unlock it ($X) first"
            )
        self._at_rest = state == "Idle"
        return Reading(position * self._reported_unit, not self._at_rest)

    def _command(self, target: float) -> None:
        # Asked only where it may move: each question delays the move by a reply.
        if not self._at_rest and self._read().moving:
            self._halt()
            deadline = time.monotonic() + STOP_TIMEOUT
            while self._read().moving:
                if time.monotonic() > deadline:
                    raise DeviceError(f"{self.label} does not stop: reset it")
        axis = self._options.axis
        self._at_rest = False
        self._exchange(f"$J=G53 G90 G21 {axis}{target:.4f} F{self._options.feed_rate:.1f}")

    def _halt(self) -> None:
        self._open_port().send(JOG_CANCEL)

    def _frame(self, line: str) -> bytes:
        return line.encode() + b"\n"

    def _status(self, index: int) -> tuple[str, float]:
        def parse(reply: bytes) -> tuple[str, float]:
            return parse_grbl_status(reply, index)

        return self._open_port().ask(b"?", parse, end=b">")


class MarlinLens(GcodeLens):
    """An axis of a Marlin 2 controller.

    Lines carry a number and a checksum, so that a damaged one is asked for again. The position is
    that of the stepper (the counts of M114), not the planned one.
    """

    firmware = "Marlin"

    def _connect(self) -> Axis:
        port = self._port = SerialPort(self._path, self.label, self._options.baud_rate)
        self._number = 0
        try:
            port.handshake(lambda: self._exchange("M110 N0"))
        except ConnectionLostError:
            raise
        except DeviceError as error:
            # Marlin knows this command; Grbl refuses it.
            raise DeviceError(
                f"{error}: this is no Marlin controller; a Grbl one is named grbl:{self._path}"
            ) from error
        axis = self._options.axis
        # Else steps and limits are reported, and targets taken, in inches after a G20.
        self._exchange("G21")
        steps_per_mm = parse_marlin_steps(self._exchange("M503", "M92"), axis)
        if steps_per_mm is None:
            raise DeviceError(f"{self.label} has no axis {axis}")
        self._steps_per_mm = steps_per_mm
        self._exchange("G90")
        self._goal = self._last_position = self._position()
        low, high = parse_marlin_limits(self._exchange("M211"), axis)
        step = 1 / steps_per_mm
        return Axis(low, high, resolution=step, tolerance=0.75 * step)

    def _read(self) -> Reading:
        before, self._last_position = self._last_position, self._position()
        # Marlin does not report motion: the counts show it.
        return Reading(self._last_position, self._last_position != before)

    def _position(self) -> float:
        steps = parse_marlin_count(self._exchange("M114", "Count"), self._options.axis)
        return steps / self._steps_per_mm

    def _command(self, target: float) -> None:
        # Asked only where it may move: each question delays the move by a reply.
        if self._moves_on() and self._read() and self._moves_on():
            self._halt()
        self._goal = target
        self._exchange(f"G1 {self._options.axis}{target:.4f} F{self._options.feed_rate:.1f}")

    def _moves_on(self) -> bool:
        """Whether it was last seen away from where it was sent."""
        return abs(self._last_position - self._goal) > 0.75 / self._steps_per_mm

    def _halt(self) -> None:
        self._exchange("M410", timeout=MARLIN_STOP_TIMEOUT)
        self._goal = self._read().position

    def _frame(self, line: str) -> bytes:
        if line.startswith("M110"):
            self._number = 0
        else:
            self._number += 1
            line = f"N{self._number} {line}"
        return marlin_checksum(line)

    def _resend(self, reply: str) -> bool:
        wanted = re.match(r"(?:Resend: ?|rs N?)(\d+)", reply)
        if wanted is None:
            return False
        self._number = int(wanted[1]) - 1
        return True


def marlin_checksum(line: str) -> bytes:
    """Return the bytes of a line with its checksum: the exclusive or of all characters."""
    checksum = 0
    for byte in line.encode():
        checksum ^= byte
    return f"{line}*{checksum}\n".encode()


def parse_grbl_status(reply: bytes, index: int) -> tuple[str, float]:
    """Return the state and the machine position of one axis from a status report, mm.

    Args:
        reply: one line, without its end.
        index: of the axis: 0 for X, 1 for Y, 2 for Z.

    Raises:
        ValueError: it is no report, or holds no machine position.
    """
    match = re.search(rb"<([A-Za-z]+)(?::\d+)?\|([^<>]*)>$", reply)
    if match is None:
        raise ValueError("expected a status report in < >")
    fields = dict(field.split(b":", 1) for field in match[2].split(b"|") if b":" in field)
    if b"MPos" not in fields:
        raise ValueError("no machine position: set $10=1")
    values = fields[b"MPos"].split(b",")
    if index >= len(values):
        raise ValueError("the axis is missing")
    return match[1].decode(), _number(values[index])


def parse_grbl_settings(answer: str) -> dict[int, float]:
    """Return the settings by number from the answer to ``$$``; other lines are ignored."""
    found = re.findall(r"^\$(\d{1,3})=([-+.\d]+)", answer, re.MULTILINE | re.ASCII)
    settings = {}
    for number, value in found:
        try:
            settings[int(number)] = _number(value.encode())
        except ValueError:
            continue
    return settings


def parse_marlin_steps(answer: str, axis: str) -> float | None:
    """Return the steps per millimetre of an axis from the answer to ``M503``; None without it.

    Args:
        answer: all its lines.
        axis: letter of the axis.
    """
    line = re.search(r"\bM92\b[^\n]*", answer)
    match = line and re.search(rf"\b{axis}([.\d]+)", line[0], re.ASCII)
    try:
        steps = _number(match[1].encode()) if match else 0.0
    except ValueError:
        return None
    return steps if steps > 0 else None


def parse_marlin_limits(answer: str, axis: str) -> tuple[float | None, float | None]:
    """Return the software end stops of an axis from the answer to ``M211``, mm; None where off.

    It is one line in older versions, ``Soft endstops: On  Min: X... Max: ...``, and two in newer
    ones, ``M211 S1 ; ON`` and ``Min: X... Max: ...``.

    Args:
        answer: all its lines.
        axis: letter of the axis.
    """
    report = re.search(
        r"(?:endstops: *On\b|M211 S1\b).*?Min:([^\n]*?)Max:([^\n]*)",
        answer,
        re.IGNORECASE | re.DOTALL,
    )
    if report is None:
        return None, None
    low, high = (re.search(rf"\b{axis}(-?[.\d]+)", ends, re.ASCII) for ends in report.groups())
    if low is None or high is None:
        return None, None
    try:
        return _number(low[1].encode()), _number(high[1].encode())
    except ValueError:
        return None, None


def parse_marlin_count(answer: str, axis: str) -> int:
    """Return the stepper position of an axis from the answer to ``M114``, steps.

    Args:
        answer: all its lines.
        axis: letter of the axis.

    Raises:
        ConnectionLostError: it holds none.
    """
    match = re.search(rf"Count[^\n]*\b{axis}: ?(-?\d{{1,12}})(?!\d)", answer, re.ASCII)
    if match is None:
        raise ConnectionLostError(f"the position report holds no axis {axis}: {answer[:80]!r}")
    return int(match[1])


def _number(text: bytes) -> float:
    """Return a plain decimal number; `float` would also take "nan" and "1e999"."""
    if not re.fullmatch(rb"[-+]?\d{1,9}(\.\d{0,9})?", text):
        raise ValueError(f"{text!r} is not a number")
    return float(text)
