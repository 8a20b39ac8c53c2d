"""Train the network that decides whether an image is in focus.

Makes patches of known blur out of a folder of sharp photos (DIV2K, CLIC and DAVIS as they come, or
any other), trains on four fifths of them, measures on the rest, and writes weights with a model
card. All that decides the weights is in a recipe, a YAML file like the shipped
aif_ros/training/recipes/discriminator.yaml. Licences of the photos are read from licences.yaml in
their folder. Several GPUs: start it by torchrun.

Examples:
  aif train discriminator --photos photos/ --output my/discriminator.safetensors
  aif train discriminator --photos photos/ --recipe my.yaml --folder runs/discriminator --resume
  torchrun --nproc-per-node 4 -m aif_ros train discriminator --photos photos/
"""

from dataclasses import dataclass

from aif_ros.cli.train._options import Folder, Output, PhotoOptions, RecipeFile


@dataclass(frozen=True, kw_only=True)
class Arguments(PhotoOptions):
    """Arguments of the command."""

    recipe: RecipeFile = "discriminator.yaml"
    output: Output = "discriminator.safetensors"
    folder: Folder = "runs/discriminator"


def run(args: Arguments) -> int:
    """Train, measure, write."""
    from aif_ros.training.train_discriminator import DiscriminatorTraining

    return args.train("discriminator", DiscriminatorTraining)
