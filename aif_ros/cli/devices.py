"""List the cameras and lenses that are connected, and try them.

Without a device, everything that can be found is listed with the URI that names it for `aif
calibrate`, `aif run` and the nodes. With one or more devices, each is opened: whether it answers,
its limits, where it is, and the line that uses it. Serial ports are not probed unless named: a byte
too many can move a machine.

Examples:
  aif devices
  aif devices "moonlite:/dev/ttyUSB0?high=8000" opencv:0
  aif devices --simulate moonlite        a simulated focuser on a serial port, until Ctrl-C
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, check_json, write_json
from aif_ros.settings.declaration import OneOf

if TYPE_CHECKING:
    from aif_ros.types.frame import LensState

SIMULATED = ("moonlite", "optotune", "grbl", "marlin")


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    devices: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="BACKEND:ADDRESS"),
        Doc("Devices to try; none: list what is connected."),
    ] = ()
    simulate: Annotated[
        str,
        OneOf(SIMULATED, or_empty=True),
        Doc("Offer a simulated device on a serial port, to try the package without hardware."),
    ] = ""
    json: JsonFile = None


def run(args: Arguments) -> int:
    """List or try devices."""
    check_json(args.json)
    if args.simulate and args.devices:
        raise CommandError(
            f"--simulate offers a device and tries none: leave out {args.devices[0]}, and try it "
            "in another terminal"
        )
    if args.simulate:
        return _simulate(args.simulate)
    if args.devices:
        return _try_all(args)
    from aif_ros.devices.discovery import discover

    not_searched: list[str] = []
    found = discover(not_searched.append)
    for device in found:
        print(f"{device.kind:7} {device.uri:44} {device.description}")
    if not found:
        print("no device found: connect one, or name it (aif devices BACKEND:ADDRESS)")
    for text in not_searched:
        print(text)
    _print_backends()
    devices = [
        {"kind": device.kind, "text": device.uri, "description": device.description}
        for device in found
    ]
    write_json({"devices": devices}, args.json)
    return 0


def _try_all(args: Arguments) -> int:
    results = []
    for uri in args.devices:
        results.append(_try(uri))
        _print_result(results[-1])
    write_json({"devices": results}, args.json)
    failed = [result["text"] for result in results if "problem" in result]
    if failed:
        raise CommandError(f"{len(failed)} of {len(results)} devices cannot be used")
    return 0


def _print_result(result: dict[str, Any]) -> None:
    print(result["text"])
    for key, value in result.items():
        if key == "problems":
            for problem in value:
                print(f"  {'problem':10} {problem}")
        elif key not in ("text", "problem"):
            print(f"  {key:10} {value}")


def _try(uri: str) -> dict[str, Any]:
    """Open one device and return what there is to say about it.

    `problem` is what is wrong, and `problems` its parts.
    """
    from aif_ros.devices.backends import CAMERAS, LENSES, DeviceUri
    from aif_ros.devices.camera_drivers import PARAMETER_LENS
    from aif_ros.devices.device import DeviceError

    if uri.isdecimal() or uri.startswith("/dev/video") or "://" in uri:
        uri = f"opencv:{uri}"
    name = uri.partition(":")[0]
    result: dict[str, Any] = {"text": uri}
    # A URI may name a lens and a camera, as that of Micro-Manager or INDI.
    attempts: list[tuple[str, Callable[[str], dict[str, Any]]]] = []
    if name == "ros_parameter":
        attempts.append(("lens", _try_parameter_lens))
    if name in LENSES:
        attempts.append(("lens", _try_lens))
    if name in CAMERAS:
        attempts.append(("camera", _try_camera))
    if not attempts:
        try:
            DeviceUri.parse(uri, {**LENSES, **CAMERAS, "ros_parameter": PARAMETER_LENS})
        except ValueError as error:
            return result | _problems(str(error))
    faults: dict[str, str] = {}
    mistakes: dict[str, str] = {}
    for kind, attempt in attempts:
        try:
            result |= attempt(uri)
        except DeviceError as error:
            faults[f"no {kind}"] = str(error)
        except ValueError as error:
            mistakes[f"no {kind}"] = str(error)
    if len(result) > 1:
        return result | faults
    # Settings of a lens are no settings of a camera: that says nothing of a lens with a fault.
    return result | _problems(*(faults or mistakes).values())


def _problems(*texts: str) -> dict[str, Any]:
    distinct = list(dict.fromkeys(texts))
    return {"problem": "; ".join(distinct), "problems": distinct}


def _try_parameter_lens(uri: str) -> dict[str, Any]:
    """Open a lens that another ROS node drives."""
    from aif_ros.devices.optional import require

    require("rclpy", "ros")
    from aif_ros.bringup.parameter_lens_probe import probe_parameter_lens

    lens = probe_parameter_lens(uri)
    return {
        "answers": "yes",
        "limits": str(lens.travel),
        "position": _position(lens.state),
        "run": "ros2 launch aif_ros pipeline.launch.py camera:=external "
        f'lens:="{uri}" calibration:=lens.yaml',
    }


def _position(state: "LensState") -> str:
    return f"{state.position:g} m{', moving' if state.moving else ''}"


def _try_lens(uri: str) -> dict[str, Any]:
    from aif_ros.devices.backends import open_motor_lens
    from aif_ros.devices.clock import SystemClock

    lens = open_motor_lens(uri, SystemClock())
    try:
        state = lens.state()
        devices = f'--camera CAMERA --lens "{uri}"'
        notes = {"note": "; ".join(doubts)} if (doubts := lens.limits_report()[1:]) else {}
        return {
            "answers": "yes",
            "limits": str(lens.travel),
            **notes,
            "step": f"{lens.metres_per_step:g} m",
            "position": _position(state),
            "calibrate": f"aif calibrate {devices} -o lens.yaml",
            "autofocus": f"aif autofocus {devices} --calibration lens.yaml",
            "run": f"aif run {devices} --calibration lens.yaml -o sharp.png",
        }
    finally:
        lens.close()


def _try_camera(uri: str) -> dict[str, Any]:
    import time

    from aif_ros.devices.backends import open_camera
    from aif_ros.devices.clock import SystemClock

    camera = open_camera(uri, SystemClock())
    try:
        begin = time.monotonic()
        capture = camera.capture()
        seconds = time.monotonic() - begin
        width, height = camera.size
        return {
            "answers": "yes",
            "images": f"{width}x{height}, {capture.image.dtype}, one in {seconds:.3g} s",
            "use": f'--camera "{uri}"',
        }
    finally:
        camera.close()


def _simulate(name: str) -> int:
    """Serve a simulated device until Ctrl-C."""
    import tempfile
    import threading
    from pathlib import Path

    from aif_ros.devices.simulators.gcode import SimulatedGrbl, SimulatedMarlin
    from aif_ros.devices.simulators.moonlite import SimulatedMoonlite
    from aif_ros.devices.simulators.optotune import SimulatedOptotune
    from aif_ros.devices.simulators.serial_line import SerialSimulator

    makers = (SimulatedMoonlite, SimulatedOptotune, SimulatedGrbl, SimulatedMarlin)
    device = dict(zip(SIMULATED, makers, strict=True))[name]()
    with (
        tempfile.TemporaryDirectory(prefix="aif_") as folder,
        SerialSimulator(device, Path(folder) / name) as line,
    ):
        print(f"{name}:{line.path}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


def _print_backends() -> None:
    from aif_ros.devices.backends import CAMERAS, LENSES
    from aif_ros.devices.camera_drivers import PARAMETER_LENS

    lenses = {**LENSES, "ros_parameter": PARAMETER_LENS}
    for title, backends in (("lenses", lenses), ("cameras", CAMERAS)):
        print(f"\nbackends for {title}:")
        for backend in backends.values():
            print(f"  {backend.example:44} {backend.summary}")
