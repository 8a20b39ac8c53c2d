"""Measure how good and how fast the fusion methods are, all on the same frames.

Scenes with known depth (default: the motorcycle) are rendered at ten lens positions, still; and
while the focus sweeps, with a shaken camera and with an object that crosses. PSNR is given over
the image and near edges of depth, where halos are; beside the methods the best single frame and
the oracle (per-pixel choice by ground truth).

RGB-D videos are fused as moving scenes. Pairs of images (and sets of more) that were really taken
are judged by Qabf and Q_MI, focal stacks by time and memory; there enfuse, focus-stack and
shinestacker are compared too, if they are installed.

Examples:
  aif benchmark fusion
  aif benchmark fusion --rgbd rgbd/ --json fusion.json --save sheets/
  aif benchmark fusion --pairs lytro/ --stacks stacks/ --save sheets/
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli import JsonFile

if TYPE_CHECKING:
    from aif_ros.optics.lens_model import LensModel
    from aif_ros.simulation.scenes.scene import Scene


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    rgbd: Annotated[
        str | None,
        tyro.conf.arg(metavar="DIR"),
        Doc("Folder of scene folders with image.* and depth.*."),
    ] = None
    video: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR"), Doc("Folder of RGB-D videos (rgb/, depth/).")
    ] = None
    pairs: Annotated[
        Path | None,
        tyro.conf.arg(metavar="DIR"),
        Doc("Folder of folders with two or more images."),
    ] = None
    stacks: Annotated[Path | None, tyro.conf.arg(metavar="DIR"), Doc("Folder of focal stacks.")] = (
        None
    )
    only: Annotated[
        tuple[str, ...] | None,
        tyro.conf.arg(metavar="NAME ..."),
        Doc("Scenes to use (default: all)."),
    ] = None
    width: Annotated[int, Doc("Width of the images, pixels.")] = 640
    save: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR"), Doc("Folder for contact sheets.")
    ] = None
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Render, fuse, compare."""
    from aif_ros.benchmarks import fusion as evaluation
    from aif_ros.cli import write_json
    from aif_ros.simulation.scenes.depth_edges import EDGE_REACH

    data = _open(args)
    result = _measure(args, data)
    for kind, table in result.items():
        if kind != "stacks":
            _print(kind, table)
    for name, table in result.get("stacks", {}).items():
        _print(name, table)
    result["setup"] = {
        "scenes": data.names,
        "pairs": len(data.pairs),
        "width": args.width,
        "still_frames": evaluation.STILL_FRAMES,
        "moving_frames": evaluation.MOVING_FRAMES,
        "edge_reach_px": EDGE_REACH,
    }
    write_json(result, args.json)
    return 0


@dataclass(frozen=True)
class _Data:
    """What the methods are compared on.

    Attributes:
        lens_model: lens of the rendered frames.
        scenes: still ones.
        films: moving ones.
        pairs: folders of pairs of photographs.
        stacks: folders of focal stacks.
        names: of the scenes and films.
    """

    lens_model: "LensModel"
    scenes: "Sequence[Scene]"
    films: "Sequence[Scene]"
    pairs: list[Path]
    stacks: list[Path]
    names: list[str]


def _open(args: Arguments) -> _Data:
    """Open what the arguments name; nothing named: the motorcycle."""
    from aif_ros.cli import CommandError
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
    from aif_ros.simulation.scenes.photo import folder_scene, motorcycle
    from aif_ros.simulation.scenes.video import VideoScene

    if args.width < 64:
        raise CommandError(f"--width must be at least 64, got {args.width}")
    lens_model = LensModel.load(DEFAULT_CALIBRATION)
    rgbd = [path for path in _folders(args.rgbd) if any(path.glob("depth.*"))]
    rgbd = [path for path in rgbd if args.only is None or path.name in args.only]
    if args.rgbd is not None and not rgbd:
        raise CommandError(f"no folder to use in {args.rgbd} holds image.* and depth.*")
    videos = [path for path in _folders(args.video) if (path / "depth").is_dir()]
    if args.video is not None and not videos:
        raise CommandError(f"no folder in {args.video} holds rgb/ and depth/")
    pairs, stacks = _folders(args.pairs), _folders(args.stacks)
    scenes = [folder_scene(path, lens_model, args.width) for path in rgbd]
    if not any((args.rgbd, args.video, args.pairs, args.stacks)):
        scenes = [motorcycle(lens_model, args.width)]
    films = [VideoScene(path, lens_model, args.width) for path in videos]
    names = [path.name for path in (*rgbd, *videos)] or [scene.name for scene in scenes]
    return _Data(lens_model, scenes, films, pairs, stacks, names)


def _measure(args: Arguments, data: _Data) -> dict[str, Any]:
    """Return the tables of figures by kind of data."""
    from aif_ros.benchmarks import fusion as evaluation
    from aif_ros.benchmarks.stacking_tools import other_tools, own_tools
    from aif_ros.cli._progress import named_progress

    tools = len(own_tools(align=True)) + len(other_tools())
    total = 3 * len(data.scenes) + len(data.films) + len(data.pairs) + tools * len(data.stacks)
    with named_progress(total, "sequence") as progress:
        result: dict[str, Any] = dict(
            evaluation.measure(data.scenes, data.films, data.lens_model, args.save, progress)
        )
        if data.pairs:
            result["pairs"] = evaluation.measure_pairs(data.pairs, args.save, progress)
        if data.stacks:
            result["stacks"] = evaluation.measure_stacks(data.stacks, args.save, progress)
    return result


def _folders(parent: str | Path | None) -> list[Path]:
    from aif_ros.cli import CommandError

    if parent is None:
        return []
    if not Path(parent).is_dir():
        raise CommandError(f"there is no folder {parent}")
    found = sorted(path for path in Path(parent).iterdir() if path.is_dir())
    if not found:
        raise CommandError(f"there are no folders in {parent}")
    return found


def _print(title: str, table: dict[str, dict[str, float]]) -> None:
    keys = list(dict.fromkeys(key for row in table.values() for key in row))
    print(f"\n{title:20}" + "".join(f"{key:>12}" for key in keys))
    for method, row in table.items():
        print(f"{method:20}" + "".join(f"{row.get(key, float('nan')):12.3f}" for key in keys))
