"""Train the network that fuses a frame and the last fused picture.

Makes scenes of photos by giving them depth, takes photos with measured depth as they are, and
videos, RGB-D (rgb/, depth/) or in DAVIS's layout; renders still and moving sequences of frames, and
pairs of them, with defocus, occlusion, focus breathing and noise; learns to fuse them, and measures
on photos it never saw. TensorBoard's files and the checkpoint go to --folder.

  aif train fusion --photos photos/ --rgbd rgbd/ --output my/fusion.safetensors
  aif train fusion --photos photos/ --minutes 60 --resume
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.settings.declaration import Limits


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    photos: Annotated[str, tyro.conf.arg(metavar="DIR"), Doc("Folder of sharp photos.")]
    rgbd: Annotated[
        str | None,
        tyro.conf.arg(metavar="DIR"),
        Doc("Folder of scene folders with image.* and depth.*."),
    ] = None
    videos: Annotated[
        str | None,
        tyro.conf.arg(metavar="DIR"),
        Doc("Folder of videos, RGB-D or in the layout of DAVIS."),
    ] = None
    leave_out: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="NAME ..."), Doc("Scenes to measure on only.")
    ] = ()
    output: Annotated[str, tyro.conf.arg(metavar="FILE"), Doc("Weights to write.")] = (
        "fusion.safetensors"
    )
    folder: Annotated[
        str, tyro.conf.arg(metavar="DIR"), Doc("Folder for checkpoint and TensorBoard.")
    ] = "runs/fusion"
    resume: Annotated[bool, Doc("Continue from the checkpoint in the folder.")] = False
    seed: Annotated[int, Doc("Seed of weights and sequences.")] = 1
    minutes: Annotated[float, Doc("Duration of the training, minutes.")] = 60.0
    steps: Annotated[int | None, Doc("Train for this number of steps instead.")] = None
    batch: Annotated[int, Limits(1, 10**4), Doc("Sequences per step.")] = 4
    still: Annotated[int, Doc("Still scenes to render.")] = 800
    moving: Annotated[int, Doc("Moving scenes to render.")] = 500
    pairs: Annotated[int, Doc("Pairs of frames to render.")] = 800
    bfloat16: Annotated[bool, Doc("Train in bfloat16, for processors that have it.")] = False
    workers: Annotated[int, Limits(0, 256), Doc("Processes that render.")] = 2
    threads: Annotated[int, Limits(1, 256), Doc("CPU threads of the training itself.")] = 1


def run(args: Arguments) -> int:
    """Make sequences, train, measure, write weights and card."""
    import torch

    from aif_ros.cli import CommandError
    from aif_ros.fusion.network import FUSION_WEIGHTS
    from aif_ros.training import train_fusion as training
    from aif_ros.training.fusion_data import find_sources
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
    sources, to_measure = find_sources(args.photos, args.rgbd, args.videos, args.leave_out)
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


def _command(args: Arguments) -> str:
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
