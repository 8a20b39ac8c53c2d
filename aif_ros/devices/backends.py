"""The devices that a URI such as ``moonlite:/dev/ttyUSB0?high=8000`` can name.

The form is ``BACKEND:ADDRESS?SETTING=VALUE&SETTING=VALUE``. A backend is imported, and its optional
dependency needed, only when a device is opened.
"""

import difflib
import importlib
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Camera
from aif_ros.devices.motor_lens import MotorLens
from aif_ros.devices.motor_settings import check_settings
from aif_ros.optics.lens_model import LensModel

T = TypeVar("T")


@dataclass(frozen=True)
class Backend:
    """One way to reach a kind of device.

    Attributes:
        summary: what it drives.
        address: form of the address, for messages.
        example: a whole URI.
        module: that implements it, below `aif_ros.devices`.
        opener: name of the class or function in the module.
        settings: name of the settings dataclass in the module; empty: there are none, and the
            address may hold any character.
        counts_steps: whether its unit is a motor step, so that `metres_per_step` of a calibration
            applies.
    """

    summary: str
    address: str
    example: str
    module: str
    opener: str
    settings: str = ""
    counts_steps: bool = False

    def load(self, name: str) -> Any:
        """Return an object of the module."""
        return getattr(importlib.import_module(f"aif_ros.devices.{self.module}"), name)


LENSES: Mapping[str, Backend] = {
    "moonlite": Backend(
        "focuser with the Moonlite protocol",
        "PORT",
        "moonlite:/dev/ttyUSB0?high=8000",
        "moonlite",
        "MoonliteLens",
        "MoonliteSettings",
        counts_steps=True,
    ),
    "optotune": Backend(
        "liquid lens on an Optotune Lens Driver 4 or 4i",
        "PORT",
        "optotune:/dev/ttyACM0",
        "optotune",
        "OptotuneLens",
        "OptotuneSettings",
    ),
    "grbl": Backend(
        "axis of a Grbl 1.1 controller",
        "PORT",
        "grbl:/dev/ttyUSB0?axis=Z&feed_rate=300",
        "gcode",
        "GrblLens",
        "GcodeSettings",
    ),
    "marlin": Backend(
        "axis of a Marlin 2 controller",
        "PORT",
        "marlin:/dev/ttyUSB0?axis=Z&feed_rate=300",
        "gcode",
        "MarlinLens",
        "GcodeSettings",
    ),
    "alpaca": Backend(
        "focuser of an ASCOM Alpaca server",
        "HOST:PORT[/NUMBER]",
        "alpaca:192.168.1.5:11111/0",
        "alpaca",
        "AlpacaLens",
        "AlpacaSettings",
        counts_steps=True,
    ),
    "indi": Backend(
        "focuser of an INDI server",
        "HOST[:PORT]/DEVICE",
        "indi:localhost/Focuser Simulator",
        "indi",
        "IndiLens",
        "IndiLensSettings",
        counts_steps=True,
    ),
    "v4l2": Backend(
        "focus of a webcam or other V4L2 camera",
        "PATH",
        "v4l2:/dev/video0",
        "v4l2",
        "V4l2Lens",
        "V4l2Settings",
    ),
    "micro_manager": Backend(
        "Z stage of Micro-Manager",
        "CONFIG",
        "micro_manager:demo?low=-50&high=50",
        "micro_manager",
        "MicroManagerStage",
        "StageSettings",
    ),
}
"""Lens backends by name."""

CAMERAS: Mapping[str, Backend] = {
    "opencv": Backend(
        "camera, stream, video file or folder of images that OpenCV reads",
        "INDEX|PATH|URL",
        "opencv:0",
        "opencv_camera",
        "open_opencv_camera",
    ),
    "indi": Backend(
        "camera of an INDI server",
        "HOST[:PORT]/DEVICE",
        "indi:localhost/CCD Simulator?exposure=0.5",
        "indi",
        "IndiCamera",
        "IndiCameraSettings",
    ),
    "micro_manager": Backend(
        "camera of Micro-Manager",
        "CONFIG",
        "micro_manager:demo?exposure=0.02",
        "micro_manager",
        "MicroManagerCamera",
        "MicroscopeCameraSettings",
    ),
}
"""Camera backends by name."""


@dataclass(frozen=True)
class DeviceUri:
    """A device as named by a URI.

    Attributes:
        name: of the backend.
        backend: the backend.
        address: of the device.
        options: settings as text.
    """

    name: str
    backend: Backend
    address: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, uri: str, backends: Mapping[str, Backend]) -> "DeviceUri":
        """Read ``BACKEND:ADDRESS?SETTING=VALUE&...``.

        Args:
            uri: as the user gives it.
            backends: those that are allowed, by name.

        Raises:
            ValueError: there is no such backend, or no address.
        """
        name, colon, rest = uri.partition(":")
        if name not in backends:
            raise ValueError(_unknown(name, backends))
        backend = backends[name]
        address, _, query = rest.partition("?") if backend.settings else (rest, "", "")
        if not colon or not address:
            raise ValueError(
                f"'{uri}' names no device: write {name}:{backend.address}, such as "
                f"{backend.example}"
            )
        options: dict[str, str] = {}
        for part in query.split("&") if query else ():
            setting, value = _option(part, uri)
            if setting in options:
                raise ValueError(f"'{uri}' gives {setting} twice: leave one out")
            options[setting] = value
        return cls(name, backend, address, options)

    def settings(self, defaults: Mapping[str, Any]) -> Any:
        """Return the settings of the backend.

        Args:
            defaults: replace those of its settings dataclass.

        Raises:
            ValueError: a setting does not exist, or a value is not allowed.
        """
        return self.read(self.backend.load(self.backend.settings), defaults)

    def read(self, kind: type[T], defaults: Mapping[str, Any] = types.MappingProxyType({})) -> T:
        """Return the settings as a dataclass.

        Args:
            kind: of dataclass.
            defaults: replace those of `kind`.

        Raises:
            ValueError: a setting does not exist, or a value is not allowed.
        """
        hints = get_type_hints(kind)
        names = [each.name for each in fields(cast(Any, kind))]
        values = dict(defaults)
        for name, text in self.options.items():
            if name not in names:
                raise ValueError(
                    f"{self.name} has no setting '{name}': choose from {', '.join(names)}"
                )
            values[name] = _value(name, text, hints[name])
        settings = kind(**values)
        check_settings(cast(Any, settings))
        return settings


def open_motor_lens(uri: str, clock: Clock, lens_model: LensModel | None = None) -> MotorLens:
    """Open the lens that a URI names, as its motor is; see `aif_ros.devices.backlash`.

    Args:
        uri: such as ``moonlite:/dev/ttyUSB0?high=8000``.
        clock: source of the stamps.
        lens_model: calibration; its limits are never left, and its `metres_per_step` is the scale
            of a backend that counts steps, unless the URI sets `metres_per_unit`.

    Raises:
        ValueError: the URI is wrong; the message says how.
        DeviceError: the device cannot be opened; the message says what to do.
    """
    named = DeviceUri.parse(uri, LENSES)
    defaults = {}
    if lens_model is not None and named.backend.counts_steps:
        defaults["metres_per_unit"] = lens_model.metres_per_step
    settings = named.settings(defaults)
    opener = cast(Callable[..., MotorLens], named.backend.load(named.backend.opener))
    limits = lens_model.limits if lens_model is not None else None
    return opener(named.address, clock, settings, limits=limits)


def open_camera(uri: str, clock: Clock) -> Camera:
    """Open the camera that a URI names.

    Args:
        uri: such as ``indi:localhost/CCD Simulator?exposure=0.5``; what begins with no backend is
            for OpenCV: ``0``, ``/dev/video0``, ``rtsp://...``, ``video.mp4``, ``folder/``.
        clock: source of the stamps.

    Raises:
        ValueError: the URI is wrong; the message says how.
        DeviceError: the device cannot be opened; the message says what to do.
    """
    if uri.partition(":")[0] not in CAMERAS:
        uri = f"opencv:{uri}"
    named = DeviceUri.parse(uri, CAMERAS)
    opener = cast(Callable[..., Camera], named.backend.load(named.backend.opener))
    if not named.backend.settings:
        return opener(named.address, clock)
    return opener(named.address, clock, named.settings({}))


def _unknown(name: str, backends: Mapping[str, Backend]) -> str:
    """Return what to do about a URI that begins with no backend."""
    if name == "ros_parameter":
        return (
            "a lens by ros_parameter needs ROS: lens_node drives it (see "
            "docs/devices/ros-parameter.md)"
        )
    if "/" in name or name.isdecimal():
        return (
            f"'{name}' is an address: put its backend in front, such as "
            f"{next(iter(backends))}:{name} (backends: {', '.join(backends)})"
        )
    close = difflib.get_close_matches(name.lower(), backends, 1)
    hint = f"did you mean {close[0]}? There are" if close else "choose from"
    return f"there is no backend '{name}': {hint} {', '.join(backends)}"


def _option(part: str, uri: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    if not equals:
        raise ValueError(f"'{part}' in '{uri}' is no setting: write NAME=VALUE")
    return name, value


def _value(name: str, text: str, hint: Any) -> Any:
    """Return the value that `text` stands for, of the type `hint`."""
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    kind = kinds[0] if get_origin(hint) in (Union, types.UnionType) else hint
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{name} must be true or false, got '{text}'")
        return text.lower() == "true"
    try:
        return kind(text)
    except ValueError:
        article = {int: "a whole number", float: "a number"}.get(kind, kind.__name__)
        raise ValueError(f"{name} must be {article}, got '{text}'") from None
