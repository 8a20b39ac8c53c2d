"""Fuse a focal stack from disk into one all-in-focus picture.

The slices are given in focus order (near to far or far to near): files, a folder whose pictures
are taken in the order of their names (2 before 10), or one file with all slices (TIFF, ImageJ,
OME-TIFF; with extras OME-Zarr and raw files). The result has 16 bits where the slices have more
than 8 and its format can, and the EXIF data and colour profile of the first slice (a TIFF: the main
tags). The slices are registered first (drift, focus breathing), except with --no-align.

A folder of folders holds a stack in each: name a folder to write to, or use {name} in the outputs.

Examples:
  aif stack insect/ -o insect.png
  aif stack a.tif b.tif c.tif -o sharp.tif --focus-map which.png
  aif stack cells.ome.tif --channel GFP -o cells.tif --report cells_report
  aif stack insects/ -o fused/{name}.tif --preview
"""

import resource
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, write_json
from aif_ros.cli._device import note_unused_device
from aif_ros.cli._stack_options import Channel, Time, selection
from aif_ros.settings import nodes
from aif_ros.settings.declaration import Limits

if TYPE_CHECKING:
    from aif_ros.devices.image_files.samples import Picture
    from aif_ros.devices.image_files.slices import Slices
    from aif_ros.fusion.stacking import FusedStack

_NAME = "{name}"
"""Stands in an output for the name of the stack."""


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    slices: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="FILE|FOLDER"),
        Doc("The slices, in focus order; a folder, or a file, with all of them."),
    ]
    output: Annotated[
        str,
        tyro.conf.arg(metavar="FILE|FOLDER", aliases=("-o",)),
        Doc("Fused image to write: .png, .tif or .jpg; in a folder: NAME.png."),
    ]
    method: nodes.FusionMethod = "laplacian"
    no_align: Annotated[bool, Doc("The slices are registered already: do not register them.")] = (
        False
    )
    no_exposure: Annotated[
        bool, Doc("Keep the exposure and white balance of each slice: do not match them.")
    ] = False
    crop: Annotated[bool, Doc("Cut off the borders that not all slices show (drift).")] = False
    channel: Channel = None
    time: Time = None
    bits: Annotated[
        int,
        Limits(0, 16),
        Doc(
            "Bits in use of each sample, for instance 12 of the 16 in the file; 0: as the files "
            "say, else recognised by the largest sample."
        ),
    ] = 0
    preview: Annotated[
        bool, Doc("First fuse at a quarter of the size, and write it as NAME.preview.jpg.")
    ] = False
    focus_map: Annotated[
        str | None,
        tyro.conf.arg(metavar="FILE"),
        Doc(
            "Also write a grey image of the slice that each pixel comes from, with 16 bits in a "
            ".png or .tif: black the first, white the last."
        ),
    ] = None
    relief: Annotated[
        str | None,
        tyro.conf.arg(metavar="FILE"),
        Doc(
            "Also write the focus map as a coloured relief: .html, a page on which to turn it, or "
            ".ply, for MeshLab or Blender."
        ),
    ] = None
    report: Annotated[
        str | None,
        tyro.conf.arg(metavar="FOLDER"),
        Doc(
            "Also write a page (report.html) with the result, the focus map, the registration, and "
            "a magnifier that compares the result with any slice."
        ),
    ] = None
    device: nodes.Device = "auto"
    json: JsonFile = None

    def named(self, name: str) -> "Arguments":
        """Return the arguments for one stack, with its name in all outputs."""
        output = self.output
        if _is_folder(output):
            output = str(Path(output) / f"{_NAME}.png")
        others = (self.focus_map, self.relief, self.report, self.json)
        focus_map, relief, report, json = (each and each.replace(_NAME, name) for each in others)
        return replace(
            self,
            output=output.replace(_NAME, name),
            focus_map=focus_map,
            relief=relief,
            report=report,
            json=json,
        )

    def check_outputs(self, size: tuple[int, int] | None = None, *, deep: bool = True) -> None:
        """Check that everything can be written, before work is done for it.

        Raises:
            DeviceError, OSError: as `check_image_output` and `check_writable`.
        """
        from aif_ros.devices.image_files import check_image_output
        from aif_ros.fusion.relief import SUFFIXES as RELIEF_SUFFIXES
        from aif_ros.storage.atomic_write import check_writable

        named = [
            Path(output).resolve()
            for output in (self.output, self.focus_map, self.relief, self.json)
            if output not in (None, "-")
        ]
        for output in named:
            if named.count(output) > 1:
                raise CommandError(f"{output} is named twice as an output")
        for image in filter(None, (self.output, self.focus_map)):
            check_image_output(image, size, deep=deep)
        if self.preview:
            _refuse_foreign([self.preview_path])
            check_image_output(self.preview_path)
        if self.relief:
            if Path(self.relief).suffix.lower() not in RELIEF_SUFFIXES:
                raise CommandError(f"cannot write {self.relief}: a relief is a .ply or .html")
            check_writable(self.relief)
        if self.report:
            folder = Path(self.report)
            pictures = (folder / "result.jpg", folder / "focus_map.png")
            _refuse_foreign([*pictures, *(folder / "slices").glob("*.jpg")])
            check_writable(folder / "report.html")

    @property
    def preview_path(self) -> Path:
        """Where the preview is written, beside the fused image."""
        return Path(self.output).with_suffix(".preview.jpg")


def _refuse_foreign(paths: Iterable[Path]) -> None:
    """Refuse to overwrite files that were not named, unless this program has written them."""
    from aif_ros.devices.image_files.metadata import software_of

    for path in paths:
        if path.exists() and not software_of(path).startswith("aif_ros"):
            raise CommandError(f"{path} exists and was not written by aif_ros: move it away")


def run(args: Arguments) -> int:
    """Fuse one stack or many."""
    if not args.slices:
        raise CommandError("give the slices of the stack, or their folder")
    stacks = _stacks(args)
    if len(stacks) == 1:
        ((name, paths),) = stacks.items()
        args = args.named(name)
        write_json(_fuse(args, paths), args.json)
        return 0
    if _NAME not in args.output and not _is_folder(args.output):
        raise CommandError(
            f"there are {len(stacks)} stacks ({', '.join(list(stacks)[:3])}, ...): name a folder "
            f"to write to (-o fused/), or use {_NAME} in its files"
        )
    for option, value in (("--focus-map", args.focus_map), ("--relief", args.relief)):
        if value and _NAME not in value:
            raise CommandError(f"{option} is written for each stack: use {_NAME} in its name")
    if args.json and _NAME in args.json:
        raise CommandError(f"--json is one file for all stacks: name it without {_NAME}")
    if args.report and _NAME not in args.report:
        args = replace(args, report=str(Path(args.report) / _NAME))
    results, failed = {}, []
    for name, paths in stacks.items():
        print(f"{name}:")
        try:
            results[name] = _fuse(args.named(name), paths)
        except (CommandError, OSError, RuntimeError, ValueError) as error:
            # One stack that cannot be fused does not cost the others.
            print(f"aif stack: error: {name}: {error}", file=sys.stderr)
            failed.append(name)
    write_json({"stacks": results, "failed": failed}, args.json)
    print(f"{len(results)} of {len(stacks)} stacks fused")
    return 1 if failed else 0


def _is_folder(output: str) -> bool:
    return output.endswith("/") or Path(output).is_dir()


def _stacks(args: Arguments) -> dict[str, list[Path]]:
    """The files or folders of each stack, by its name."""
    from aif_ros.devices.device import DeviceError
    from aif_ros.devices.image_files import image_files
    from aif_ros.devices.image_files.folder import natural_order
    from aif_ros.devices.image_files.slices import is_multi_page

    given = [Path(path) for path in args.slices]
    stacks: dict[str, list[Path]] = {}
    for path in given:
        if not path.is_dir() or is_multi_page(path):
            continue
        try:
            files = image_files(path)
        except DeviceError:
            files = []
        inner = [file for file in files if is_multi_page(file)]
        folders = [
            folder
            for folder in sorted(path.iterdir(), key=natural_order)
            if folder.is_dir() and not folder.name.startswith(".") and _has_pictures(folder)
        ]
        if files and folders:
            names = ", ".join(folder.name for folder in folders[:3])
            more = ", ..." if len(folders) > 3 else ""
            print(f"{path}: left out {names}{more} (folders with pictures)", file=sys.stderr)
        if not files:
            inner = folders
        elif len(inner) < len(files) or len(files) < 2:
            inner = []
        for each in inner:
            name = _name(each)
            stacks[each.name if name in stacks else name] = [each]
    if stacks and len(given) == 1:
        return stacks
    if stacks:
        raise CommandError("give one folder of stacks, or the slices of one stack")
    return {_name(given[0].resolve()): given}


def _name(path: Path) -> str:
    """Name of a stack: that of its folder, or of its file without suffixes."""
    return path.name if path.is_dir() else path.stem.removesuffix(".ome")


def _has_pictures(folder: Path) -> bool:
    from aif_ros.devices.image_files.folder import SUFFIXES

    return any(
        file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        for file in folder.iterdir()
    )


def _fuse(args: Arguments, paths: list[Path]) -> dict[str, Any]:
    """Fuse one stack and return what `--json` writes of it."""
    import numpy as np

    from aif_ros.devices.image_files import read_metadata, write_image
    from aif_ros.devices.image_files.writing import TRANSPARENT
    from aif_ros.fusion.relief import write_relief
    from aif_ros.fusion.stacking import describe_registration, fuse_stack
    from aif_ros.types.fill import fill_unknown

    begun = time.perf_counter()
    args.check_outputs()
    slices = _open(args, paths)
    height, width = slices.shape[:2]
    if len(slices) < 2:
        print(
            f"warning: {slices.name(0)} is one slice, no stack: it is only converted (give all "
            "slices, their folder, or a file that holds them)",
            file=sys.stderr,
        )
    note_unused_device(args.device, args.method)
    args.check_outputs((width, height), deep=slices.deep)
    preview = _preview(args, slices, begun) if args.preview else None
    stack = fuse_stack(
        slices,
        args.method,
        align=not args.no_align,
        match_exposure=not args.no_exposure,
        crop_to_common=args.crop,
        device=args.device,
        track=_track,
    )
    height, width = stack.fused.image.shape[:2]
    metadata = replace(read_metadata(slices.paths[0]), pixel_size=slices.pixel_size)
    write_image(
        args.output,
        stack.fused.image,
        deep=stack.deep,
        metadata=metadata,
        transparent=stack.holes,
    )
    if args.focus_map or args.relief or args.report:
        depth = fill_unknown(stack.fused.source_position, stack.confidence)
        depth /= np.float32(max(1, len(slices) - 1))
    if args.focus_map:
        write_image(args.focus_map, depth, deep=True)
    if args.relief:
        write_relief(args.relief, stack.fused.image, _heights(depth, slices))
    registration = describe_registration(stack.transforms, (width, height))
    seconds = time.perf_counter() - begun
    # Kibibytes on Linux.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{_counted(len(slices))} of {width}x{height} fused in {seconds:.1f} s: {args.output}")
    if not args.no_align and len(slices) > 1:
        print(f"registration: {registration}")
    corrected = [index for index, gain in enumerate(stack.gains) if not gain.negligible]
    if corrected:
        names = ", ".join(slices.name(index) for index in corrected[:5])
        print(
            f"exposure matched in {_counted(len(corrected))} ({names}"
            f"{', ...' if len(corrected) > 5 else ''})"
        )
    if stack.uneven:
        names = ", ".join(slices.name(index) for index in stack.uneven[:5])
        print(
            f"warning: in {_counted(len(stack.uneven))} the brightness differs in parts of the "
            f"picture, or too much, which cannot be corrected ({names})",
            file=sys.stderr,
        )
    if stack.holes is not None:
        form = "transparent" if Path(args.output).suffix.lower() in TRANSPARENT else "black"
        print(
            f"no slice has data in {100 * stack.holes.mean():.2g} % of the picture, which are "
            f"{form} in the result"
        )
    if stack.dust is not None:
        print(
            f"dust: left out {100 * stack.dust.share:.2g} % of each slice, spots that stay in the "
            f"frame while the scene drifts ({stack.dust.spots})"
        )
    print(f"memory: {memory / 1e6:.0f} MB at most")
    result = {
        "output": args.output,
        "slices": len(slices),
        "width": width,
        "height": height,
        "method": args.method,
        "aligned": not args.no_align,
        "seconds": seconds,
        "files": [slices.name(index) for index in range(len(slices))],
        "notes": slices.notes,
        "sixteen_bits": stack.deep,
        "z_step": slices.z_step,
        "pixel_size": slices.pixel_size,
        "registration": {
            "shifts": registration.shifts,
            "magnifications": registration.magnifications,
            "rotations": registration.rotations,
        },
        "exposure": [[float(factor) for factor in gain.factors] for gain in stack.gains],
        "uneven": stack.uneven,
        "dust": {
            "spots": 0 if stack.dust is None else stack.dust.spots,
            "share": 0.0 if stack.dust is None else stack.dust.share,
        },
        "holes": 0.0 if stack.holes is None else float(stack.holes.mean()),
        "memory_bytes": memory,
    }
    others = {"preview": preview, "focus_map": args.focus_map, "relief": args.relief}
    result |= {name: value for name, value in others.items() if value}
    if args.report:
        from aif_ros.cli._stack_report import write_stack_report

        result["report"] = str(write_stack_report(Path(args.report), slices, stack, depth, result))
        print(f"report: {result['report']}")
    return result


def _counted(slices: int) -> str:
    return f"{slices} slice{'' if slices == 1 else 's'}"


def _open(args: Arguments, paths: list[Path]) -> "Slices":
    from aif_ros.devices.image_files.slices import open_slices
    from aif_ros.devices.image_files.stack_axes import AmbiguousError

    try:
        slices = open_slices(
            paths, selection=selection(args.channel, args.time), bits=args.bits or None
        )
    except AmbiguousError as error:
        raise CommandError(f"{error} (--{error.key})") from error
    inputs = {path.resolve() for path in slices.paths}
    for output in filter(None, (args.output, args.focus_map, args.relief, args.json)):
        if Path(output).resolve() in inputs:
            raise CommandError(f"{output} is one of the slices: name another file to write")
    return slices


def _preview(args: Arguments, slices: "Slices", begun: float) -> str:
    from aif_ros.devices.image_files import write_image
    from aif_ros.fusion.stacking import fuse_stack

    path = args.preview_path
    small: FusedStack = fuse_stack(
        slices,
        args.method,
        align=not args.no_align,
        reduction=4,
        device=args.device,
        track=_track,
    )
    write_image(path, small.fused.image, deep=False)
    print(f"preview after {time.perf_counter() - begun:.1f} s: {path}")
    return str(path)


def _heights(depth: Any, slices: "Slices") -> Any:
    """Height of each pixel of a relief, in pixels; the first slice is nearest to the viewer."""
    from aif_ros.fusion.relief import HEIGHT_SHARE

    total = HEIGHT_SHARE * max(depth.shape)
    if slices.z_step is not None and slices.pixel_size is not None:
        total = slices.z_step * (len(slices) - 1) / slices.pixel_size
    return (1 - depth) * total


def _track(pictures: "Iterable[Picture]", doing: str) -> "Iterator[Picture]":
    """Show the progress on a terminal."""
    from tqdm import tqdm

    yield from tqdm(pictures, desc=doing, unit="slice", disable=None)
