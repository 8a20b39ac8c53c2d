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

from pathlib import Path
from typing import TYPE_CHECKING

from aif_ros.cli import CommandError, check_width, write_json
from aif_ros.cli._camera_options import refuse_camera_options, refuse_options
from aif_ros.cli._outputs import refuse_inputs
from aif_ros.cli._run_arguments import Arguments
from aif_ros.cli._stack_options import OPTIONS
from aif_ros.storage.atomic_write import check_writable
from aif_ros.types.wording import counted

if TYPE_CHECKING:
    from aif_ros.devices.chosen_devices import ChosenDevices

__all__ = ["Arguments", "run"]

_ROS_ONLY = dict.fromkeys(("params_file", "namespace", "search", "forever", "timeout"), "add --ros")
_LIBRARY_ONLY = {
    **dict.fromkeys(("focus_map", "depth_map"), "leave out --ros and --one-process"),
    "exposure_time": "set 'exposure_time' in a --params-file instead",
    **{name: f"write '{name}' into info.yaml instead (see docs/scenes.md)" for name in OPTIONS},
}


def run(args: Arguments) -> int:
    """Run the loop."""
    from aif_ros.devices.chosen_devices import chosen_devices

    devices = chosen_devices(args)
    _check_options(args, devices)
    _check_outputs(args)
    check_width(args.width)
    before = _version(args.save_path)
    if args.runner == "library":
        from aif_ros.cli._run_library import run_library

        result = run_library(args, devices)
    else:
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


def _check_options(args: Arguments, devices: "ChosenDevices") -> None:
    """Refuse options that would have no effect.

    Raises:
        CommandError: one of them is given.
    """
    if args.ros and args.one_process:
        raise CommandError("--ros and --one-process are two ways of running: leave one out")
    if args.forever and args.timeout is not None:
        raise CommandError("--timeout has no effect with --forever: leave one out")
    refuse_camera_options(args, devices.camera)
    if args.runner != "library":
        refuse_options(args, _LIBRARY_ONLY, "is for runs without ROS")
        return
    refuse_options(args, _ROS_ONLY, "needs ROS")
    for name in ("camera", "lens"):
        if getattr(devices, name) == "external":
            raise CommandError(f"--{name} external needs ROS: add --ros")


def _check_outputs(args: Arguments) -> None:
    """Check the files to write, before any work.

    Raises:
        CommandError: a file has the wrong name, or replaces an input.
        OSError: it cannot be written.
    """
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


def _version(path: str) -> tuple[int, int] | None:
    """Return what changes when a file is written; None: there is no such file."""
    if not path or not Path(path).exists():
        return None
    status = Path(path).stat()
    return status.st_ino, status.st_mtime_ns
