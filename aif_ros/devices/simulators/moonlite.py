"""A simulated Moonlite focuser; the protocol is documented in `aif_ros.devices.moonlite`."""

import contextlib

from aif_ros.devices.simulators.motor import SimulatedMotor


class SimulatedMoonlite:
    """Answers the commands that INDI's driver sends to a MoonLite controller."""

    def __init__(self, motor: SimulatedMotor | None = None) -> None:
        self.motor = motor or SimulatedMotor(speed=20000.0)
        self.compensates = True
        """Whether temperature compensation is on."""
        self._command = b""
        self._target = round(self.motor.position)

    def receive(self, byte: bytes) -> bytes:
        """Take in one byte; a command ends with ``#``."""
        if byte == b":":
            self._command = b""
            return b""
        if byte != b"#":
            self._command = (self._command + byte)[-16:]
            return b""
        command, self._command = self._command, b""
        return self._execute(command)

    def _execute(self, command: bytes) -> bytes:
        match command[:2], command[2:]:
            case b"GV", b"":
                return b"13"
            case b"GP", b"":
                return b"%04X#" % max(0, round(self.motor.position))
            case b"GI", b"":
                return b"01#" if self.motor.moving else b"00#"
            case b"GN", b"":
                return b"%04X#" % self._target
            case b"GT", b"":
                return b"0028#"  # temperature, half degrees
            case b"GD", b"":
                return b"02#"  # speed
            case b"GH", b"":
                return b"00#"  # full steps
            case b"SN", digits:
                # The real one ignores what it does not understand.
                with contextlib.suppress(ValueError):
                    self._target = int(digits, 16)
            case b"-", b"":
                self.compensates = False
            case b"FG", b"":
                self.motor.move(self._target)
            case b"FQ", b"":
                self.motor.stop()
        return b""
