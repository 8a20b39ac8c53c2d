"""What lenses on a serial line have in common."""

from aif_ros.devices.clock import Clock
from aif_ros.devices.motor_lens import MotorLens
from aif_ros.devices.motor_settings import MotorSettings
from aif_ros.devices.serial_port import SerialPort


class SerialLens(MotorLens):
    """A lens on a serial line. Subclasses open `_port` in `_connect`.

    Args:
        path: serial port.
        label: of the lens, for messages.
        clock: source of the stamps.
        settings: of the lens.
        limits: see `MotorLens`.

    Raises:
        DeviceError: the port cannot be opened or the lens does not answer.
    """

    def __init__(
        self,
        path: str,
        label: str,
        clock: Clock,
        settings: MotorSettings,
        *,
        limits: tuple[float, float] | None = None,
    ) -> None:
        self._path = path
        self._port: SerialPort | None = None
        super().__init__(label, clock, settings, limits=limits)

    def _open_port(self) -> SerialPort:
        """Return the port of a connected lens."""
        assert self._port is not None
        return self._port

    def _disconnect(self) -> None:
        if self._port is not None:
            self._port.close()
