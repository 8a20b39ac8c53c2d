"""Focusers and cameras of an INDI server.

Protocol: a stream of XML elements in both directions; the server defines properties (vectors of
numbers, switches, texts, BLOBs), the client sends new values, the server reports changes with a
state (Idle, Ok, Busy, Alert). Sources: "INDI: Instrument-Neutral Distributed Interface" 1.7 by
E. C. Downey; standard property names from the INDI developer manual ("INDI Standard Properties").
"""

import base64
import binascii
import contextlib
import math
import socket
import threading
import time
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from numpy.typing import NDArray
from typing_extensions import Doc

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Capture, ConnectionLostError, DeviceError
from aif_ros.devices.fits import read_fits
from aif_ros.devices.motor_lens import Axis, MotorLens, MotorSettings, Reading
from aif_ros.settings.declaration import Limits

PORT = 7624
"""Port of an INDI server (registered with IANA)."""
CONNECT_TIMEOUT = 10.0
"""Seconds until a device must have connected; serial focusers take a few."""
READOUT_TIMEOUT = 30.0
"""Seconds beyond the exposure until an image must have arrived; large sensors take long."""

POSITION = "ABS_FOCUS_POSITION"
POSITION_ELEMENT = "FOCUS_ABSOLUTE_POSITION"
ABORT = "FOCUS_ABORT_MOTION"
EXPOSURE = "CCD_EXPOSURE"
EXPOSURE_ELEMENT = "CCD_EXPOSURE_VALUE"
IMAGE = "CCD1"


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
        return cls(host, int(port or PORT), device)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.device}"


class IndiClient:
    """The connection to one device of an INDI server; a thread keeps its properties up to date.

    Raises:
        ConnectionLostError: the server cannot be reached.
    """

    def __init__(self, address: IndiAddress, label: str) -> None:
        self._address = address
        self._label = label
        self._changed = threading.Condition()
        self._vectors: dict[str, Vector] = {}
        self._fault: str | None = None
        try:
            self._socket = socket.create_connection((address.host, address.port), timeout=5.0)
        except OSError as error:
            raise ConnectionLostError(
                f"{label}: there is no INDI server at {address.host}:{address.port} ({error}): "
                "start indiserver with the drivers of your devices"
            ) from error
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = threading.Thread(target=self._read, name=label, daemon=True)
        self._reader.start()
        self._send(f'<getProperties version="1.7" device={_quote(address.device)}/>')

    def connect(self, needed: str) -> Vector:
        """Connect the device and return the property `needed` once it is defined.

        Raises:
            DeviceError: the server does not know the device, or it does not connect.
        """
        self.wait_for("CONNECTION", 5.0, "is not known to the server: see `indi_getprop` for names")
        if self.vector("CONNECTION").values.get("CONNECT") != "On":
            self.send_switch("CONNECTION", "CONNECT")
        return self.wait_for(
            needed, CONNECT_TIMEOUT, f"does not connect or has no {needed}: see the server's log"
        )

    def wait_for(self, name: str, timeout: float, problem: str, revision: int = 0) -> Vector:
        """Return a property once it was reported more than `revision` times.

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
                raise DeviceError(f"{self._label} {problem}")
            return self._vectors[name]

    def vector(self, name: str) -> Vector:
        """Return a property as last reported; empty if it is not defined.

        Raises:
            ConnectionLostError: the connection has broken.
        """
        with self._changed:
            self._check()
            return self._vectors.get(name, Vector())

    def send_number(self, name: str, element: str, value: float) -> None:
        """Set a number."""
        self._send_new("Number", name, element, repr(value))

    def send_switch(self, name: str, element: str) -> None:
        """Turn a switch on."""
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

    def _read(self) -> None:
        parser = IndiParser(self._address.device)
        reason = "it was closed"
        try:
            while received := self._socket.recv(65536):
                with self._changed:
                    parser.feed(received, self._vectors)
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
        self._parser: ElementTree.XMLPullParser[ElementTree.Element] = ElementTree.XMLPullParser(
            ["start", "end"]
        )
        # The stream is a sequence of elements; XML wants one around them.
        self._parser.feed("<indi>")
        self._around: list[ElementTree.Element] = []

    def feed(self, received: bytes, vectors: dict[str, Vector]) -> None:
        """Take in bytes; `vectors`, properties by name, is updated.

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
            vector.bounds[key] = _number(child.get("min")), _number(child.get("max"))


def _number(text: str | None) -> float:
    """Return a plain number; NaN where there is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _quote(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return f'"{escaped}"'


@dataclass(frozen=True)
class IndiLensSettings(MotorSettings):
    """INDI focuser; a unit is a motor step."""

    # Time-out that INDI's drivers state for this property; some report nothing before the end.
    stall_timeout: Annotated[
        float,
        Limits(0.0, 600.0),
        Doc("Seconds without progress after which an unfinished move is an error."),
    ] = 60.0


class IndiLens(MotorLens):
    """A focuser of an INDI server.

    Args:
        address: ``HOST[:PORT]/DEVICE``.
        clock: source of the stamps.
        settings: see there.
        limits: see `MotorLens`.

    Raises:
        ValueError: the address has another form.
        DeviceError: server or focuser cannot be reached, or the focuser has no absolute position.
    """

    finishes_moves = True

    def __init__(
        self,
        address: str,
        clock: Clock,
        settings: IndiLensSettings | None = None,
        *,
        limits: tuple[float, float] | None = None,
    ) -> None:
        self._address = IndiAddress.parse(address)
        self._client: IndiClient | None = None
        self._answered = 0
        label = f"INDI focuser {self._address}"
        super().__init__(label, clock, settings or IndiLensSettings(), limits=limits)

    def _connect(self) -> Axis:
        self._client = IndiClient(self._address, self.label)
        vector = self._client.connect(POSITION)
        self._answered = vector.revision - 1
        low, high = vector.bounds.get(POSITION_ELEMENT, (math.nan, math.nan))
        if not low < high:
            raise DeviceError(f"{self.label} reports no range of positions")
        return Axis(low, high)

    def _read(self) -> Reading:
        vector = self._open_client().vector(POSITION)
        position = _number(vector.values.get(POSITION_ELEMENT))
        if vector.state == "Alert":
            raise DeviceError(f"{self.label} reports an error: see the log of the INDI server")
        if not math.isfinite(position):
            raise ConnectionLostError(f"{self.label} has no position: see that it is connected")
        # The server has not yet answered the last command while the revision is that before it.
        return Reading(position, vector.state == "Busy" or vector.revision <= self._answered)

    def _command(self, target: float) -> None:
        client = self._open_client()
        self._answered = client.vector(POSITION).revision
        client.send_number(POSITION, POSITION_ELEMENT, target)

    def _halt(self) -> None:
        # A driver without this property cannot stop: the move is finished.
        if self._open_client().vector(ABORT).revision:
            self._open_client().send_switch(ABORT, "ABORT")

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()

    def _open_client(self) -> IndiClient:
        assert self._client is not None
        return self._client


@dataclass(frozen=True)
class IndiCameraSettings:
    """INDI camera."""

    exposure: Annotated[float, Limits(1e-6, 3600.0), Doc("Exposure time, seconds.")] = 1.0


class IndiCamera:
    """A camera of an INDI server; each capture is one exposure.

    The stamp is the middle of the exposure as commanded, on the clock of this machine; it does not
    know the delay of driver and shutter.

    Args:
        address: ``HOST[:PORT]/DEVICE``.
        clock: source of the stamps.
        settings: see there.

    Raises:
        ValueError: the address has another form.
        DeviceError: server or camera cannot be reached, or gives no usable image.
    """

    def __init__(
        self, address: str, clock: Clock, settings: IndiCameraSettings | None = None
    ) -> None:
        self._address = IndiAddress.parse(address)
        self.label = f"INDI camera {self._address}"
        self._clock = clock
        self._exposure = (settings or IndiCameraSettings()).exposure
        self._client: IndiClient | None = None
        self._retry_at = 0.0
        self._closed = False
        try:
            image = self.capture().image
        except DeviceError:
            self.close()
            raise
        self._size = (image.shape[1], image.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its images, pixels."""
        return self._size

    def capture(self) -> Capture:
        """Expose one image; a lost connection is opened again."""
        if self._closed:
            raise DeviceError(f"{self.label} is closed: open it again")
        try:
            return self._expose(self._connected())
        except ConnectionLostError:
            self._drop()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._drop()

    def _expose(self, client: IndiClient) -> Capture:
        before = client.vector(IMAGE).revision
        begin = self._clock.now()
        client.send_number(EXPOSURE, EXPOSURE_ELEMENT, self._exposure)
        deadline = self._exposure + READOUT_TIMEOUT
        vector = client.wait_for(IMAGE, deadline, f"sent no image in {deadline:g} s", before)
        try:
            image = decode_image(vector.values.get(IMAGE, ""), vector.values.get("format", ""))
        except ValueError as error:
            raise DeviceError(f"{self.label} sent an unusable image: {error}") from error
        return Capture(image, begin + round(self._exposure * 0.5e9))

    def _connected(self) -> IndiClient:
        if self._client is None:
            if time.monotonic() < self._retry_at:
                raise ConnectionLostError(f"{self.label} is disconnected: connect it again")
            self._retry_at = time.monotonic() + 0.5
            self._client = IndiClient(self._address, self.label)
            self._client.connect(EXPOSURE)
            # Defined with the device's other properties, but empty until the first image.
            self._client.wait_for(IMAGE, CONNECT_TIMEOUT, "offers no images")
            self._client.enable_images()
        return self._client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def decode_image(text: str, kind: str) -> NDArray[Any]:
    """Return the image of a BLOB: base64, FITS, compressed by zlib where `kind` ends in ``.z``.

    Raises:
        ValueError: it is something else.
    """
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
        if kind.endswith(".z"):
            content = zlib.decompress(content)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(str(error)) from error
    return read_fits(content)


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
                for child in element:
                    if child.get("name") == "DRIVER_INTERFACE":
                        text = (child.text or "").strip()
                        bits = int(text) if text.isdecimal() else 0
                        interfaces[element.get("device", "")] = bits
        return cls(
            tuple(name for name, bits in interfaces.items() if bits & FOCUSER_INTERFACE),
            tuple(name for name, bits in interfaces.items() if bits & CCD_INTERFACE),
        )
