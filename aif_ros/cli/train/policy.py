"""Train the policy of the learned focus-control agent.

First measures the errors of the blur estimator on rendered scenes, then trains on simulated
scenes that are read with those errors: by the paper's rule, then by proximal policy optimisation.
Scenes are drawn at random; real ones (--rgbd) are mixed in. Writes weights and a model card.

  aif train policy --output my/policy.safetensors
  aif train policy --rgbd scenes/ --folder runs/policy --resume
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.settings import nodes
from aif_ros.settings.declaration import Limits


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    output: Annotated[Path, tyro.conf.arg(metavar="FILE"), Doc("Weights to write.")] = Path(
        "policy.safetensors"
    )
    folder: Annotated[
        Path, tyro.conf.arg(metavar="DIR"), Doc("Folder for checkpoint and TensorBoard.")
    ] = Path("runs/policy")
    resume: Annotated[bool, Doc("Continue from the checkpoint in the folder.")] = False
    rgbd: Annotated[
        Path | None,
        tyro.conf.arg(metavar="DIR"),
        Doc("Folder of RGB-D scenes to measure and train on beside drawn ones."),
    ] = None
    calibration: Annotated[
        str | None,
        tyro.conf.arg(metavar="FILE"),
        Doc("Lens calibration (default: the shipped one)."),
    ] = None
    estimator: nodes.Estimator = "neural"
    seed: Annotated[int, Doc("Seed of everything random.")] = 1
    rounds: Annotated[int | None, Doc("Rounds of PPO (default: as shipped).")] = None
    threads: Annotated[int, Limits(1, 256), Doc("CPU threads.")] = 2


def run(args: Arguments) -> int:
    """Measure, train, score, write."""
    import dataclasses
    import sys

    import torch

    from aif_ros.benchmarks.control_scenes import still_scenes
    from aif_ros.control.policy_network import POLICY_WEIGHTS
    from aif_ros.defocus.estimators import make_estimator
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
    from aif_ros.training.policy_data import drawn_scenes, focus_maps, measure_estimator
    from aif_ros.training.train_policy import (
        PolicySettings,
        train_policy,
        write_model_card,
    )
    from aif_ros.weights.files import Provenance, save_weights

    torch.set_num_threads(args.threads)
    lens_model = LensModel.load(args.calibration or DEFAULT_CALIBRATION)
    settings = PolicySettings(seed=args.seed)
    if args.rounds is not None:
        settings = dataclasses.replace(settings, rounds=args.rounds)
    scenes = drawn_scenes(lens_model) if args.rgbd is None else still_scenes(args.rgbd, lens_model)
    surrogate = measure_estimator(
        make_estimator(args.estimator, lens_model), lens_model, scenes, seed=args.seed
    )
    args.folder.mkdir(parents=True, exist_ok=True)
    surrogate.save(args.folder / "surrogate.npz")
    network, figures = train_policy(
        lens_model,
        settings,
        surrogate,
        None if args.rgbd is None else focus_maps(scenes, lens_model),
        args.folder,
        resume=args.resume,
    )
    provenance = Provenance(dataclasses.asdict(settings))
    save_weights(args.output, POLICY_WEIGHTS, network, provenance=provenance)
    write_model_card(
        args.output.with_suffix(".md"), ["aif", *sys.argv[1:]], settings, figures, args.estimator
    )
    for name, value in figures.items():
        print(f"{name:20} {value:9.3f}")
    return 0
