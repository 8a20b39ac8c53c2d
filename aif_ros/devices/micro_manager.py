"""Cameras and Z stages of Micro-Manager, through pymmcore-plus.

Camera and stage of one configuration share one core. Sources: the MMCore API documentation at
micro-manager.org and that of pymmcore-plus; positions of stages are in micrometres.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Doc

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Capture, ConnectionLostError, DeviceError
from aif_ros.devices.motor_axis import Axis, Reading
from aif_ros.devices.motor_lens import MotorLens
from aif_ros.devices.motor_settings import MetresPerUnit, MotorSettings
from aif_ros.devices.optional import require
from aif_ros.settings.declaration import Limits

if TYPE_CHECKING:
    from pymmcore_plus import CMMCorePlus

DEMO = "demo"
"""Address of the demonstration configuration that pymmcore-plus brings."""
TOLERANCE = 0.2
"""Micrometres from the target that count as having arrived: stages have encoder noise."""


@dataclass
class _Shared:
    """A core in use by a number of devices."""

    core: "CMMCorePlus"
    users: int = 0


_cores: dict[str, _Shared] = {}
_cores_lock = threading.Lock()


def acquire_core(config: str) -> "CMMCorePlus":
    """Return the core with a configuration loaded; devices of one configuration share it.

    Args:
        config: path of a Micro-Manager configuration file, or "demo".

    Raises:
        MissingDependencyError: pymmcore-plus is not installed.
        DeviceError: the configuration cannot be loaded.
    """
    pymmcore_plus = require("pymmcore_plus", "micro")
    with _cores_lock:
        shared = _cores.get(config)
        if shared is None:
            if config != DEMO and not Path(config).is_file():
                raise DeviceError(
                    f"cannot load the Micro-Manager configuration {config}: there is no such file "
                    f"(or write {DEMO})"
                )
            core = pymmcore_plus.CMMCorePlus()
            try:
                core.loadSystemConfiguration("MMConfig_demo.cfg" if config == DEMO else config)
            except (OSError, RuntimeError, ValueError) as error:
                _unload(core)
                raise DeviceError(
                    f"cannot load the Micro-Manager configuration {config}: {_reason(error)}"
                ) from error
            shared = _cores[config] = _Shared(core)
        shared.users += 1
        return shared.core


def release_core(config: str) -> None:
    """Unload the devices once the last user of a configuration has released it."""
    with _cores_lock:
        shared = _cores.get(config)
        if shared is not None:
            shared.users -= 1
            if shared.users == 0:
                del _cores[config]
                _unload(shared.core)


def _unload(core: "CMMCorePlus") -> None:
    core.unloadAllDevices()
    # Its thread would call Python while the interpreter ends, which aborts the process
    # (pymmcore-plus 0.18 with MMCore 12.5; it hides this method of the base class).
    require("pymmcore", "micro").CMMCore.registerCallback(core, None)


@dataclass(frozen=True)
class StageSettings(MotorSettings):
    """Micro-Manager Z stage; a unit is a micrometre.

    The MMCore API does not report limits: give low and high, or a calibration.
    """

    metres_per_unit: MetresPerUnit = 1e-6
    device: Annotated[str, Doc("Label of the stage. Empty: the focus device of the core.")] = ""


class MicroManagerStage(MotorLens):
    """A Z stage.

    Args:
        config: path of a configuration file, or "demo".
        clock: source of the stamps.
        settings: see there.
        limits: see `MotorLens`.
        core: to use instead of loading `config`.

    Raises:
        DeviceError: the configuration cannot be loaded or has no such stage.
    """

    unit = "um"

    def __init__(
        self,
        config: str,
        clock: Clock,
        settings: StageSettings | None = None,
        *,
        limits: tuple[float, float] | None = None,
        core: "CMMCorePlus | None" = None,
    ) -> None:
        self._config = config
        self._given = core
        self._core: CMMCorePlus | None = core
        options = settings or StageSettings()
        self._device = options.device
        label = f"Micro-Manager stage {options.device or '(focus device)'} of {config}"
        super().__init__(label, clock, options, limits=limits)

    def _connect(self) -> Axis:
        core = self._core = self._given or acquire_core(self._config)
        self._device = self._device or core.getFocusDevice()
        if self._device not in core.getLoadedDevices():
            known = ", ".join(core.getLoadedDevices())
            raise DeviceError(f"{self.label} does not exist; there are: {known}")
        self._call(core.getPosition, self._device)
        return Axis(resolution=0.0, tolerance=TOLERANCE)

    def _read(self) -> Reading:
        core = self._open_core()
        moving = self._call(core.deviceBusy, self._device)
        return Reading(float(self._call(core.getPosition, self._device)), bool(moving))

    def _command(self, target: float) -> None:
        self._call(self._open_core().setPosition, self._device, target)

    def _halt(self) -> None:
        self._call(self._open_core().stop, self._device)

    def _disconnect(self) -> None:
        core, self._core = self._core, None
        if core is not None and self._given is None:
            release_core(self._config)

    def _open_core(self) -> "CMMCorePlus":
        assert self._core is not None
        return self._core

    def _call(self, function: Any, *arguments: Any) -> Any:
        """Call the core; its errors mean that the device does not answer."""
        try:
            return function(*arguments)
        except RuntimeError as error:
            raise ConnectionLostError(f"{self.label} does not answer: {_reason(error)}") from error


@dataclass(frozen=True)
class MicroscopeCameraSettings:
    """Micro-Manager camera."""

    exposure: Annotated[
        float, Limits(0.0, 3600.0), Doc("Exposure time, seconds. 0: as configured.")
    ] = 0.0


class MicroManagerCamera:
    """The camera of a core; each capture is one snap.

    The stamp is the middle of the exposure; it does not know the delay of the driver.

    Args:
        config: path of a configuration file, or "demo".
        clock: source of the stamps.
        settings: see there.
        core: to use instead of loading `config`.

    Raises:
        DeviceError: the configuration cannot be loaded, has no camera, or its images are unusable.
    """

    def __init__(
        self,
        config: str,
        clock: Clock,
        settings: MicroscopeCameraSettings | None = None,
        *,
        core: "CMMCorePlus | None" = None,
    ) -> None:
        self.label = f"Micro-Manager camera of {config}"
        self._config = config
        self._given = core
        self._clock = clock
        self._core = core or acquire_core(config)
        self._closed = False
        try:
            if not self._core.getCameraDevice():
                raise DeviceError(f"{self.label} does not exist: the configuration has no camera")
            exposure = (settings or MicroscopeCameraSettings()).exposure
            if exposure:
                self._core.setExposure(exposure * 1e3)
            image = self.capture().image
        except DeviceError:
            self.close()
            raise
        except RuntimeError as error:
            self.close()
            raise DeviceError(f"{self.label} cannot be set up: {_reason(error)}") from error
        self._size = (image.shape[1], image.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its images, pixels."""
        return self._size

    def capture(self) -> Capture:
        """Snap one image.

        Raises:
            DeviceError: the camera is closed, or gives no image, or one of another type than 8 or
                16 bit.
        """
        if self._closed:
            raise DeviceError(f"{self.label} is closed: open it again")
        try:
            exposure = self._core.getExposure() * 1e-3
            self._core.waitForDevice(self._core.getCameraDevice())
            begin = self._clock.now()
            self._core.snapImage()
            image, bits = self._core.getImage(), self._core.getImageBitDepth()
        except RuntimeError as error:
            raise DeviceError(f"{self.label} gave no image: {_reason(error)}") from error
        image = as_image(image, bits, self.label)
        stamp = begin + round(exposure * 0.5e9)
        # The core knows the bits in use, and `as_image` has scaled them to the whole range.
        return Capture(image, stamp, 8 * image.dtype.itemsize)

    def close(self) -> None:
        """Release the camera."""
        if not self._closed:
            self._closed = True
            if self._given is None:
                release_core(self._config)


def as_image(image: NDArray[Any], bits: int, label: str) -> NDArray[Any]:
    """Return an image of the core as cameras deliver it.

    Args:
        image: (H, W), or (H, W, 3) or (H, W, 4) RGB.
        bits: that the camera uses of each sample; 12 of 16 are scaled to the full range.
        label: of the camera, for the message.

    Raises:
        DeviceError: it has another shape, or another depth than 8 or 16 bit.
    """
    if image.ndim == 3 and image.shape[2] == 4:
        image = image[..., :3]
    colour = image.ndim == 3 and image.shape[2] == 3
    if image.dtype not in (np.uint8, np.uint16) or not (image.ndim == 2 or colour):
        raise DeviceError(
            f"{label} gives images of shape {image.shape} and {image.dtype}: set it to 8 or 16 bit"
        )
    if image.dtype == np.uint16 and 8 < bits < 16:
        # Drivers may exceed the range that they state: the excess must not wrap around.
        image = np.minimum(image, np.uint16((1 << bits) - 1)) << np.uint16(16 - bits)
    return np.ascontiguousarray(image)


def _reason(error: Exception) -> str:
    """First line of an error of the core, which can have many."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
