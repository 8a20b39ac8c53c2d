"""A serial line to a simulated device: a pseudo-terminal, with the faults of real lines."""

import contextlib
import os
import select
import threading
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aif_ros.devices.simulators.closing import Closing


class SerialDevice(Protocol):
    """A device at the end of a serial line."""

    def receive(self, byte: bytes) -> bytes:
        """Take in one byte and return what the device sends because of it."""
        ...


@dataclass
class LineFaults:
    """Faults of the line; may be changed at any time.

    Attributes:
        noise: bytes sent before each of the next replies, one for each.
        drop: number of next replies that are lost.
        truncate: number of next replies of which only the first half arrives.
        delay: seconds before each reply.
        corrupt_requests: number of next received bytes that arrive with one bit changed.
        ignores_all: whether the device receives nothing.
    """

    noise: list[bytes]
    drop: int = 0
    truncate: int = 0
    delay: float = 0.0
    corrupt_requests: int = 0
    ignores_all: bool = False


class SerialSimulator(Closing):
    """Connects a simulated device to a path that programs open as a serial port.

    Args:
        device: that answers.
        path: symbolic link to create, as udev does for a real port.
    """

    def __init__(self, device: SerialDevice, path: str | Path) -> None:
        self.device = device
        self.path = Path(path)
        self.faults = LineFaults([])
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._master = -1
        self.plug_in()

    def plug_in(self) -> None:
        """Connect the cable: the port appears."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)
        self._stop.clear()
        self._thread = threading.Thread(target=self._serve, name=f"{self.path}", daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Unplug the cable: the port disappears, also for a program that has it open."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        self._thread = None
        self.path.unlink(missing_ok=True)
        os.close(self._master)

    close = unplug

    def _serve(self) -> None:
        while not self._stop.is_set():
            ready, _, _ = select.select([self._master], [], [], 0.01)
            if not ready:
                continue
            try:
                received = os.read(self._master, 256)
            except OSError:
                # No program has the port open.
                self._stop.wait(0.005)
                continue
            for value in received:
                self._take(bytes([value]))

    def _take(self, byte: bytes) -> None:
        faults = self.faults
        if faults.ignores_all:
            return
        if faults.corrupt_requests:
            faults.corrupt_requests -= 1
            byte = bytes([byte[0] ^ 0x04])
        reply = self.device.receive(byte)
        if not reply:
            return
        if faults.delay:
            time.sleep(faults.delay)
        if faults.drop:
            faults.drop -= 1
            return
        if faults.truncate:
            faults.truncate -= 1
            reply = reply[: len(reply) // 2]
        if faults.noise:
            reply = faults.noise.pop(0) + reply
        for value in reply:
            with contextlib.suppress(OSError):
                os.write(self._master, bytes([value]))
