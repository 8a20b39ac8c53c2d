"""Fuse a focal stack from disk into one all-in-focus image.

The slices are given in focus order (near to far or far to near): files, a folder whose images
are taken in the order of their names (2 before 10), or one file with all slices (TIFF, ImageJ,
OME-TIFF; with extras OME-Zarr and raw files). The result has 16 bits where the slices have more
than 8 and its format can, and the EXIF data and colour profile of the first slice (a TIFF: the main
tags). The slices are registered first (drift, focus breathing), except with --no-align. Slices that
do not match most of the others, such as an image of another scene, are left out, with a line.

Methods: laplacian leaves narrow rings around near things; pyramid leaves none, but overshoots
beside strong edges and in highlights; neural, a trained network, needs the extra 'neural'.

A folder of folders holds a stack in each: name a folder to write to, or use {name} in the outputs.
Such folders are made; the folder of a single file to write must exist.

Examples:
  aif stack insect/ -o insect.png
  aif stack a.tif b.tif c.tif -o sharp.tif --focus-map which.png
  aif stack cells.ome.tif --channel GFP -o cells.tif --report cells_report
  aif stack insects/ -o fused/{name}.tif --preview
"""

import sys
from dataclasses import replace
from pathlib import Path

from aif_ros.cli import CommandError, write_json
from aif_ros.cli._stack_arguments import NAME, Arguments, is_folder

__all__ = ["Arguments", "run"]

# Exit code after an interrupt, as shells have it: 128 and the number of SIGINT.
_INTERRUPTED = 130


def run(args: Arguments) -> int:
    """Fuse one stack or many."""
    try:
        return _run(args)
    except KeyboardInterrupt:
        print("aif stack: interrupted before everything was written", file=sys.stderr)
        return _INTERRUPTED


def _run(args: Arguments) -> int:
    if "" in args.slices:
        raise CommandError("the name of a slice is empty")
    given = {
        "the slices of the stack, or their folder": args.slices,
        "a file or folder to write to (-o)": args.output,
    }
    missing = [what for what, value in given.items() if not value]
    if missing:
        raise CommandError(f"give {' and '.join(missing)}: see --help")
    from aif_ros.cli._stack_fusion import fuse
    from aif_ros.cli._stack_inputs import find_stacks

    stacks = find_stacks([Path(path) for path in args.slices])
    if len(stacks) == 1:
        ((name, paths),) = stacks.items()
        named = args.named(name)
        with args.folders_of(named):
            result = fuse(named, paths)
        write_json(result, named.json)
        return 0
    if NAME not in args.output and not is_folder(args.output):
        raise CommandError(
            f"there are {len(stacks)} stacks ({', '.join(list(stacks)[:3])}, ...): name a folder "
            f"to write to (-o fused/), or use {NAME} in its files"
        )
    for option, value in (("--focus-map", args.focus_map), ("--relief", args.relief)):
        if value and NAME not in value:
            raise CommandError(f"{option} is written for each stack: use {NAME} in its name")
    if args.json and NAME in args.json:
        raise CommandError(f"--json is one file for all stacks: name it without {NAME}")
    if args.report and NAME not in args.report:
        args = replace(args, report=str(Path(args.report) / NAME))
    results, failed = {}, []
    for name, paths in stacks.items():
        print(f"{name}:")
        try:
            named = args.named(name)
            with args.folders_of(named):
                results[name] = fuse(named, paths)
        except (CommandError, OSError, RuntimeError, ValueError) as error:
            # One stack that cannot be fused does not cost the others.
            print(f"aif stack: error: {name}: {error}", file=sys.stderr)
            failed.append(name)
    write_json({"stacks": results, "failed": failed}, args.json)
    print(f"{len(results)} of {len(stacks)} stacks fused")
    return 1 if failed else 0
