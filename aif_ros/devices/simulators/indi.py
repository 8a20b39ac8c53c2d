"""A simulated INDI focuser: a driver that a real `indiserver` runs.

Protocol: see `aif_ros.devices.indi_client`; a driver reads requests from its standard input and
writes reports to its standard output. Besides the standard properties it has MOTION.BEGUN, the time
at which its motor was started last, seconds of the monotonic clock.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import cast

from aif_ros.devices.device import ConnectionLostError, MissingDependencyError
from aif_ros.devices.indi_client import IndiAddress, IndiClient
from aif_ros.devices.simulators.motor import SimulatedMotor
from aif_ros.storage.atomic_write import write_text

DEVICE = "Simulated Focuser"
HIGHEST = 10_000
"""Highest position, steps."""
POLL = 0.01
"""Seconds between two reports of a position in motion."""
START_TIMEOUT = 20.0
"""Seconds that the server may take to start on a busy computer."""


class SimulatedIndiFocuser:
    """An INDI driver of one focuser.

    Args:
        motor: of the focuser.
    """

    def __init__(self, motor: SimulatedMotor | None = None) -> None:
        self.motor = motor or SimulatedMotor(position=HIGHEST / 2, speed=200_000.0)
        self._connected = False
        self.busy = False
        """Whether the last report said that the focuser moves: another one must follow."""

    def receive(self, request: "ElementTree.Element[str]") -> list[str]:
        """Take in one request and return the reports that it causes."""
        if request.tag == "getProperties":
            return [self._connection("def"), *(self._focuser("def") if self._connected else ())]
        values = {child.get("name"): (child.text or "").strip() for child in request}
        match request.tag, request.get("name"):
            case "newSwitchVector", "CONNECTION":
                self._connected = values.get("CONNECT") == "On"
                return [self._connection("set"), *self._focuser("def")]
            case "newSwitchVector", "FOCUS_ABORT_MOTION":
                self.motor.stop()
                return [self.position("set")]
            case "newNumberVector", "ABS_FOCUS_POSITION":
                begun = time.monotonic()
                self.motor.move(float(values["FOCUS_ABSOLUTE_POSITION"]))
                return [self._number("set", "MOTION", "BEGUN", begun), self.position("set")]
        return []

    def position(self, kind: str) -> str:
        """Return the report of the position; `kind`: def or set."""
        self.busy = self.motor.moving
        position, state = self.motor.position, "Busy" if self.busy else "Ok"
        return self._number(kind, "ABS_FOCUS_POSITION", "FOCUS_ABSOLUTE_POSITION", position, state)

    def _focuser(self, kind: str) -> list[str]:
        abort = self._switch(kind, "FOCUS_ABORT_MOTION", "ABORT", False)
        return [abort, self._number(kind, "MOTION", "BEGUN", 0.0), self.position(kind)]

    def _connection(self, kind: str) -> str:
        return self._switch(kind, "CONNECTION", "CONNECT", self._connected)

    def _switch(self, kind: str, name: str, element: str, on: bool) -> str:
        child = "defSwitch" if kind == "def" else "oneSwitch"
        return (
            f'<{kind}SwitchVector device="{DEVICE}" name="{name}" state="Ok" perm="rw" '
            f'rule="AtMostOne"><{child} name="{element}">{"On" if on else "Off"}</{child}>'
            f"</{kind}SwitchVector>\n"
        )

    def _number(self, kind: str, name: str, element: str, value: float, state: str = "Ok") -> str:
        child = "defNumber" if kind == "def" else "oneNumber"
        return (
            f'<{kind}NumberVector device="{DEVICE}" name="{name}" state="{state}" perm="rw">'
            f'<{child} name="{element}" format="%g" min="0" max="{HIGHEST}" step="1">{value!r}'
            f"</{child}></{kind}NumberVector>\n"
        )


@contextmanager
def indi_server(folder: Path) -> Iterator[str]:
    """Run an INDI server with the simulated focuser; yields ``HOST:PORT/DEVICE``.

    Args:
        folder: for its files; must exist.

    Raises:
        MissingDependencyError: indiserver is not installed.
        DeviceError: it does not start.
    """
    if shutil.which("indiserver") is None:
        raise MissingDependencyError("indiserver is not installed: sudo apt install indi-bin")
    driver = folder / "driver"
    write_text(driver, f"#!/bin/sh\nexec '{sys.executable}' -m {__spec__.name}\n")
    driver.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    # The driver imports this package, wherever it is.
    package = str(Path(__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": package, "HOME": str(folder)}
    command = ["indiserver", "-p", str(port), "-u", str(folder / "socket"), str(driver)]
    address = f"127.0.0.1:{port}/{DEVICE}"
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(address)
            yield address
        finally:
            server.terminate()


def _wait_for(address: str) -> None:
    """Wait until the server has started and the driver has defined its properties."""
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            client = IndiClient(IndiAddress.parse(address), "simulated INDI server")
            break
        except ConnectionLostError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    try:
        client.wait_for("CONNECTION", START_TIMEOUT, "has no driver")
    finally:
        client.close()


def main() -> None:
    """Serve as a driver: requests from standard input, reports to standard output."""
    focuser = SimulatedIndiFocuser()

    def report(text: str) -> None:
        os.write(sys.stdout.fileno(), text.encode())  # whole, also beside the other thread

    def follow() -> None:
        while True:
            time.sleep(POLL)
            if focuser.busy:
                report(focuser.position("set"))

    Thread(target=follow, daemon=True).start()
    parser: ElementTree.XMLPullParser[ElementTree.Element] = ElementTree.XMLPullParser(
        ["start", "end"]
    )
    parser.feed("<indi>")
    depth = 0
    while received := os.read(sys.stdin.fileno(), 65536):
        parser.feed(received)
        events = cast("Iterator[tuple[str, ElementTree.Element]]", parser.read_events())
        for event, element in events:
            depth += 1 if event == "start" else -1
            if event == "end" and depth == 1:
                for text in focuser.receive(element):
                    report(text)


if __name__ == "__main__":
    main()
