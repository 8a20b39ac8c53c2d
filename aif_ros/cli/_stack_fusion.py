"""Fusion of one stack: what `aif stack` writes, prints and returns of it."""

import resource
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from aif_ros.cli import CommandError
from aif_ros.cli._device import note_unused_device
from aif_ros.cli._stack_arguments import Arguments
from aif_ros.cli._stack_options import selection
from aif_ros.cli._stack_report import write_stack_report
from aif_ros.cli._stack_summary import print_stack_summary
from aif_ros.cli._warnings import print_warnings
from aif_ros.devices.image_files import read_metadata, write_image
from aif_ros.devices.image_files.metadata import colour_space
from aif_ros.devices.image_files.samples import MaskedImage
from aif_ros.devices.image_files.slice_series import Slices
from aif_ros.devices.image_files.slices import open_slices
from aif_ros.devices.image_files.stack_axes import AmbiguousError
from aif_ros.fusion.registration_summary import describe_registration
from aif_ros.fusion.relief import HEIGHT_SHARE, write_relief
from aif_ros.fusion.stacking import FusedStack, fuse_stack
from aif_ros.types.fill import fill_unknown
from aif_ros.types.wording import counted


def fuse(args: Arguments, paths: list[Path]) -> dict[str, Any]:
    """Fuse one stack.

    Args:
        args: of the command, with the outputs of this stack.
        paths: files of the slices, or their folder.

    Returns:
        What `--json` writes of it.

    Raises:
        CommandError, DeviceError, OSError, ValueError: it cannot be read, fused or written.
    """
    begun = time.perf_counter()
    args.check_outputs()
    slices = _open(args, paths)
    height, width = slices.shape[:2]
    if len(slices) < 2:
        print_warnings(
            f"{slices.name(0)} is one slice, no stack: it is only converted (give all slices, "
            "their folder, or a file that holds them)"
        )
    note_unused_device(args.device, args.method)
    args.check_outputs((width, height), sixteen_bit=slices.sixteen_bit)
    written: dict[str, Any] = {}
    if args.preview:
        written["preview"] = _write_preview(args, slices, begun)
    stack = _fuse(args, slices)
    slices = stack.slices
    depth = _depth(stack, slices) if args.focus_map or args.relief or args.report else None
    if depth is not None:
        written |= _write_depth(args, stack, depth)
    result = _result(args, slices, stack)
    result["seconds"] = time.perf_counter() - begun
    print_stack_summary(stack, result)
    result |= written
    if args.report and depth is not None:
        result["report"] = str(write_stack_report(Path(args.report), slices, stack, depth, result))
        print(f"report: {result['report']}")
    return result


def _fuse(args: Arguments, slices: Slices) -> FusedStack:
    """Fuse the slices, write the fused image, and return the results."""
    stack = fuse_stack(
        slices,
        args.method,
        align=not args.no_align,
        match_exposure=not args.no_exposure,
        crop_to_common=args.crop,
        device=args.device,
        track=_track,
    )
    slices = stack.slices
    metadata = replace(read_metadata(slices.paths[0]), pixel_size=slices.pixel_size)
    _check_profiles(slices)
    write_image(
        args.output,
        stack.fused.image,
        sixteen_bit=stack.sixteen_bit,
        metadata=metadata,
        transparent=stack.holes,
    )
    return stack


def _write_depth(args: Arguments, stack: FusedStack, depth: NDArray[np.float32]) -> dict[str, str]:
    """Write the outputs that are made of the depth, and return their files by name."""
    written = {}
    if args.focus_map:
        write_image(args.focus_map, depth, sixteen_bit=True)
        written["focus_map"] = args.focus_map
    if args.relief:
        write_relief(args.relief, stack.fused.image, _heights(depth, stack.slices))
        written["relief"] = args.relief
    return written


def _open(args: Arguments, paths: list[Path]) -> Slices:
    try:
        slices = open_slices(
            paths, selection=selection(args.channel, args.time, args.series), bits=args.bits or None
        )
    except AmbiguousError as error:
        raise CommandError(f"{error} (--{error.key})") from error
    slices.check_alike()
    inputs = {path.resolve() for path in slices.paths}
    for output in filter(None, (args.output, args.focus_map, args.relief, args.json)):
        if Path(output).resolve() in inputs:
            raise CommandError(f"{output} is one of the slices: name another file to write")
    return slices


def _check_profiles(slices: Slices) -> None:
    """Warn of slices whose colours mean something else than the first one's."""
    channels = 3 if len(slices.shape) == 3 else 1
    used = colour_space(slices.paths[0], channels)
    odd = [
        (path.name, found)
        for path in dict.fromkeys(slices.paths)
        if (found := colour_space(path, channels)) != used
    ]
    if odd:
        print_warnings(
            f"the colours of {counted(len(odd), 'slice')} are of another profile ({odd[0][0]}: "
            f"{odd[0][1]}) than those of the first one, {used}, which is taken for all"
        )


def _write_preview(args: Arguments, slices: Slices, begun: float) -> str:
    path = args.preview_path
    small = fuse_stack(
        slices,
        args.method,
        align=not args.no_align,
        reduction=4,
        device=args.device,
        track=_track,
    )
    write_image(path, small.fused.image, sixteen_bit=False)
    print(f"preview after {time.perf_counter() - begun:.1f} s: {path}")
    return str(path)


def _depth(stack: FusedStack, slices: Slices) -> NDArray[np.float32]:
    """(H, W) slice that each pixel comes from: 0 the first, 1 the last."""
    depth = fill_unknown(stack.fused.source_position, stack.confidence)
    depth /= np.float32(max(1, len(slices) - 1))
    return depth


def _heights(depth: NDArray[np.float32], slices: Slices) -> NDArray[np.float32]:
    """Height of each pixel of a relief, in pixels; the first slice is nearest to the viewer."""
    total = HEIGHT_SHARE * max(depth.shape)
    if slices.z_step is not None and slices.pixel_size is not None:
        total = slices.z_step * (len(slices) - 1) / slices.pixel_size
    return (1 - depth) * np.float32(total)


def _result(args: Arguments, slices: Slices, stack: FusedStack) -> dict[str, Any]:
    height, width = stack.fused.image.shape[:2]
    registration = describe_registration(stack.transforms, (width, height))
    return {
        "output": args.output,
        "slices": len(slices),
        "width": width,
        "height": height,
        "method": args.method,
        "aligned": not args.no_align,
        "files": [slices.name(index) for index in range(len(slices))],
        "notes": slices.notes,
        "sixteen_bits": stack.sixteen_bit,
        "z_step": slices.z_step,
        "pixel_size": slices.pixel_size,
        "registration": {
            "shifts": registration.shifts,
            "magnifications": registration.magnifications,
            "rotations": registration.rotations,
        },
        "exposure": [[float(factor) for factor in gain.factors] for gain in stack.gains],
        "uneven": stack.uneven,
        "left_out": list(stack.left_out),
        "blank": dict(stack.blank),
        "damaged": dict(stack.damaged),
        "misfits": list(stack.excluded_shares),
        "undecided": stack.undecided,
        "dust": {
            "spots": 0 if stack.dust is None else stack.dust.spots,
            "share": 0.0 if stack.dust is None else stack.dust.share,
        },
        "holes": 0.0 if stack.holes is None else float(stack.holes.mean()),
        # Kibibytes on Linux.
        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _track(images: Iterable[MaskedImage], doing: str) -> Iterator[MaskedImage]:
    """Show the progress on a terminal."""
    yield from tqdm(images, desc=doing, unit="slice", disable=None)
