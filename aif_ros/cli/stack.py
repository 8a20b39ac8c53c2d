"""Fuse a focal stack from disk into one all-in-focus picture.

The slices are given in focus order (near to far or far to near): files, or a folder whose pictures
are taken in the order of their names (2 before 10). 8 and 16 bit, JPEG, PNG or TIFF; the result has
16 bits where the slices have and its format can, and the first slice's EXIF data and colour profile
(a TIFF: the main tags). The slices are registered first (drift, focus
breathing), except with --no-align.

Examples:
  aif stack insect/ -o insect.png
  aif stack a.tif b.tif c.tif -o sharp.tif --focus-map which.png
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, write_json
from aif_ros.settings import nodes

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    slices: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="FILE|FOLDER"),
        Doc("The slices, in focus order."),
    ]
    output: Annotated[
        str,
        tyro.conf.arg(metavar="FILE", aliases=("-o",)),
        Doc("Fused image to write: .png, .tif or .jpg."),
    ]
    method: nodes.FusionMethod = "laplacian"
    no_align: Annotated[bool, Doc("The slices are registered already: do not register them.")] = (
        False
    )
    focus_map: Annotated[
        str | None,
        tyro.conf.arg(metavar="FILE"),
        Doc(
            "Also write a grey image of the slice that each pixel comes from: black the first, "
            "white the last."
        ),
    ] = None
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Fuse the stack."""
    import numpy as np

    from aif_ros.devices.image_files import image_files, read_metadata, write_image
    from aif_ros.fusion.fuser import FUSION_METHODS
    from aif_ros.fusion.motion.stack_registration import register
    from aif_ros.fusion.stack_fuser import StackFuser

    if not args.slices:
        raise CommandError("give the slices of the stack, or their folder")
    files = [
        file
        for given in map(Path, args.slices)
        for file in (image_files(given) if given.is_dir() else [given])
    ]
    begun = time.perf_counter()
    transforms = (
        [np.eye(3)] * len(files)
        if args.no_align or len(files) == 1
        else register(_slices(files, "registering", mono=True))
    )
    fuser, deep = StackFuser(FUSION_METHODS[args.method]()), False
    for index, image in enumerate(_slices(files, "fusing")):
        # The place in the stack stands for the lens position, which files do not tell.
        fuser.add(image, transforms[index], float(index))
        deep = deep or image.dtype == np.uint16
    fused = fuser.fused
    assert fused is not None
    write_image(args.output, fused.image, deep=deep, metadata=read_metadata(files[0]))
    if args.focus_map:
        last = max(1, len(files) - 1)
        write_image(args.focus_map, fused.source_position / np.float32(last), deep=False)
    seconds = time.perf_counter() - begun
    height, width = fused.image.shape[:2]
    print(f"{len(files)} slices of {width}x{height} fused in {seconds:.1f} s: {args.output}")
    result = {
        "output": str(args.output),
        "slices": len(files),
        "width": width,
        "height": height,
        "method": args.method,
        "aligned": not args.no_align,
        "seconds": seconds,
    }
    write_json(result, args.json)
    return 0


def _slices(files: Sequence[Path], doing: str, *, mono: bool = False) -> Iterator["NDArray[Any]"]:
    """Read one slice after the other, each while its forerunner is worked on; show the progress."""
    from tqdm import tqdm

    from aif_ros.devices.image_files import read_image

    shapes: list[tuple[int, ...]] = []

    def read(file: Path) -> "NDArray[Any]":
        image = read_image(file, mono=mono)
        shapes.append(image.shape)
        if image.shape != shapes[0]:
            raise CommandError(
                f"{file} has shape {image.shape}, but {files[0]} has {shapes[0]}: all slices of a "
                "stack must be alike"
            )
        return image

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, files[0])
        for following in tqdm([*files[1:], None], desc=doing, unit="slice"):
            image = coming.result()
            if following:
                coming = reader.submit(read, following)
            yield image
