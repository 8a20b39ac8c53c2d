"""Train the blur network, which estimates blur radius and focus from a single image.

Makes patches of known blur out of a folder of sharp photos (DIV2K, CLIC and DAVIS as they come, or
any other), trains on four fifths of them, measures on the rest, and writes weights with a model
card. All that decides the weights is in a recipe, a YAML file like the shipped
aif_ros/training/recipes/blur.yaml. Licences of the photos are read from licences.yaml in their
folder. Several GPUs: start it by torchrun.

Examples:
  aif train blur --photos photos/ --output my_blur.safetensors
  aif train blur --photos photos/ --recipe my.yaml --folder runs/blur --resume
  torchrun --nproc-per-node 4 -m aif_ros train blur --photos photos/
"""

from dataclasses import dataclass
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli.train._options import Folder, Output, RecipeFile, SampleOptions, print_figures


@dataclass(frozen=True, kw_only=True)
class Arguments(SampleOptions):
    """Arguments of the command."""

    photos: Annotated[str, tyro.conf.arg(metavar="DIR"), Doc("Folder of sharp photos.")]
    recipe: RecipeFile = "blur.yaml"
    output: Output = "blur.safetensors"
    folder: Folder = "runs/blur"


def run(args: Arguments) -> int:
    """Train, measure, write."""
    from aif_ros.training.blur_data import BlurRecipe
    from aif_ros.training.recipe import load_recipe
    from aif_ros.training.run import train_and_save
    from aif_ros.training.train_blur import BlurTraining

    recipe = load_recipe(BlurRecipe, args.recipe, args.overrides)
    command = args.command("blur", "--photos photos/")
    training = BlurTraining(recipe, args.photos)
    print_figures(train_and_save(training, command=command, **args.run_arguments()))
    return 0
