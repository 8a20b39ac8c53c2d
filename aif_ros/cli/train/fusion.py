"""Train the network that fuses a frame and the last fused picture.

Makes scenes of photos by giving them depth, takes photos with measured depth as they are, and
videos, RGB-D (rgb/, depth/) or in DAVIS's layout; renders still and moving sequences of frames, and
pairs of them, with defocus, occlusion, focus breathing and noise; learns to fuse them, and measures
on photos it never saw. TensorBoard's files and the checkpoint go to --folder.

  aif train fusion --photos photos/ --rgbd rgbd/ --output my/fusion.safetensors
  aif train fusion --photos photos/ --minutes 60 --resume
"""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aif_ros.training.fusion_sequences import Sources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--photos", metavar="DIR", required=True, help="folder of sharp photos")
    parser.add_argument(
        "--rgbd", metavar="DIR", help="folder of scene folders with image.* and depth.*"
    )
    parser.add_argument("--videos", metavar="DIR", help="folder of videos, RGB-D or as of DAVIS")
    parser.add_argument(
        "--leave-out", nargs="*", default=[], metavar="NAME", help="scenes to measure on only"
    )
    parser.add_argument("--output", default="fusion.safetensors", help="weights to write")
    parser.add_argument("--folder", default="runs/fusion", help="for checkpoint and TensorBoard")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument("--seed", type=int, default=1, help="of weights and sequences")
    parser.add_argument("--minutes", type=float, default=60, help="time to train (%(default)g)")
    parser.add_argument("--steps", type=int, help="train for so many steps instead")
    parser.add_argument("--batch", type=int, default=4, help="sequences per step (%(default)s)")
    parser.add_argument("--still", type=int, default=800, help="still scenes to make (%(default)s)")
    parser.add_argument(
        "--moving", type=int, default=500, help="moving scenes to make (%(default)s)"
    )
    parser.add_argument(
        "--pairs", type=int, default=800, help="pairs of frames to make (%(default)s)"
    )
    parser.add_argument(
        "--bfloat16", action="store_true", help="for processors that are faster in this format"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that make them")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the training itself")


def run(args: argparse.Namespace) -> int:
    """Make sequences, train, measure, write weights and card."""
    import torch

    from aif_ros.cli import CommandError
    from aif_ros.fusion.network import FUSION_WEIGHTS
    from aif_ros.training import train_fusion as training
    from aif_ros.weights.files import Provenance, save_weights

    for name in training.KINDS:
        if getattr(args, name) < 2:
            raise CommandError(f"--{name} must be at least 2, got {getattr(args, name)}")
    torch.set_num_threads(args.threads)
    settings = training.Settings(
        seed=args.seed,
        minutes=args.minutes,
        steps=args.steps,
        batch=args.batch,
        still=args.still,
        moving=args.moving,
        pairs=args.pairs,
        bfloat16=args.bfloat16,
    )
    sources, to_measure = _sources(args)
    prepared = {
        kind: {
            held_out: training.prepare(
                training.make_sequences(
                    scenes, settings, args.workers, kind=kind, held_out=held_out
                )
            )
            for held_out, scenes in ((False, sources), (True, to_measure))
        }
        for kind in training.KINDS
    }
    network, figures = training.train(
        {kind: made[False] for kind, made in prepared.items()},
        {kind: made[True] for kind, made in prepared.items()},
        settings,
        Path(args.folder),
        resume=args.resume,
    )
    output = Path(args.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    provenance = Provenance(dataclasses.asdict(settings))
    save_weights(output, FUSION_WEIGHTS, network, provenance=provenance)
    card = output.with_suffix(".md")
    training.write_model_card(card, network, settings, sources, _command(args), figures)
    for name, value in figures.items():
        print(f"{name:24} {value:7.2f} dB")
    return 0


def _sources(args: argparse.Namespace) -> tuple["Sources", "Sources"]:
    """What to train on, and what to measure on."""
    from aif_ros.cli import CommandError
    from aif_ros.simulation.photos import list_photos, split_photos
    from aif_ros.training.fusion_sequences import Sources, list_videos

    scenes = _scenes(args.rgbd)
    photos, held_out = split_photos(list_photos(args.photos))
    if not photos or not held_out:
        raise CommandError(f"{args.photos} holds too few photos to train on some and keep some")
    videos = [] if args.videos is None else list_videos(Path(args.videos))
    if args.videos is not None and not videos:
        raise CommandError(
            f"there is no video in {args.videos}: neither rgb/ and depth/, nor DAVIS"
        )
    missing = set(args.leave_out) - {path.name for path in (*scenes, *videos)}
    if missing:
        raise CommandError(f"--leave-out: there is no scene {', '.join(sorted(missing))}")

    def chosen(paths: list[Path], left_out: bool) -> list[Path]:
        return [path for path in paths if (path.name in args.leave_out) is left_out]

    return (
        Sources(photos, chosen(scenes, False), chosen(videos, False)),
        Sources(held_out, chosen(scenes, True), chosen(videos, True)),
    )


def _command(args: argparse.Namespace) -> str:
    """The command for the model card: all that decides the weights, but no paths of one's own."""
    parts = ["aif train fusion --photos photos/"]
    parts += [f"--{name} {name}/" for name in ("rgbd", "videos") if getattr(args, name)]
    parts += [f"--leave-out {' '.join(args.leave_out)}"] if args.leave_out else []
    parts += [f"--seed {args.seed}"]
    parts += [f"--steps {args.steps}" if args.steps is not None else f"--minutes {args.minutes:g}"]
    parts += [f"--batch {args.batch}"]
    parts += [f"--still {args.still} --moving {args.moving} --pairs {args.pairs}"]
    parts += ["--bfloat16"] if args.bfloat16 else []
    return " ".join(parts)


def _scenes(folder: str | None) -> list[Path]:
    from aif_ros.cli import CommandError

    if folder is None:
        return []
    if not Path(folder).is_dir():
        raise CommandError(f"there is no folder {folder}")
    scenes = [path for path in sorted(Path(folder).iterdir()) if any(path.glob("depth.*"))]
    if not scenes:
        raise CommandError(f"no folder in {folder} holds image.* and depth.*")
    return scenes
