"""Simulated Grbl and Marlin controllers with a Z axis; see `aif_ros.devices.gcode`."""

import re

from aif_ros.devices.simulators.motor import SimulatedMotor

STEPS_PER_MM = 400
TRAVEL = 10.0
"""Travel of the Z axis, millimetres."""


class _Lines:
    """A controller that takes lines and answers each."""

    def __init__(self, motor: SimulatedMotor) -> None:
        self.motor = motor
        self._line = b""

    def receive(self, byte: bytes) -> bytes:
        """Take in one byte."""
        if byte not in b"\r\n":
            self._line = (self._line + byte)[-256:]
            return b""
        line, self._line = self._line.decode("ascii", "replace"), b""
        return self._execute(line).encode() if line else b""

    def _execute(self, line: str) -> str:
        raise NotImplementedError

    def _steps(self) -> int:
        return round(self.motor.position * STEPS_PER_MM)


class SimulatedGrbl(_Lines):
    """A Grbl 1.1 controller whose Z axis runs from -10 to 0 mm."""

    def __init__(self, motor: SimulatedMotor | None = None) -> None:
        super().__init__(motor or SimulatedMotor(position=-TRAVEL / 2, speed=20.0))
        self.alarm = False
        self.soft_limits = True
        self.inches = False
        """Whether positions are reported in inches ($13)."""

    def receive(self, byte: bytes) -> bytes:
        """Real-time commands are single bytes that take effect at once."""
        if byte == b"?":
            state = "Alarm" if self.alarm else "Jog" if self.motor.moving else "Idle"
            z = self._steps() / STEPS_PER_MM
            position = f"{z / 25.4:.4f}" if self.inches else f"{z:.3f}"
            return f"<{state}|MPos:0.000,0.000,{position}|FS:0,0>\r\n".encode()
        if byte == b"\x85":
            self.motor.stop(1 / STEPS_PER_MM)
            return b""
        return super().receive(byte)

    def _execute(self, line: str) -> str:
        if line == "$$":
            return (
                f"$13={int(self.inches)}\r\n$20={int(self.soft_limits)}\r\n$100=80.000\r\n$101=80.000\r\n"
                f"$102={STEPS_PER_MM:.3f}\r\n$130=200.000\r\n$131=200.000\r\n"
                f"$132={TRAVEL:.3f}\r\nok\r\n"
            )
        jog = re.fullmatch(r"\$J=G53 G90 G21 Z(-?\d+\.\d+) F(\d+\.\d+)", line)
        if jog is None:
            return "error:20\r\n"
        if self.motor.moving or self.alarm:
            return "error:9\r\n" if self.alarm else "error:8\r\n"
        target = float(jog[1])
        if self.soft_limits and not -TRAVEL <= target <= 0:
            return "error:15\r\n"
        self.motor.move(round(target * STEPS_PER_MM) / STEPS_PER_MM)
        return "ok\r\n"


class SimulatedMarlin(_Lines):
    """A Marlin 2 controller whose Z axis runs from 0 to 10 mm."""

    def __init__(self, motor: SimulatedMotor | None = None) -> None:
        super().__init__(motor or SimulatedMotor(position=5.0, speed=20.0))
        self.unit = 1.0
        """Unit of lengths, millimetres; 25.4 after a G20."""
        self.newer_report = False
        """Whether M211 answers in two lines."""
        self._number = 0

    def _execute(self, line: str) -> str:
        text, star, checksum = line.rpartition("*")
        total = 0
        for character in text.encode():
            total ^= character
        number = re.match(r"N(\d+) ", text)
        if not star or not checksum.isdecimal() or int(checksum) != total:
            return self._resend("checksum mismatch")
        if text.startswith("M110"):
            self._number = 0
            return "ok\n"
        if number is None or int(number[1]) != self._number + 1:
            return self._resend("Line Number is not Last Line Number+1")
        self._number += 1
        return self._run(text[number.end() :])

    def _resend(self, reason: str) -> str:
        return f"Error:{reason}, Last Line: {self._number}\nResend: {self._number + 1}\nok\n"

    def _run(self, command: str) -> str:
        move = re.fullmatch(r"G1 Z(-?\d+\.\d+) F\d+\.\d+", command)
        if move:
            self.motor.move(round(float(move[1]) * self.unit * STEPS_PER_MM) / STEPS_PER_MM)
            return "ok\n"
        match command:
            case "M410":
                self.motor.stop(1 / STEPS_PER_MM)
            case "M114":
                target = self.motor.position
                return f"X:0.00 Y:0.00 Z:{target:.2f} E:0.00 Count X:0 Y:0 Z:{self._steps()}\nok\n"
            case "M211":
                heading = "  M211 S1 ; ON\n" if self.newer_report else "echo:Soft endstops: On"
                return (
                    f"{heading}  Min:  X0.00 Y0.00 Z0.00   Max:  X200.00 Y200.00 "
                    f"Z{TRAVEL / self.unit:.2f}\nok\n"
                )
            case "M503":
                return (
                    "echo:; Steps per unit:\n"
                    f"echo:  M92 X80.00 Y80.00 Z{STEPS_PER_MM * self.unit:.2f} E93.00\n"
                    "echo:; Max feedrates (units/s):\necho:  M203 X300.00 Y300.00 Z5.00 E25.00\n"
                    "ok\n"
                )
            case "G90":
                pass
            case "G21":
                self.unit = 1.0
            case _:
                return f'echo:Unknown command: "{command}"\nok\n'
        return "ok\n"
