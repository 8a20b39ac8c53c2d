"""Focusers of an ASCOM Alpaca server, through the client library alpyca.

Sources: "ASCOM Alpaca API Reference" and the IFocuserV4 interface at ascom-standards.org; discovery
as in "Alpaca Discovery Protocol" (UDP port 32227).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import ConnectionLostError, DeviceError, check_port
from aif_ros.devices.motor_axis import Axis, Reading
from aif_ros.devices.motor_lens import MotorLens
from aif_ros.devices.motor_settings import MotorSettings
from aif_ros.devices.optional import require

T = TypeVar("T")

ATTEMPTS = 3
"""Number of times a request is sent before the focuser counts as disconnected."""

LIST_TIMEOUT = 5.0
"""Seconds to wait for a server's list of its devices."""


@dataclass(frozen=True)
class AlpacaSettings(MotorSettings):
    """Alpaca focuser; a unit is a motor step."""


class AlpacaLens(MotorLens):
    """A focuser of an Alpaca server.

    Args:
        address: ``HOST:PORT[/NUMBER]``, with the number of the focuser on the server, 0 by default.
        clock: source of the stamps.
        settings: see there.
        limits: see `MotorLens`.

    Raises:
        ValueError: the address has another form.
        MissingDependencyError: alpyca is not installed.
        DeviceError: server or focuser cannot be reached, or it supports relative moves only.
    """

    def __init__(
        self,
        address: str,
        clock: Clock,
        settings: AlpacaSettings | None = None,
        *,
        limits: tuple[float, float] | None = None,
    ) -> None:
        self._server, self._number = parse_address(address)
        require("alpaca", "alpaca")
        self._focuser: Any = None
        label = f"Alpaca focuser {self._server}/{self._number}"
        super().__init__(label, clock, settings or AlpacaSettings(), limits=limits)

    def _connect(self) -> Axis:
        from alpaca.focuser import Focuser

        focuser = self._focuser = self._request(lambda: Focuser(self._server, self._number))
        try:
            self._request(lambda: setattr(focuser, "Connected", True))
        except DeviceError as fault:
            # Servers refuse a number that does not exist in several ways.
            if self._has_number(fault) or isinstance(fault, ConnectionLostError):
                raise
            raise DeviceError(
                f"{fault}; see that the server has a focuser {self._number}: it does not list its "
                "devices"
            ) from fault
        if not self._request(lambda: focuser.Absolute, bool):
            raise DeviceError(f"{self.label} supports relative moves only: it cannot be used")
        try:
            if self._request(lambda: focuser.TempCompAvailable, bool):
                # Else the focuser moves by itself.
                self._request(lambda: setattr(focuser, "TempComp", False))
        except _NotImplementedError:
            pass
        return Axis(0, self._request(lambda: focuser.MaxStep, int))

    def _read(self) -> Reading:
        moving = self._request(lambda: self._focuser.IsMoving, bool)
        return Reading(self._request(lambda: self._focuser.Position, int), moving)

    def _command(self, target: float) -> None:
        self._request(lambda: self._focuser.Move(round(target)))

    def _halt(self) -> None:
        try:
            self._request(lambda: self._focuser.Halt())
        except _NotImplementedError:
            # It cannot stop: sent to where it is, the move ends soon.
            self._command(self._read().position)

    def _disconnect(self) -> None:
        focuser, self._focuser = self._focuser, None
        if focuser is not None:
            focuser.rqs.close()  # its HTTP session

    def _has_number(self, fault: DeviceError) -> bool:
        """Return whether the server lists a focuser of this number; False: it lists no devices.

        Raises:
            DeviceError: it lists others, or none; caused by `fault`.
        """
        try:
            present = dict(focusers(self._server))
        except DeviceError:
            return False
        if self._number not in present:
            known = ", ".join(f"{number} ({name})" for number, name in present.items())
            raise DeviceError(
                f"the Alpaca server {self._server} has no focuser {self._number}: choose from "
                f"{known}"
                if known
                else f"the Alpaca server {self._server} has no focuser"
            ) from fault
        return True

    def _request(self, request: Callable[[], T], kind: type | None = None) -> T:
        """Return the answer to a request that may be repeated; `kind`: the type it must have."""
        from alpaca.exceptions import (
            ActionNotImplementedException,
            AlpacaRequestException,
            DriverException,
            InvalidOperationException,
            InvalidValueException,
            NotConnectedException,
            NotImplementedException,
            OperationCancelledException,
            ParkedException,
            SlavedException,
            ValueNotSetException,
        )
        from requests import ConnectionError, RequestException

        problem = ""
        for _ in range(ATTEMPTS):
            try:
                answer = request()
                # bool is an int, but no position.
                if kind is None or type(answer) is kind:
                    return answer
                problem = f"not understood: {answer!r}"
            except (NotImplementedException, ActionNotImplementedException) as error:
                raise _NotImplementedError(f"{self.label} cannot do this: {error}") from error
            except (
                DriverException,
                InvalidOperationException,
                InvalidValueException,
                OperationCancelledException,
                ParkedException,
                SlavedException,
                ValueNotSetException,
            ) as error:
                raise DeviceError(f"{self.label} refuses: {error}") from error
            except ConnectionError:
                problem = "there is no server"
            except (
                AlpacaRequestException,
                NotConnectedException,
                RequestException,
                # Replies that are no JSON, or lack what they must have.
                ValueError,
                KeyError,
                TypeError,
            ) as error:
                problem = f"{type(error).__name__}: {str(error)[:200]}"
        raise ConnectionLostError(
            f"{self.label} does not answer ({problem}): see that the server runs and that its "
            "address and the number of the focuser are right"
        )


class _NotImplementedError(DeviceError):
    """The focuser lacks what was asked for (0x400 and 0x40C)."""


def focusers(server: str) -> list[tuple[int, str]]:
    """Return number and name of the focusers of a server.

    Args:
        server: ``HOST:PORT``.

    Raises:
        DeviceError: it does not list its devices.
    """
    requests = require("requests", "alpaca")
    url = f"http://{server}/management/v1/configureddevices"
    try:
        # Not by the client library: it would wait for ever.
        devices = requests.get(url, timeout=LIST_TIMEOUT).json()["Value"]
        return [
            (int(device["DeviceNumber"]), str(device.get("DeviceName", "")))
            for device in devices
            if str(device["DeviceType"]).lower() == "focuser"
        ]
    # Answers of other programs can fail in any way.
    except Exception as error:
        raise DeviceError(f"the Alpaca server {server} does not list its devices") from error


def parse_address(text: str) -> tuple[str, int]:
    """Return server (``HOST:PORT``) and number of the focuser.

    Raises:
        ValueError: it has another form.
    """
    server, _, number = text.partition("/")
    host, colon, port = server.rpartition(":")
    if not host or not colon or not port.isdecimal() or not (number or "0").isdecimal():
        raise ValueError(f"an Alpaca focuser is given as HOST:PORT[/NUMBER], got '{text}'")
    check_port(port)
    return server, int(number or 0)
