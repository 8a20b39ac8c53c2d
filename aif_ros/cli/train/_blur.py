"""What the commands that train the two blur networks share."""

from dataclasses import dataclass
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.settings.declaration import Limits

Output = Annotated[str, tyro.conf.arg(metavar="FILE"), Doc("Weights to write.")]
Folder = Annotated[str, tyro.conf.arg(metavar="DIR"), Doc("Folder for checkpoint and TensorBoard.")]
Minutes = Annotated[float, Doc("Duration of the training, minutes.")]


@dataclass(frozen=True)
class BlurTraining:
    """Arguments of both trainings."""

    photos: Annotated[str, tyro.conf.arg(metavar="DIR"), Doc("Folder of sharp photos.")]
    output: Output = ""
    folder: Folder = ""
    resume: Annotated[bool, Doc("Continue from the checkpoint in the folder.")] = False
    seed: Annotated[int, Doc("Seed of weights and patches.")] = 1
    minutes: Minutes = 0.0
    steps: Annotated[int | None, Doc("Train for this number of steps instead.")] = None
    batch: Annotated[int, Limits(1, 10**4), Doc("Patches per step and process.")] = 32
    workers: Annotated[int, Limits(0, 256), Doc("Processes that make patches.")] = 1
    threads: Annotated[int, Limits(1, 256), Doc("CPU threads of the training itself.")] = 1


def train_and_write(args: BlurTraining, kind: str) -> int:
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


def _command(args: BlurTraining, kind: str) -> str:
    """The command for the model card: all that decides the weights, but no paths of one's own."""
    length = f"--steps {args.steps}" if args.steps is not None else f"--minutes {args.minutes:g}"
    return (
        f"aif train {kind} --photos photos/ --seed {args.seed} {length} "
        f"--batch {args.batch} --workers {args.workers}"
    )
