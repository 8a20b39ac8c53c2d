"""One serial line for all serial devices: time-outs, retries, an exclusive lock, clear errors."""

import contextlib
import errno
import fcntl
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from typing_extensions import Doc

from aif_ros.devices.device import ConnectionLostError
from aif_ros.devices.optional import require
from aif_ros.devices.permissions import advice
from aif_ros.settings.declaration import Limits

T = TypeVar("T")


BaudRate = Annotated[int, Limits(50, 4_000_000), Doc("Bits per second of the serial line.")]

REPLY_TIMEOUT = 0.5
"""Seconds to wait for a reply: ten characters at 9600 baud take 10 ms, USB adapters add 16."""
WRITE_TIMEOUT = 5.0
"""Seconds that writing a request may take. pyserial also counts the time for which a busy computer
has stopped this process after the bytes were written."""
ATTEMPTS = 3
"""Number of times a request is sent before the device counts as disconnected."""
BOOT_TIMEOUT = 4.0
"""Seconds that a device may take to answer after its port was opened: Arduino boards restart then
and wait two seconds in their boot loader."""
LONGEST_LATENESS = 5.0
"""Seconds to wait at most for silence after a late reply, from a device that sends without end."""
LONGEST_REPLY = 4096
"""Bytes: a device that sends without end must not fill the memory."""


class SerialPort:
    """A serial line on which one request at a time gets one reply.

    Args:
        path: of the port, such as /dev/ttyUSB0; better a stable name from /dev/serial/by-id.
        label: of the device in messages.
        baud_rate: bits per second.
        fixed: whether the device has this rate only, so that its URI cannot set another one.

    Raises:
        MissingDependencyError: pyserial is not installed.
        ConnectionLostError: the port does not exist, may not be opened, or is in use.
    """

    def __init__(self, path: str, label: str, baud_rate: int, *, fixed: bool = False) -> None:
        self._path = path
        self._label = label
        self._rate = f"{baud_rate} baud" + (
            "" if fixed else " (another rate: baud_rate in its URI)"
        )
        self._serial: Any = None
        self._received = b""
        self._late = False
        serial = require("serial", "serial")
        try:
            self._serial = serial.Serial(
                path,
                baud_rate,
                timeout=REPLY_TIMEOUT,
                write_timeout=WRITE_TIMEOUT,
                exclusive=True,
            )
            # Programs that take no lock of their own cannot open the port either (except root).
            fcntl.ioctl(self._serial.fileno(), termios.TIOCEXCL)
        except (OSError, ValueError) as error:
            self.close()
            raise ConnectionLostError(self._opening_failed(error)) from error

    def ask(
        self,
        request: bytes,
        parse: Callable[[bytes], T],
        *,
        end: bytes = b"",
        size: int = 0,
        timeout: float | None = None,
    ) -> T:
        """Send `request` and return the parsed reply; skips garbage, asks again after silence.

        Garbage is skipped instead of answered with another request: the reply behind it has yet to
        arrive, and would be read as the reply to that request. Replies that come too late, after
        the request was repeated, are awaited and dropped before the next one.

        Only for requests that may be repeated without harm.

        Args:
            request: bytes to send.
            parse: turns the reply into a value; raises ValueError if it is garbage.
            end: last bytes of the reply.
            size: length of the reply in bytes, where it has no fixed end.
            timeout: seconds to wait for the reply; default: REPLY_TIMEOUT.

        Raises:
            ConnectionLostError: no usable reply in all attempts, or the port is gone.
        """
        problem = "no reply"
        seconds = REPLY_TIMEOUT if timeout is None else timeout
        for attempt in range(ATTEMPTS):
            self.send(request, again=attempt > 0)
            deadline = time.monotonic() + seconds
            remaining = seconds
            while remaining > 0 and (reply := self.read(end=end, size=size, timeout=remaining)):
                try:
                    return parse(reply)
                except ValueError as error:
                    problem = f"not understood: {reply[:60]!r} ({error})"
                remaining = deadline - time.monotonic()
        raise self.no_answer(_printable(request), problem)

    def no_answer(self, request: str, problem: str) -> ConnectionLostError:
        """Return the error for a device that does not answer `request` as it should."""
        return ConnectionLostError(
            f"{self._label} does not answer {request} as it should ({problem}): see that it is "
            f"switched on, is this kind of device, and uses {self._rate}"
        )

    def handshake(self, attempt: Callable[[], T]) -> T:
        """Return what `attempt` returns; repeats it while the device may still be starting.

        Raises:
            ConnectionLostError: it still fails after the boot time-out.
        """
        deadline = time.monotonic() + BOOT_TIMEOUT
        while True:
            try:
                return attempt()
            except ConnectionLostError:
                if time.monotonic() > deadline or self._serial is None:
                    raise

    def send(self, request: bytes, *, again: bool = False) -> None:
        """Discard what has arrived and send `request`.

        Args:
            request: bytes to send.
            again: whether it repeats the last one, whose reply may be late: it counts as this
                one's. One more reply than is read then arrives, and must not be taken for that of
                the next request.

        Raises:
            ConnectionLostError: the port is gone.
        """
        if self._late and not again:
            self._await_silence()
        self._late = again
        with self._line() as line:
            line.reset_input_buffer()
            self._received = b""
            line.write(request)

    def _await_silence(self) -> None:
        deadline = time.monotonic() + LONGEST_LATENESS
        with self._line() as line:
            line.timeout = REPLY_TIMEOUT
            while time.monotonic() < deadline and line.read(max(1, line.in_waiting)):
                pass

    def read(self, *, end: bytes = b"", size: int = 0, timeout: float | None = None) -> bytes:
        """Return what arrives up to and including `end`, or `size` bytes; less after a time-out.

        Raises:
            ConnectionLostError: the port is gone.
        """
        seconds = REPLY_TIMEOUT if timeout is None else timeout
        deadline = time.monotonic() + seconds
        while (length := self._length(end, size)) is None:
            with self._line() as line:
                line.timeout = max(0.0, deadline - time.monotonic())
                # All bytes that have arrived at once: each read wakes this process up.
                chunk = line.read(max(1, line.in_waiting))
            if not chunk:
                length = len(self._received)
                break
            self._received += chunk
        reply, self._received = self._received[:length], self._received[length:]
        return reply

    def _length(self, end: bytes, size: int) -> int | None:
        """Bytes of the reply that has been received; None: it is not complete."""
        found = self._received.find(end) + len(end) if end and end in self._received else 0
        most = LONGEST_REPLY if end else size
        return found or (most if len(self._received) >= most else None)

    def close(self) -> None:
        """Close the port."""
        line, self._serial = self._serial, None
        if line is not None:
            with contextlib.suppress(OSError, termios.error):
                fcntl.ioctl(line.fileno(), termios.TIOCNXCL)
            with contextlib.suppress(OSError):
                line.close()

    def _line(self) -> "_Line":
        if self._serial is None:
            raise ConnectionLostError(f"{self._label} is disconnected: connect it again")
        return _Line(self)

    def _opening_failed(self, error: Exception) -> str:
        number = getattr(error, "errno", None)
        text = str(error)
        if isinstance(error, ValueError):
            return f"{self._label}: the port cannot be set up: {text}"
        if number == errno.EACCES or "Permission denied" in text:
            return f"{self._label}: you may not open the port: {advice(self._path, 'dialout')}"
        if number == errno.EBUSY or "lock" in text or "busy" in text:
            return f"{self._label}: another program uses the port: close it and try again"
        if not Path(self._path).exists():
            known = ", ".join(port_names()) or "none"
            return f"{self._label}: there is no such port: connect the device; ports now: {known}"
        if number == errno.ENOTTY or "Inappropriate ioctl" in text:
            return f"{self._label}: this is no serial port"
        return f"{self._label}: cannot open the port: {text}"


class _Line:
    """Context that turns errors of the port into `ConnectionLostError` and closes the port."""

    def __init__(self, port: SerialPort) -> None:
        self._port = port

    def __enter__(self) -> Any:
        return self._port._serial

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | termios.error | TypeError):  # pyserial: fd None
            label = self._port._label
            self._port.close()
            raise ConnectionLostError(
                f"{label} was disconnected ({error}): connect it again"
            ) from error


def port_names() -> list[str]:
    """Paths of the serial ports of this machine.

    Raises:
        MissingDependencyError: pyserial is not installed.
    """
    list_ports = require("serial.tools.list_ports", "serial")
    return sorted(port.device for port in list_ports.comports())


def _printable(request: bytes) -> str:
    return repr(request)[1:].strip("'\"")
