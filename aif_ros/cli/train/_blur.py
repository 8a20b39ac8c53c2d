"""What the commands that train the two blur networks share."""

import argparse


def add_blur_arguments(parser: argparse.ArgumentParser, kind: str, *, minutes: float) -> None:
    """Add the arguments of both trainings."""
    parser.add_argument("--photos", metavar="DIR", required=True, help="folder of sharp photos")
    parser.add_argument("--output", default=f"{kind}.safetensors", help="weights to write")
    parser.add_argument("--folder", default=f"runs/{kind}", help="for checkpoint and TensorBoard")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument("--seed", type=int, default=1, help="of weights and patches")
    parser.add_argument("--minutes", type=float, default=minutes, help="time to train")
    parser.add_argument("--steps", type=int, help="train for so many steps instead")
    parser.add_argument("--batch", type=int, default=32, help="patches per step and process")
    parser.add_argument("--workers", type=int, default=1, help="processes that make patches")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the training itself")


def train_and_write(args: argparse.Namespace, kind: str) -> int:
    """Train one network as asked for, measure it on held-out photos, write weights and card."""
    import importlib
    from pathlib import Path

    import torch

    from aif_ros.training.blur_training import Settings

    torch.set_num_threads(args.threads)
    # By name: a training takes long, and only one of the two is needed.
    training = importlib.import_module(f"aif_ros.training.train_{kind}")
    settings = Settings(
        seed=args.seed,
        minutes=args.minutes,
        steps=args.steps,
        batch=args.batch,
        workers=args.workers,
        **training.SETTINGS,
    )
    folder, output = Path(args.folder), Path(args.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    command = _command(args, kind)
    figures = training.train_and_save(
        args.photos, settings, folder, output, command, resume=args.resume
    )
    for name, value in figures.items():
        print(f"{name:24} {value:9.3f}")
    return 0


def _command(args: argparse.Namespace, kind: str) -> str:
    """The command for the model card: all that decides the weights, but no paths of one's own."""
    length = f"--steps {args.steps}" if args.steps is not None else f"--minutes {args.minutes:g}"
    return (
        f"aif train {kind} --photos photos/ --seed {args.seed} {length} "
        f"--batch {args.batch} --workers {args.workers}"
    )
