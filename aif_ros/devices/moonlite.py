"""Focusers with the Moonlite protocol: MoonLite controllers and many Arduino ones.

Protocol: a command is ``:XX#`` with hexadecimal numbers in capitals, replies end with ``#``.
Source: `drivers/focuser/moonlite.cpp` of indilib/indi 3371fae (LGPL), and the protocol document
that it follows, "High Res Stepper Motor Controller" of MoonLite Telescope Accessories.
"""

from dataclasses import dataclass

from aif_ros.devices.clock import Clock
from aif_ros.devices.motor_axis import Axis, Reading
from aif_ros.devices.motor_settings import MetresPerUnit, MotorSettings
from aif_ros.devices.serial_lens import SerialLens
from aif_ros.devices.serial_port import BaudRate, SerialPort

VERSION = b":GV#"
"""Firmware version: two digits, without ``#`` in some firmware."""
POSITION = b":GP#"
"""Position: four hexadecimal digits; eight in some Arduino firmware."""
MOVING = b":GI#"
"""``01#`` while it moves, else ``00#``."""
TARGET = b":SN%04X#"
"""Set the target; no reply."""
GET_TARGET = b":GN#"
"""The target: four hexadecimal digits."""
GO = b":FG#"
"""Move to the target; no reply."""
STOP = b":FQ#"
"""Stop; no reply."""

NO_COMPENSATION = b":-#"
"""Switch temperature compensation off, or the focuser would move by itself; no reply."""

HIGHEST = 0xFFFF
"""Highest position that four hexadecimal digits can express, steps."""


@dataclass(frozen=True)
class MoonliteSettings(MotorSettings):
    """Moonlite focuser; a unit is a step, full or half, in the mode that the controller is in.

    The protocol has no command for the limits: `high` should be given. It is 65535 steps otherwise.
    """

    metres_per_unit: MetresPerUnit = 4e-6
    baud_rate: BaudRate = 9600


class MoonliteLens(SerialLens):
    """A Moonlite focuser.

    Args:
        path: serial port.
        clock: source of the stamps.
        settings: see there.
        limits: see `MotorLens`.

    Raises:
        DeviceError: the port cannot be opened or the focuser does not answer.
    """

    reports_limits = False

    def __init__(
        self,
        path: str,
        clock: Clock,
        settings: MoonliteSettings | None = None,
        *,
        limits: tuple[float, float] | None = None,
    ) -> None:
        settings = settings or MoonliteSettings()
        self._baud_rate = settings.baud_rate
        super().__init__(path, f"Moonlite focuser at {path}", clock, settings, limits=limits)

    def _connect(self) -> Axis:
        self._port = port = SerialPort(self._path, self.label, self._baud_rate)
        port.handshake(lambda: port.ask(VERSION, parse_version, size=2))
        port.send(NO_COMPENSATION)
        return Axis(0, HIGHEST)

    def _read(self) -> Reading:
        port = self._open_port()
        moving = port.ask(MOVING, parse_moving, end=b"#")
        return Reading(port.ask(POSITION, parse_position, end=b"#"), moving)

    def _command(self, target: float) -> None:
        port, steps = self._open_port(), round(target)

        def check(reply: bytes) -> None:
            if parse_position(reply) != steps:
                raise ValueError(f"expected the target {steps}")

        # The protocol has no checksum: a target that arrived damaged could lie outside the limits.
        port.ask(TARGET % steps + GET_TARGET, check, end=b"#")
        port.send(GO)

    def _halt(self) -> None:
        self._open_port().send(STOP)


def parse_version(reply: bytes) -> str:
    """Return the firmware version, such as "1.3".

    Raises:
        ValueError: it is not one.
    """
    if len(reply) != 2 or not reply.isdigit():
        raise ValueError("expected two digits")
    return f"{reply[:1].decode()}.{reply[1:].decode()}"


def parse_position(reply: bytes) -> int:
    """Return a position in steps.

    Raises:
        ValueError: it is not one.
    """
    digits = _content(reply)
    if not 4 <= len(digits) <= 8 or not all(digit in b"0123456789ABCDEFabcdef" for digit in digits):
        raise ValueError("expected four to eight hexadecimal digits")
    return int(digits, 16)


def parse_moving(reply: bytes) -> bool:
    """Return whether the focuser moves.

    Raises:
        ValueError: the reply says neither.
    """
    answers = {b"00": False, b"0": False, b"01": True, b"1": True}
    content = _content(reply)
    if content not in answers:
        raise ValueError("expected 00 or 01")
    return answers[content]


def _content(reply: bytes) -> bytes:
    if not reply.endswith(b"#"):
        raise ValueError("incomplete: it does not end with #")
    return reply[:-1]
