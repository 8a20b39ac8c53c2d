"""Focus of webcams and other V4L2 cameras on Linux (`focus_absolute`), through linuxpy.

Sources: "Camera Control Reference" of the Linux kernel (V4L2_CID_FOCUS_ABSOLUTE: unit undefined,
higher values are closer; V4L2_CID_FOCUS_AUTO must be off for it to have an effect). The kernel
calls the latter "Focus, Automatic Continuous" since 6.0 and "Focus, Auto" before. VIDIOC_S_CTRL:
EACCES for a control that is read-only, or inactive in a driver that keeps no value until it is
active again; EBUSY for one that another program has grabbed. linuxpy 0.25 raises AttributeError for
controls that it knows to be read-only, disabled or grabbed.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from typing_extensions import Doc

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.devices.motor_axis import Axis, Reading
from aif_ros.devices.motor_lens import MotorLens
from aif_ros.devices.motor_settings import MetresPerUnit, MotorSettings
from aif_ros.devices.optional import require
from aif_ros.devices.permissions import advice
from aif_ros.settings.declaration import Limits

T = TypeVar("T")

FOCUS = "focus_absolute"
AUTOMATIC = ("focus_automatic_continuous", "focus_auto")
"""Names of the control that switches automatic focus on, new and old."""

_GRABBED = "another program controls it: close it and try again"


@dataclass(frozen=True)
class V4l2Settings(MotorSettings):
    """V4L2 focus control; a unit is a step of the control, often 0 to 255.

    Travel in metres is nominal: only the product of travel and blur matters.
    """

    metres_per_unit: MetresPerUnit = 1e-5
    settling_time: Annotated[
        float,
        Limits(0.0, 60.0),
        Doc("Seconds until the lens has moved and settled; drivers do not report it."),
    ] = 0.3


class V4l2Lens(MotorLens):
    """The focus of a V4L2 camera. The camera may be in use at the same time.

    Args:
        path: of the device, such as /dev/video0, or its number.
        clock: source of the stamps.
        settings: see there.
        limits: see `MotorLens`.

    Raises:
        MissingDependencyError: linuxpy is not installed.
        DeviceError: the device cannot be opened, has no focus control, or automatic focus cannot be
            switched off.
    """

    # Standard of the control, see the sources above; single drivers may differ.
    higher_unit_is_nearer = True

    def __init__(
        self,
        path: str,
        clock: Clock,
        settings: V4l2Settings | None = None,
        *,
        limits: tuple[float, float] | None = None,
    ) -> None:
        self._path = f"/dev/video{path}" if path.isdecimal() else path
        self._device: Any = None
        label = f"focus of camera {self._path}"
        super().__init__(label, clock, settings or V4l2Settings(), limits=limits)

    def _connect(self) -> Axis:
        video = require("linuxpy.video.device", "v4l2")

        def open_device() -> Any:
            device = video.Device(self._path)
            device.open()
            return device

        self._device = self._call(open_device)
        try:
            focus = self._call(lambda: self._device.controls[FOCUS])
        except KeyError:
            raise DeviceError(
                f"{self.label}: this camera cannot be focused (it has no control {FOCUS})"
            ) from None
        self._switch_automatic_focus_off()
        low, high, step = focus.minimum, focus.maximum, focus.step or 1
        # Drivers round to their own steps.
        return Axis(float(low), float(high), resolution=float(step), tolerance=float(step))

    def _switch_automatic_focus_off(self) -> None:
        def switch_off() -> bool:
            for name in AUTOMATIC:
                try:
                    self._assign(name, False)
                except KeyError:
                    continue
                return not self._device.controls[name].value
            return True

        try:
            off = self._call(switch_off)
        except _RefusedError as error:
            raise DeviceError(
                f"{self.label}: automatic focus cannot be switched off: {error}"
            ) from error
        if not off:
            raise DeviceError(f"{self.label}: automatic focus cannot be switched off")

    def _read(self) -> Reading:
        # The control holds what was set; the motion is covered by the settling time.
        return Reading(float(self._call(lambda: self._device.controls[FOCUS].value)), False)

    def _command(self, target: float) -> None:
        # Another program may have switched it on.
        self._switch_automatic_focus_off()
        try:
            self._call(lambda: self._assign(FOCUS, round(target)))
        except _RefusedError as error:
            raise DeviceError(f"{self.label} refuses the position: {error}") from error

    def _halt(self) -> None:
        """Nothing to stop: the driver moves the lens at once."""

    def _disconnect(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def _assign(self, name: str, value: bool | int) -> None:
        """Set a control.

        Raises:
            KeyError: the camera has no such control.
            _RefusedError: it is read-only, inactive, disabled or grabbed.
            OSError: the device does not answer.
        """
        controls = self._device.controls
        try:
            try:
                controls[name].value = value
            except AttributeError:
                # linuxpy goes by the flags of when the device was opened; another program may have
                # released the control since.
                controls.refresh()
                controls[name].value = value
        except AttributeError as error:
            raise _RefusedError(str(error)) from error
        except OSError as error:
            match error.errno:
                case errno.EACCES:
                    reason = "it is read-only, or automatic focus is on"
                case errno.EBUSY:
                    reason = _GRABBED
                case _:
                    raise
            raise _RefusedError(reason) from error

    def _call(self, function: Callable[[], T]) -> T:
        """Call the driver; its errors mean that the device is gone."""
        try:
            return function()
        except OSError as error:
            raise ConnectionLostError(f"{self.label}: {self._problem(error)}") from error

    def _problem(self, error: OSError) -> str:
        match error.errno:
            case errno.ENOENT:
                return "there is no such device: connect it (`aif devices` lists cameras)"
            case errno.EACCES:
                return f"you may not open it: {advice(self._path, 'video')}"
            case errno.EBUSY:
                return _GRABBED
            case errno.ENODEV:
                return "it was disconnected: connect it again"
        return f"it does not answer ({error}): connect it again"


class _RefusedError(Exception):
    """A control that may not be set now."""
