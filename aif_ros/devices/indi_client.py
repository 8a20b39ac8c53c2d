"""Client of an INDI server: a connection that keeps the properties of one device up to date.

Protocol: a stream of XML elements in both directions; the server defines properties (vectors of
numbers, switches, texts, BLOBs), the client sends new values, the server reports changes with a
state (Idle, Ok, Busy, Alert). Source: "INDI: Instrument-Neutral Distributed Interface" 1.7 by
E. C. Downey.
"""

import contextlib
import logging
import math
import socket
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from aif_ros.devices.device import ConnectionLostError, DeviceError, check_port
from aif_ros.devices.indi_devices import DeviceList, interface_bits

_LOGGER = logging.getLogger(__name__)

PORT = 7624
"""Port of an INDI server (registered with IANA)."""
_ERROR = "[ERROR]"
"""How drivers begin messages of errors (`INDI::Logger`)."""
CONNECT_TIMEOUT = 10.0
"""Seconds until a device must have connected; serial focusers take a few."""
_DEFINED_TIMEOUT = 2.0
"""Seconds until a connected device must have what its driver does not say that it offers: some
drivers say so late."""


@dataclass
class Vector:
    """A property as last reported.

    Attributes:
        state: Idle, Ok, Busy or Alert.
        values: text of each element.
        bounds: lowest and highest value of each number.
        revision: number of reports so far.
    """

    state: str = "Idle"
    values: dict[str, str] = field(default_factory=dict)
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    revision: int = 0


@dataclass(frozen=True)
class IndiAddress:
    """Where a device is.

    Attributes:
        host: of the server.
        port: of the server.
        device: name of the device, such as "Focuser Simulator".
    """

    host: str
    port: int
    device: str

    @classmethod
    def parse(cls, text: str) -> "IndiAddress":
        """Read ``HOST[:PORT]/DEVICE``.

        Raises:
            ValueError: it has another form.
        """
        server, slash, device = text.partition("/")
        host, _, port = server.partition(":")
        if not slash or not device or not host or (port and not port.isdecimal()):
            raise ValueError(f"an INDI device is given as HOST[:PORT]/DEVICE, got '{text}'")
        check_port(port or str(PORT))
        return cls(host, int(port or PORT), device)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.device}"


class IndiClient:
    """The connection to one device of an INDI server; a thread keeps its properties up to date.

    Args:
        address: of server and device.
        label: names the device in messages.

    Raises:
        ConnectionLostError: the server cannot be reached.
    """

    def __init__(self, address: IndiAddress, label: str) -> None:
        self._address = address
        self._label = label
        self._changed = threading.Condition()
        self._vectors: dict[str, Vector] = {}
        self._fault: str | None = None
        self._error = ""
        try:
            self._socket = socket.create_connection((address.host, address.port), timeout=5.0)
        except OSError as error:
            raise ConnectionLostError(
                f"there is no INDI server at {address.host}:{address.port} ({error}): "
                "start indiserver with the drivers of your devices (Debian and Ubuntu: apt install "
                "indi-bin)"
            ) from error
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = threading.Thread(target=self._read, name=label, daemon=True)
        self._reader.start()
        self._send(f'<getProperties version="1.7" device={_quote(address.device)}/>')

    def connect(self, needed: str, interface: int) -> Vector:
        """Connect the device and return a property of it once it is defined.

        Args:
            needed: name of the property.
            interface: bit of DRIVER_INTERFACE of drivers that offer it.

        Raises:
            DeviceError: the server has no such device, or it does not connect.
        """
        try:
            self.wait_for("CONNECTION", 5.0, "is not known to the server")
        except ConnectionLostError:
            raise
        except DeviceError as error:
            raise DeviceError(
                f"INDI device {self._address} is not known to the server: {self._known()}"
            ) from error
        if self.vector("CONNECTION").values.get("CONNECT") != "On":
            self.send_switch("CONNECTION", "CONNECT")
        with self._changed:
            self._changed.wait_for(
                lambda: self._fault is not None or needed in self._vectors or self._connected,
                CONNECT_TIMEOUT,
            )
            offered = self._interface is None or self._interface & interface
        timeout = CONNECT_TIMEOUT if offered else _DEFINED_TIMEOUT
        try:
            return self.wait_for(needed, timeout, "does not connect: see the server's log")
        except ConnectionLostError:
            raise
        except DeviceError as error:
            if not self._connected:
                raise
            raise DeviceError(
                f"{self._label} has no {needed}: it is another kind of device"
            ) from error

    @property
    def _connected(self) -> bool:
        vector = self._vectors.get("CONNECTION", Vector())
        return vector.state != "Busy" and vector.values.get("CONNECT") == "On"

    @property
    def _interface(self) -> int | None:
        """DRIVER_INTERFACE of the device; None: unknown."""
        return interface_bits(self._vectors.get("DRIVER_INFO", Vector()).values)

    def _known(self) -> str:
        """Return which devices there are, for people."""
        try:
            devices = DeviceList.of(self._address.host, self._address.port)
        except (OSError, ElementTree.ParseError):
            return "see `indi_getprop` for names"
        named = ", ".join((*devices.focusers, *devices.cameras))
        return f"there are {named}" if named else "it has neither focusers nor cameras"

    def wait_for(self, name: str, timeout: float, problem: str, revision: int = 0) -> Vector:
        """Return a property once it was reported more than `revision` times.

        Args:
            name: of the property.
            timeout: seconds.
            problem: what is wrong where it does not come, for the message.
            revision: number of reports that are known already.

        Raises:
            DeviceError: it was not, in time.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._fault is not None
                    or (name in self._vectors and self._vectors[name].revision > revision)
                ),
                timeout,
            )
            self._check()
            if name not in self._vectors or self._vectors[name].revision <= revision:
                raise DeviceError(f"{self._label} {problem}{self.last_error}")
            return self._vectors[name]

    @property
    def last_error(self) -> str:
        """What the driver last reported as an error, to append to a message; empty: nothing."""
        return f" (it reports: {self._error})" if self._error else ""

    def vector(self, name: str) -> Vector:
        """Return a property as last reported; empty if it is not defined.

        Raises:
            ConnectionLostError: the connection has broken.
        """
        with self._changed:
            self._check()
            return self._vectors.get(name, Vector())

    def send_number(self, name: str, element: str, value: float) -> None:
        """Set a number.

        Args:
            name: of the property vector, such as ABS_FOCUS_POSITION.
            element: of the vector.
            value: in the unit of the element.
        """
        self._send_new("Number", name, element, repr(value))

    def send_switch(self, name: str, element: str) -> None:
        """Turn a switch on.

        Args:
            name: of the property vector.
            element: of the vector.
        """
        self._send_new("Switch", name, element, "On")

    def enable_images(self) -> None:
        """Ask for the images of the device, which are not sent by default."""
        device = _quote(self._address.device)
        self._send(f"<enableBLOB device={device}>Also</enableBLOB>")

    def close(self) -> None:
        """Close the connection; the device stays connected to the server."""
        with self._changed:
            self._fault = self._fault or f"{self._label} is closed: open it again"
            self._changed.notify_all()
        with contextlib.suppress(OSError):  # gone already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _send_new(self, kind: str, name: str, element: str, value: str) -> None:
        device = _quote(self._address.device)
        self._send(
            f'<new{kind}Vector device={device} name="{name}">'
            f'<one{kind} name="{element}">{value}</one{kind}></new{kind}Vector>'
        )

    def _send(self, text: str) -> None:
        try:
            self._socket.sendall(text.encode())
        except OSError as error:
            raise ConnectionLostError(self._lost(str(error))) from error

    def _lost(self, reason: str) -> str:
        return f"{self._label}: the connection to the INDI server was lost ({reason}): start it"

    def _check(self) -> None:
        if self._fault is not None:
            raise ConnectionLostError(self._fault)

    def _note(self, errors: list[str]) -> None:
        """Log errors of the driver that are not those of before; some repeat one at every image."""
        for error in errors:
            if error != self._error:
                self._error = error
                _LOGGER.warning("%s reports: %s", self._label, error)
        errors.clear()

    def _read(self) -> None:
        parser = IndiParser(self._address.device)
        reason = "it was closed"
        try:
            while received := self._socket.recv(65536):
                with self._changed:
                    parser.feed(received, self._vectors)
                    self._note(parser.errors)
                    self._changed.notify_all()
        except (OSError, ElementTree.ParseError) as error:
            reason = str(error)
        with self._changed:
            self._fault = self._fault or self._lost(reason)
            self._changed.notify_all()


class IndiParser:
    """Applies the elements of an INDI stream to the properties of one device.

    Args:
        device: whose properties are of interest.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self.errors: list[str] = []
        """What the driver has reported as errors; to be emptied by the caller."""
        self._parser: ElementTree.XMLPullParser[ElementTree.Element] = ElementTree.XMLPullParser(
            ["start", "end"]
        )
        # The stream is a sequence of elements; XML wants one around them.
        self._parser.feed("<indi>")
        self._around: list[ElementTree.Element] = []

    def feed(self, received: bytes, vectors: dict[str, Vector]) -> None:
        """Take in bytes; `vectors`, properties by name, is updated.

        Args:
            received: the next bytes of the stream.
            vectors: properties by name; updated in place.

        Raises:
            xml.etree.ElementTree.ParseError: the stream is no well-formed XML.
        """
        self._parser.feed(received)
        for event, element in cast(
            Iterator[tuple[str, ElementTree.Element]], self._parser.read_events()
        ):
            if event == "start":
                self._around.append(element)
                continue
            self._around.pop()
            if len(self._around) == 1:
                if element.get("device") == self._device:
                    _apply(element, vectors)
                    message = element.get("message", "")
                    if message.startswith(_ERROR):
                        self.errors.append(message.removeprefix(_ERROR).strip())
                # The elements would pile up for as long as the connection lasts.
                self._around[0].clear()


def _apply(element: "ElementTree.Element[str]", vectors: dict[str, Vector]) -> None:
    name = element.get("name", "")
    if element.tag == "delProperty":
        for each in [name] if name else list(vectors):
            vectors.pop(each, None)
        return
    if not element.tag.endswith("Vector") or element.tag[:3] not in ("def", "set"):
        return
    vector = vectors.setdefault(name, Vector())
    vector.state = element.get("state", vector.state)
    vector.revision += 1
    for child in element:
        key = child.get("name", "")
        if child.tag.endswith("BLOB") and child.tag.startswith("one"):
            # The format, such as ".fits.z", decides how it is read.
            vector.values["format"] = child.get("format", "")
        vector.values[key] = (child.text or "").strip()
        if child.tag == "defNumber":
            vector.bounds[key] = number(child.get("min")), number(child.get("max"))


def number(text: str | None) -> float:
    """Return a plain number; NaN where there is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _quote(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return f'"{escaped}"'
