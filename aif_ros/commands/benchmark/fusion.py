"""Measure how good and how fast the fusion methods are, all on the same frames.

Scenes with known depth (default: the motorcycle) are rendered at ten lens positions, still; and
while the focus sweeps, with a shaken camera and with an object that crosses. PSNR is given over
the picture and near edges of depth, where halos are; beside the methods the best single frame and
the choice per pixel that knows the truth.

  aif benchmark fusion
  aif benchmark fusion --rgbd rgbd/ --json fusion.json --save sheets/
"""

import argparse
from pathlib import Path
from typing import Any

from aif_ros.commands import add_json_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--rgbd", metavar="DIR", help="folder of scene folders with image.* and depth.*"
    )
    parser.add_argument("--only", nargs="*", metavar="NAME", help="scenes in it to use")
    parser.add_argument("--width", type=int, default=640, help="of the pictures (%(default)s)")
    parser.add_argument("--save", type=Path, metavar="DIR", help="folder for contact sheets")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Render, fuse, compare."""
    from tqdm import tqdm

    from aif_ros.commands import CommandError, write_json
    from aif_ros.evaluation import fusion as evaluation
    from aif_ros.optics.lens_model import LensModel
    from aif_ros.resources import default_lens_calibration
    from aif_ros.scenes.photo import folder_scene, motorcycle

    if args.width < 64:
        raise CommandError(f"--width must be at least 64, got {args.width}")
    lens_model = LensModel.load(default_lens_calibration())
    if args.rgbd is None:
        scenes = [motorcycle(lens_model, args.width)]
    else:
        folder = Path(args.rgbd)
        if not folder.is_dir():
            raise CommandError(f"there is no folder {folder}")
        found = [path for path in sorted(folder.iterdir()) if any(path.glob("depth.*"))]
        chosen = [path for path in found if args.only is None or path.name in args.only]
        if not chosen:
            raise CommandError(f"no folder to use in {folder} holds image.* and depth.*")
        scenes = [folder_scene(path, lens_model, args.width) for path in chosen]
    with tqdm(total=3 * len(scenes), unit="sequence") as bar:

        def progress(name: str) -> None:
            bar.set_description(name)
            bar.update()

        measured = evaluation.measure(scenes, lens_model, args.save, progress)
    result: dict[str, Any] = dict(measured)
    result["setup"] = {
        "scenes": [scene.name for scene in scenes],
        "width": args.width,
        "still_frames": evaluation.STILL_FRAMES,
        "moving_frames": evaluation.MOVING_FRAMES,
        "edge_reach_px": evaluation.EDGE_REACH,
    }
    for kind in ("static", "dynamic"):
        keys = list(dict.fromkeys(key for row in measured[kind].values() for key in row))
        print(f"\n{kind:20}" + "".join(f"{key:>12}" for key in keys))
        for method, row in measured[kind].items():
            print(f"{method:20}" + "".join(f"{row.get(key, float('nan')):12.3f}" for key in keys))
    write_json(result, args.json)
    return 0
