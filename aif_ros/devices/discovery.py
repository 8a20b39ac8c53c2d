"""What is connected to this machine and its network."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aif_ros.devices.alpaca import focusers
from aif_ros.devices.device import DeviceError, MissingDependencyError
from aif_ros.devices.indi_client import PORT
from aif_ros.devices.indi_devices import DeviceList
from aif_ros.devices.optional import require
from aif_ros.devices.serial_port import port_names

ALPACA_TIMEOUT = 1
"""Whole seconds to wait for answers of Alpaca servers; they come at once."""
VIDEO = Path("/sys/class/video4linux")
"""Where Linux lists video devices."""


@dataclass(frozen=True)
class Found:
    """A device that seems to be there.

    Attributes:
        kind: "camera", "lens" or "port" (a serial port: what is behind it is not known).
        uri: names it (`aif_ros.devices.backends`).
        description: for people.
    """

    kind: str
    uri: str
    description: str


def discover(on_missing: Callable[[str], None] = lambda text: None) -> list[Found]:
    """Return all devices that can be found without disturbing any.

    Args:
        on_missing: called with each kind of device that is not searched for, because a package is
            not installed, and how to install it.
    """
    found: list[Found] = []
    searches: tuple[tuple[str, Callable[[], Iterator[Found]]], ...] = (
        ("video devices", _video_devices),
        ("serial ports", _serial_ports),
        ("Alpaca servers", _alpaca_focusers),
        ("INDI devices", _indi_devices),
    )
    for kind, search in searches:
        try:
            found += search()
        except MissingDependencyError as error:
            on_missing(f"{kind} are not searched for: {error}")
        except DeviceError:
            continue
    return found


def _video_devices() -> Iterator[Found]:
    for entry in sorted(VIDEO.glob("video*")):
        try:
            name = (entry / "name").read_text().strip()
            index = (entry / "index").read_text().strip()
        except OSError:
            continue
        # Further indices of a device are for its metadata.
        if index == "0":
            yield Found("camera", f"opencv:/dev/{entry.name}", name)


def _serial_ports() -> Iterator[Found]:
    for path in port_names():
        yield Found("port", path, "serial port: name its backend, such as moonlite:" + path)


def _alpaca_focusers() -> Iterator[Found]:
    discovery = require("alpaca.discovery", "alpaca")
    try:
        servers = discovery.search_ipv4(numquery=1, timeout=ALPACA_TIMEOUT)
    except OSError:
        return
    for server in servers:
        try:
            present = focusers(server)
        except DeviceError:
            continue
        for number, name in present:
            yield Found("lens", f"alpaca:{server}/{number}", name)


def _indi_devices() -> Iterator[Found]:
    try:
        devices = DeviceList.of("localhost", PORT)
    except (TimeoutError, OSError, ElementTree.ParseError):
        return
    for name in devices.focusers:
        yield Found("lens", f"indi:localhost/{name}", "focuser of the INDI server")
    for name in devices.cameras:
        yield Found("camera", f"indi:localhost/{name}", "camera of the INDI server")
