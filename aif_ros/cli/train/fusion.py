"""Train the network that fuses a frame and the last fused image.

Makes scenes of photos by giving them depth, takes photos with measured depth as they are, and
videos, RGB-D (rgb/, depth/) or in DAVIS's layout; renders still and moving sequences of frames, and
pairs of them; learns to fuse them, and measures on photos and scenes that are left out. Writes
weights and a model card. All that decides the weights is in a recipe, a YAML file like the shipped
aif_ros/training/recipes/fusion.yaml. Licences of the data are read from licences.yaml in their
folder. Several GPUs: start it by torchrun.

Examples:
  aif train fusion --photos photos/ --rgbd rgbd/ --output my_fusion.safetensors
  aif train fusion --photos photos/ --recipe my.yaml --resume
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli.train._options import Folder, Output, RecipeFile, SampleOptions, print_figures


@dataclass(frozen=True, kw_only=True)
class Arguments(SampleOptions):
    """Arguments of the command."""

    photos: Annotated[Path, tyro.conf.arg(metavar="DIR"), Doc("Folder of sharp photos.")]
    rgbd: Annotated[
        Path | None,
        tyro.conf.arg(metavar="DIR"),
        Doc("Folder of scene folders with image.* and depth.*."),
    ] = None
    videos: Annotated[
        Path | None,
        tyro.conf.arg(metavar="DIR"),
        Doc("Folder of videos, RGB-D or in the layout of DAVIS."),
    ] = None
    leave_out: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="NAME ..."), Doc("Scenes to measure on only.")
    ] = ()
    recipe: RecipeFile = "fusion.yaml"
    output: Output = "fusion.safetensors"
    folder: Folder = "runs/fusion"


def run(args: Arguments) -> int:
    """Train, measure, write weights and card."""
    from aif_ros.training.fusion_batches import FusionRecipe
    from aif_ros.training.fusion_data import find_sources
    from aif_ros.training.recipe import load_recipe
    from aif_ros.training.run import train_and_save
    from aif_ros.training.train_fusion import FusionTraining

    recipe = load_recipe(FusionRecipe, args.recipe, args.overrides)
    sources, held_out = find_sources(args.photos, args.rgbd, args.videos, args.leave_out)
    training = FusionTraining(recipe, sources, held_out)
    data = "--photos photos/"
    data += "".join(f" --{name} {name}/" for name in ("rgbd", "videos") if getattr(args, name))
    data += f" --leave-out {' '.join(args.leave_out)}" if args.leave_out else ""
    command = args.command("fusion", data)
    print_figures(train_and_save(training, command=command, **args.run_arguments()))
    return 0
