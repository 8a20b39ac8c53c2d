"""Train the network that estimates the blur radius from a single image.

Makes patches of known blur out of a folder of sharp photos (DIV2K, CLIC and DAVIS as they come, or
any other), trains on four fifths of them, measures on the rest, and writes weights with a model
card. All that decides the weights is in a recipe, a YAML file like the shipped
aif_ros/training/recipes/estimator.yaml. Licences of the photos are read from licences.yaml in
their folder. Several GPUs: start it by torchrun.

Examples:
  aif train estimator --photos photos/ --output my/estimator.safetensors
  aif train estimator --photos photos/ --recipe my.yaml --folder runs/estimator --resume
  torchrun --nproc-per-node 4 -m aif_ros train estimator --photos photos/
"""

from dataclasses import dataclass

from aif_ros.cli.train._options import Folder, Output, PhotoOptions, RecipeFile


@dataclass(frozen=True, kw_only=True)
class Arguments(PhotoOptions):
    """Arguments of the command."""

    recipe: RecipeFile = "estimator.yaml"
    output: Output = "estimator.safetensors"
    folder: Folder = "runs/estimator"


def run(args: Arguments) -> int:
    """Train, measure, write."""
    from aif_ros.training.train_estimator import EstimatorTraining

    return args.train("estimator", EstimatorTraining)
