"""Train the network that estimates the blur radius from a single image.

Makes patches of known blur out of a folder of sharp photos (DIV2K, CLIC and DAVIS as they come, or
any other), trains on four fifths of them, measures on the rest, and writes weights with a model
card. All that decides the weights is in a recipe, a YAML file like the shipped
aif_ros/training/recipes/estimator.yaml. Licences of the photos are read from licences.yaml in
their folder. Several GPUs: start it by torchrun.

  aif train estimator --photos photos/ --output my/estimator.safetensors
  aif train estimator --photos photos/ --recipe my.yaml --folder runs/estimator --resume
  torchrun --nproc-per-node 4 -m aif_ros train estimator --photos photos/
"""

from dataclasses import dataclass
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli.train._options import (
    Folder,
    Output,
    RecipeFile,
    SampleOptions,
    print_figures,
)


@dataclass(frozen=True, kw_only=True)
class Arguments(SampleOptions):
    """Arguments of the command."""

    photos: Annotated[str, tyro.conf.arg(metavar="DIR"), Doc("Folder of sharp photos.")]
    recipe: RecipeFile = "estimator.yaml"
    output: Output = "estimator.safetensors"
    folder: Folder = "runs/estimator"


def run(args: Arguments) -> int:
    """Train, measure, write."""
    from aif_ros.training.blur import BlurRecipe
    from aif_ros.training.recipe import load_recipe
    from aif_ros.training.run import train_and_save
    from aif_ros.training.train_estimator import EstimatorTraining

    training = EstimatorTraining(load_recipe(BlurRecipe, args.recipe, args.overrides), args.photos)
    command = args.command("estimator", "--photos photos/")
    print_figures(train_and_save(training, command=command, **args.run_arguments()))
    return 0
