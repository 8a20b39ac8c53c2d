"""Run the closed loop until it stops by itself.

Three ways of running the same loop on a simulated camera and lens, a recorded focal stack or a
real camera: as a plain library in simulated time (no ROS needed), as ROS 2 nodes in this one
process, or as ROS 2 processes of their own. Ctrl-C ends it at any time; what was fused until then
is kept.

Examples:
  aif run -o sharp.png                           the photographed motorcycle, without ROS
  aif run --agent sweep --json -                 the conventional focal sweep
  aif run --scene ~/stacks/insect -o sharp.png   a recorded focal stack
  aif run --preset classical                     the light parts, without PyTorch
  aif run --camera 0 --lens "moonlite:/dev/ttyUSB0?high=8000" --calibration lens.yaml  real devices
  aif run --ros --forever                        as ROS 2 processes, until Ctrl-C
"""

from collections.abc import Mapping
from pathlib import Path

from aif_ros.cli import CommandError, check_width, write_json
from aif_ros.cli._outputs import refuse_inputs
from aif_ros.cli._run_arguments import Arguments
from aif_ros.cli._stack_options import OPTIONS
from aif_ros.settings.declaration import declared
from aif_ros.storage.atomic_write import check_writable
from aif_ros.types.wording import counted

__all__ = ["Arguments", "run"]

_ROS_ONLY = dict.fromkeys(("params_file", "namespace", "search", "forever"), "add --ros")
_LIBRARY_ONLY = {
    **dict.fromkeys(("focus_map", "depth_map"), "leave out --ros and --one-process"),
    "exposure_time": "set 'exposure_time' in a --params-file instead",
    **{name: f"write '{name}' into info.yaml instead (see docs/scenes.md)" for name in OPTIONS},
}


def run(args: Arguments) -> int:
    """Run the loop."""
    from aif_ros.devices.chosen_devices import chosen_devices

    devices = chosen_devices(args)
    if devices.camera == "device":
        for name in ("width", *OPTIONS):
            if getattr(args, name) not in (0, None):
                raise CommandError(f"--{name} is for simulated cameras, not for a real one")
    for path in filter(None, (args.focus_map, args.depth_map)):
        if Path(path).suffix.lower() not in (".tif", ".tiff"):
            raise CommandError(f"{path}: maps in metres are 32-bit TIFFs, name it .tif")
        if args.mode == "dynamic":
            raise CommandError(
                f"{path}: a moving scene has no focus map: leave out --mode dynamic, or the map"
            )
        check_writable(path)
    if args.save_path:
        from aif_ros.devices.image_files import check_image_output

        check_image_output(args.save_path)
    outputs = (args.save_path, args.focus_map, args.depth_map, args.json)
    refuse_inputs(outputs, (args.scene, args.calibration))
    check_width(args.width)
    before = _version(args.save_path)
    if args.runner == "library":
        _refuse(args, _ROS_ONLY, "needs ROS")
        for name in ("camera", "lens"):
            if getattr(devices, name) == "external":
                raise CommandError(f"--{name} external needs ROS: add --ros")
        from aif_ros.cli._run_library import run_library

        result = run_library(args, devices)
    else:
        _refuse(args, _LIBRARY_ONLY, "is for runs without ROS")
        from aif_ros.cli._run_graph import run_graph

        result = run_graph(args)
    frames = counted(result["frames_captured"], "frame")
    print(f"{frames} in {result['seconds']:.1f} s: {result['reason']}")
    saved = _version(args.save_path) != before
    if saved:
        print(args.save_path)
    scene = args.scene or ("motorcycle" if devices.camera == "simulated" else args.camera)
    write_json({"how": args.runner, "scene": scene} | result, args.json)
    if args.save_path and result["frames_captured"] and not saved:
        raise CommandError(f"{args.save_path} has not been written: see the message above")
    return 0


def _refuse(args: Arguments, options: Mapping[str, str], reason: str) -> None:
    """Refuse options that this way of running does not have.

    Args:
        args: of the command.
        options: what to do instead, by the name of the option.
        reason: why they are refused.

    Raises:
        CommandError: one of them is given.
    """
    for setting in declared(Arguments):
        name = setting.name
        if name in options and getattr(args, name) != setting.default:
            raise CommandError(f"--{name.replace('_', '-')} {reason}: {options[name]}")


def _version(path: str) -> tuple[int, int] | None:
    """Return what changes when a file is written; None: there is no such file."""
    if not path or not Path(path).exists():
        return None
    status = Path(path).stat()
    return status.st_ino, status.st_mtime_ns
