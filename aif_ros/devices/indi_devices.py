"""The devices of an INDI server, and what they offer."""

import socket
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

FOCUSER_INTERFACE, CCD_INTERFACE = 1 << 3, 1 << 1
"""Bits of DRIVER_INTERFACE (`basedevice.h` of INDI)."""
LISTING_TIME = 1.0
"""Seconds during which a server may describe its devices; local ones take some milliseconds."""


@dataclass(frozen=True)
class DeviceList:
    """The devices of an INDI server.

    Attributes:
        focusers: their names.
        cameras: their names.
    """

    focusers: tuple[str, ...]
    cameras: tuple[str, ...]

    @classmethod
    def of(cls, host: str, port: int) -> "DeviceList":
        """Ask a server for its devices.

        Args:
            host: name or address of the server.
            port: TCP port.

        Raises:
            OSError: there is no server.
            xml.etree.ElementTree.ParseError: it is no INDI server.
        """
        parser: ElementTree.XMLPullParser[ElementTree.Element] = ElementTree.XMLPullParser(["end"])
        parser.feed("<indi>")
        interfaces: dict[str, int] = {}
        with socket.create_connection((host, port), timeout=LISTING_TIME) as connection:
            connection.sendall(b'<getProperties version="1.7"/>')
            deadline = time.monotonic() + LISTING_TIME
            while time.monotonic() < deadline:
                connection.settimeout(max(0.01, deadline - time.monotonic()))
                try:
                    received = connection.recv(65536)
                except TimeoutError:
                    break
                if not received:
                    break
                parser.feed(received)
        for _, element in cast(Iterator[tuple[str, ElementTree.Element]], parser.read_events()):
            if element.get("name") == "DRIVER_INFO":
                values = {child.get("name", ""): child.text or "" for child in element}
                interfaces[element.get("device", "")] = interface_bits(values) or 0
        return cls(
            tuple(name for name, bits in interfaces.items() if bits & FOCUSER_INTERFACE),
            tuple(name for name, bits in interfaces.items() if bits & CCD_INTERFACE),
        )


def interface_bits(driver_info: Mapping[str, str]) -> int | None:
    """Return DRIVER_INTERFACE of the values of DRIVER_INFO; None: unknown."""
    text = driver_info.get("DRIVER_INTERFACE", "").strip()
    return int(text) if text.isdecimal() and len(text) < 10 else None
