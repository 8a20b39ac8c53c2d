"""Focusers and cameras of an INDI server.

Property names: INDI developer manual, "INDI Standard Properties".
"""

import base64
import binascii
import math
import zlib
from dataclasses import dataclass
from typing import Annotated, Any

from numpy.typing import NDArray
from typing_extensions import Doc

from aif_ros.devices.clock import Clock
from aif_ros.devices.connection import Connection
from aif_ros.devices.device import Capture, ConnectionLostError, DeviceError, first_image_size
from aif_ros.devices.fits import read_fits
from aif_ros.devices.indi_client import CONNECT_TIMEOUT, IndiAddress, IndiClient, number
from aif_ros.devices.indi_devices import CCD_INTERFACE, FOCUSER_INTERFACE
from aif_ros.devices.motor_axis import Axis, Reading
from aif_ros.devices.motor_lens import MotorLens
from aif_ros.devices.motor_settings import MotorSettings
from aif_ros.settings.declaration import Limits

READOUT_TIMEOUT = 30.0
"""Seconds beyond the exposure until an image must have arrived; large sensors take long."""

POSITION = "ABS_FOCUS_POSITION"
POSITION_ELEMENT = "FOCUS_ABSOLUTE_POSITION"
ABORT = "FOCUS_ABORT_MOTION"
EXPOSURE = "CCD_EXPOSURE"
EXPOSURE_ELEMENT = "CCD_EXPOSURE_VALUE"
IMAGE = "CCD1"


class _IndiDevice:
    """The connection of a device to its server."""

    _client: IndiClient | None = None

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()


@dataclass(frozen=True)
class IndiLensSettings(MotorSettings):
    """INDI focuser; a unit is a motor step."""

    # Time-out that INDI's drivers state for this property; some report nothing before the end.
    stall_timeout: Annotated[
        float,
        Limits(0.0, 600.0),
        Doc("Seconds without progress after which an unfinished move is an error."),
    ] = 60.0


class IndiLens(_IndiDevice, MotorLens):
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
        self._answered = 0
        label = f"INDI focuser {self._address}"
        super().__init__(label, clock, settings or IndiLensSettings(), limits=limits)

    def _connect(self) -> Axis:
        self._client = IndiClient(self._address, self.label)
        vector = self._client.connect(POSITION, FOCUSER_INTERFACE)
        self._answered = vector.revision - 1
        low, high = vector.bounds.get(POSITION_ELEMENT, (math.nan, math.nan))
        if not low < high:
            raise DeviceError(f"{self.label} reports no range of positions")
        return Axis(low, high)

    def _read(self) -> Reading:
        vector = self._open_client().vector(POSITION)
        position = number(vector.values.get(POSITION_ELEMENT))
        if vector.state == "Alert":
            raise DeviceError(
                f"{self.label} reports an error: see the log of the INDI server"
                f"{self._open_client().last_error}"
            )
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

    def _open_client(self) -> IndiClient:
        assert self._client is not None
        return self._client


@dataclass(frozen=True)
class IndiCameraSettings:
    """INDI camera."""

    exposure: Annotated[float, Limits(1e-6, 3600.0), Doc("Exposure time, seconds.")] = 1.0


class IndiCamera(_IndiDevice):
    """A camera of an INDI server; each capture is one exposure.

    The stamp is the middle of the exposure as commanded, on the clock of this machine; the
    delays of driver and shutter are not included.

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
        self._connection = Connection(self._connect, self._disconnect)
        self._closed = False
        self._size = first_image_size(self)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its images, pixels."""
        return self._size

    def capture(self) -> Capture:
        """Expose one image; a lost connection is opened again.

        Raises:
            ConnectionLostError: the server is gone, or sent no image in time.
            DeviceError: the camera is closed, or its image is unusable.
        """
        if self._closed:
            raise DeviceError(f"{self.label} is closed: open it again")
        return self._connection.use(self._expose)

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._connection.close()

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

    def _connect(self) -> IndiClient:
        client = self._client = IndiClient(self._address, self.label)
        client.connect(EXPOSURE, CCD_INTERFACE)
        # Defined with the device's other properties, but empty until the first image.
        client.wait_for(IMAGE, CONNECT_TIMEOUT, "offers no images")
        client.enable_images()
        return client


def decode_image(text: str, kind: str) -> NDArray[Any]:
    """Return the image of a BLOB: base64, FITS, compressed by zlib where `kind` ends in ``.z``.

    Args:
        text: content of the BLOB element.
        kind: its attribute `format`, such as ``.fits.z``.

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
