"""Train the network that fuses a frame and the last fused picture.

Makes scenes of photos by giving them depth, and takes photos with measured depth as they are;
renders sequences of frames with defocus, occlusion, focus breathing and noise; learns to fuse
them, and measures on photos it never saw. TensorBoard's files and the checkpoint go to --folder.

  aif train fusion --photos photos/ --rgbd rgbd/ --output my/fusion.safetensors
  aif train fusion --photos photos/ --minutes 60 --resume
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--photos", metavar="DIR", required=True, help="folder of sharp photos")
    parser.add_argument(
        "--rgbd", metavar="DIR", help="folder of scene folders with image.* and depth.*"
    )
    parser.add_argument(
        "--leave-out", nargs="*", default=[], metavar="NAME", help="scenes to measure on only"
    )
    parser.add_argument("--output", default="fusion.safetensors", help="weights to write")
    parser.add_argument("--folder", default="runs/fusion", help="for checkpoint and TensorBoard")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument("--seed", type=int, default=1, help="of weights and sequences")
    parser.add_argument("--minutes", type=float, default=20, help="time to train (%(default)g)")
    parser.add_argument("--steps", type=int, help="train for so many steps instead")
    parser.add_argument("--batch", type=int, default=4, help="sequences per step (%(default)s)")
    parser.add_argument(
        "--sequences", type=int, default=800, help="sequences to make (%(default)s)"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that make them")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the training itself")


def run(args: argparse.Namespace) -> int:
    """Make sequences, train, measure, write weights and card."""
    import torch

    from aif_ros.commands import CommandError
    from aif_ros.fusion.network import save_network
    from aif_ros.training import train_fusion as training
    from aif_ros.training.photos import list_photos, split_photos

    if args.sequences < 2:
        raise CommandError(f"--sequences must be at least 2, got {args.sequences}")
    torch.set_num_threads(args.threads)
    settings = training.Settings(
        seed=args.seed,
        minutes=args.minutes,
        steps=args.steps,
        batch=args.batch,
        sequences=args.sequences,
    )
    scenes = _scenes(args.rgbd)
    photos, held_out = split_photos(list_photos(args.photos))
    if not photos or not held_out:
        raise CommandError(f"{args.photos} holds too few photos to train on some and keep some")
    left_out = [scene for scene in scenes if scene.name in args.leave_out]
    missing = set(args.leave_out) - {scene.name for scene in left_out}
    if missing:
        raise CommandError(f"--leave-out: no scene {', '.join(sorted(missing))} in {args.rgbd}")
    scenes = [scene for scene in scenes if scene not in left_out]
    sequences = training.make_sequences(photos, scenes, settings, args.workers)
    to_measure = training.make_sequences(held_out, left_out, settings, args.workers, held_out=True)
    network, figures = training.train(
        training.prepare(sequences),
        training.prepare(to_measure),
        settings,
        Path(args.folder),
        resume=args.resume,
    )
    output = Path(args.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    save_network(network, output, figures)
    card = output.with_suffix(".md")
    training.write_model_card(
        card, network, settings, len(photos), [scene.name for scene in scenes], figures
    )
    for name, value in figures.items():
        print(f"{name:16} {value:7.2f} dB")
    return 0


def _scenes(folder: str | None) -> list[Path]:
    from aif_ros.commands import CommandError

    if folder is None:
        return []
    if not Path(folder).is_dir():
        raise CommandError(f"there is no folder {folder}")
    scenes = [path for path in sorted(Path(folder).iterdir()) if any(path.glob("depth.*"))]
    if not scenes:
        raise CommandError(f"no folder in {folder} holds image.* and depth.*")
    return scenes
