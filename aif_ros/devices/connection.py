"""A connection to a device that is opened again after it was lost."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from aif_ros.devices.device import ConnectionLostError, DeviceError

C = TypeVar("C")
T = TypeVar("T")

RECONNECT_INTERVAL = 0.5
"""Seconds between two attempts to open a lost connection. Short enough to resume soon after a cable
is plugged in again, long enough not to keep a USB hub busy."""


class Connection(Generic[C]):
    """Opens a connection when it is used, and again when it is used after it was lost.

    Args:
        connect: opens it, and returns what the requests need.
        disconnect: closes it; called at any time, also twice, and where `connect` has failed.
    """

    def __init__(self, connect: Callable[[], C], disconnect: Callable[[], None]) -> None:
        self._connect = connect
        self._disconnect = disconnect
        self._opened: C | None = None
        self._fault = ""
        self._retry_at = 0.0

    def use(self, request: Callable[[C], T]) -> T:
        """Return the result of `request` on the open connection.

        Raises:
            ConnectionLostError: it was lost, and is closed now.
            DeviceError: it cannot be opened.
        """
        if self._opened is None:
            self._opened = self._open()
        try:
            return request(self._opened)
        except ConnectionLostError as fault:
            self.close(str(fault))
            raise

    @property
    def is_open(self) -> bool:
        """Whether it is open, as far as is known."""
        return self._opened is not None

    def close(self, fault: str = "") -> None:
        """Close it.

        Args:
            fault: why; repeated until it is time for the next attempt to open it.
        """
        self._opened, self._fault = None, fault
        self._disconnect()

    def _open(self) -> C:
        if time.monotonic() < self._retry_at:
            raise ConnectionLostError(self._fault)
        self._retry_at = time.monotonic() + RECONNECT_INTERVAL
        try:
            return self._connect()
        except DeviceError as fault:
            self.close(str(fault))
            raise
