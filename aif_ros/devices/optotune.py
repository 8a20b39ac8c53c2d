"""Liquid lenses on an Optotune Lens Driver 4 or 4i (EL-10-30, EL-16-40, EL-3-10).

Protocol: after the handshake ``Start`` / ``Ready``, a command is its letters and big-endian numbers
followed by a CRC-16 (polynomial 0xA001 reflected, start value 0, low byte first); a reply has the
CRC-16 and ``CR LF`` after it. Commands that set a value have no reply, so the value is read back.
Sources: "Lens Driver 4 manual" of Optotune; `src/optotune_lens/lens.py` of elhananby/optotune-lens
(MIT); funalab/LensDriver.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from typing_extensions import Doc

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import DeviceError
from aif_ros.devices.motor_axis import Axis, Reading
from aif_ros.devices.motor_settings import MetresPerUnit, MotorSettings
from aif_ros.devices.serial_lens import SerialLens
from aif_ros.devices.serial_port import SerialPort
from aif_ros.settings.declaration import Limits, OneOf

HANDSHAKE = b"Start"
READY = b"Ready\r\n"
FIRMWARE_TYPE = b"H"
"""Type A drivers add an offset of 5 dioptres to focal powers."""
FOCAL_POWER_MODE = b"MwCA"
CURRENT_MODE = b"MwDA"
MAXIMUM_CURRENT = b"CrMA\0\0"
GET_FOCAL_POWER = b"PrDA\0\0\0\0"
SET_FOCAL_POWER = struct.Struct(">4sh2x")
GET_CURRENT = b"Ar\0\0"
SET_CURRENT = struct.Struct(">2sh")

BAUD_RATE = 115200
"""Bits per second; the driver is a USB device that accepts any."""
DIOPTRES_PER_COUNT = 1 / 200
"""Unit of focal powers in the protocol."""
TYPE_A_OFFSET = 5.0
"""Dioptres that type A firmware adds to focal powers."""
FULL_CURRENT = 4095
"""Count of the highest current."""


@dataclass(frozen=True)
class OptotuneSettings(MotorSettings):
    """Optotune lens; a unit is a dioptre, or a milliampere in current mode.

    A liquid lens has no travel. Only the product of travel and blur matters, so a dioptre counts as
    1 mm by default.
    """

    metres_per_unit: MetresPerUnit = 1e-3
    # EL-10-30 and EL-16-40 data sheets: 15 to 25 ms.
    settling_time: Annotated[
        float, Limits(0.0, 60.0), Doc("Seconds that the membrane takes to settle.")
    ] = 0.025
    mode: Annotated[
        str,
        OneOf(("focal_power", "current")),
        Doc(
            "focal_power: dioptres, compensated for temperature, for lenses with a memory; "
            "current: milliamperes."
        ),
    ] = "focal_power"


class OptotuneLens(SerialLens):
    """A liquid lens on an Optotune driver.

    Args:
        path: serial port.
        clock: source of the stamps.
        settings: see there.
        limits: see `MotorLens`.

    Raises:
        DeviceError: the port cannot be opened, the driver does not answer, or the lens has no
            memory and the mode is focal power.
    """

    # More focal power, and more current, focus nearer objects.
    higher_unit_is_nearer = True

    def __init__(
        self,
        path: str,
        clock: Clock,
        settings: OptotuneSettings | None = None,
        *,
        limits: tuple[float, float] | None = None,
    ) -> None:
        self._options = settings or OptotuneSettings()
        self.unit = "mA" if self._options.mode == "current" else "dpt"
        self._offset = 0.0
        self._unit_per_count = DIOPTRES_PER_COUNT
        super().__init__(path, f"Optotune lens at {path}", clock, self._options, limits=limits)

    def _connect(self) -> Axis:
        port = self._port = SerialPort(self._path, self.label, BAUD_RATE, fixed=True)

        def check(reply: bytes) -> None:
            if reply != READY:
                raise ValueError("expected Ready")

        port.handshake(lambda: port.ask(HANDSHAKE, check, size=len(READY)))
        if self._options.mode == "current":
            self._query(CURRENT_MODE, ">3x")
            (centimilliamperes,) = self._query(MAXIMUM_CURRENT, ">3xh")
            self._offset = 0.0
            self._unit_per_count = centimilliamperes / 100 / FULL_CURRENT
            if not self._unit_per_count > 0:
                raise DeviceError(f"{self.label} allows no current: set its limit")
            highest = FULL_CURRENT * self._unit_per_count
            # Only lenses made for it take negative currents: they must be asked for.
            lowest = 0.0 if self._options.low is None else -highest
        else:
            (kind,) = self._query(FIRMWARE_TYPE, ">xB")
            self._offset = TYPE_A_OFFSET if kind == ord("A") else 0.0
            error, most, least = self._query(FOCAL_POWER_MODE, ">3xBhh")
            if error:
                raise DeviceError(
                    f"{self.label} refuses focal powers (error {error}): its lens may lack the "
                    "memory that this needs; use mode=current"
                )
            lowest, highest = self._unit(least), self._unit(most)
        # Targets are rounded to counts where they are sent.
        return Axis(lowest, highest, resolution=0.0, tolerance=0.75 * self._unit_per_count)

    def _read(self) -> Reading:
        request, reply = (
            (GET_CURRENT, ">xh") if self._options.mode == "current" else (GET_FOCAL_POWER, ">2xh")
        )
        (count,) = self._query(request, reply)
        # The driver reports its output, not whether the membrane has settled.
        return Reading(self._unit(count), False)

    def _command(self, target: float) -> None:
        count = round((target + self._offset) / self._unit_per_count)
        if self._options.mode == "current":
            request, query, reply = SET_CURRENT.pack(b"Aw", count), GET_CURRENT, ">xh"
        else:
            request, query, reply = SET_FOCAL_POWER.pack(b"PwDA", count), GET_FOCAL_POWER, ">2xh"

        def check(numbers: tuple[int, ...]) -> None:
            if numbers[0] != count:
                raise ValueError(f"expected {count}")

        self._query(query, reply, first=request, check=check)

    def _halt(self) -> None:
        """Nothing to stop: the lens is where it was sent within its settling time."""

    def _query(
        self,
        request: bytes,
        reply: str,
        *,
        first: bytes = b"",
        check: Callable[[tuple[int, ...]], None] = lambda numbers: None,
    ) -> tuple[int, ...]:
        """Return the numbers of a reply of the form `reply` (`struct`).

        `first` is a command without reply that is sent before, again in each attempt.
        """

        def parse(received: bytes) -> tuple[int, ...]:
            numbers = parse_reply(request, reply, received)
            check(numbers)
            return numbers

        commands = (with_crc(first) if first else b"") + with_crc(request)
        return self._open_port().ask(commands, parse, size=struct.calcsize(reply) + 4)

    def _unit(self, count: float) -> float:
        return count * self._unit_per_count - self._offset


def crc16(data: bytes) -> int:
    """Return the CRC-16 of `data`, polynomial 0xA001 reflected, start value 0 ("CRC-16/ARC")."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def with_crc(data: bytes) -> bytes:
    """Return `data` followed by its CRC-16, low byte first."""
    return data + struct.pack("<H", crc16(data))


def parse_reply(request: bytes, form: str, reply: bytes) -> tuple[int, ...]:
    """Return the numbers in a reply.

    Args:
        request: that it answers; a reply begins with the same letter.
        form: of its content, for `struct`.
        reply: as received.

    Raises:
        ValueError: its length, checksum, end or first letter is wrong.
    """
    if len(reply) != struct.calcsize(form) + 4:
        raise ValueError(f"{len(reply)} bytes instead of {struct.calcsize(form) + 4}")
    data, crc, end = reply[:-4], reply[-4:-2], reply[-2:]
    if end != b"\r\n":
        raise ValueError("it does not end with CR LF")
    if with_crc(data)[-2:] != crc:
        raise ValueError("wrong checksum")
    if data[:1] != request[:1]:
        raise ValueError("it answers another command")
    return struct.unpack(form, data)
