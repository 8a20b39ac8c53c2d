"""Train the policies of the learned focus-control agent.

First measures the errors of the blur estimator on rendered scenes, then trains on simulated
scenes that are read with those errors: by the paper's rule, then by proximal policy optimisation.
Scenes are drawn at random; depths of real ones (--rgbd) are mixed in. Writes weights and a model
card. All that decides the weights is in a recipe, a YAML file like the shipped
aif_ros/training/recipes/policy.yaml.

Examples:
  aif train policy --output my/policy.safetensors
  aif train policy --rgbd scenes/ --folder runs/policy --resume
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli.train._options import Folder, Output, RecipeFile, RunOptions, print_figures
from aif_ros.settings import nodes


@dataclass(frozen=True)
class Arguments(RunOptions):
    """Arguments of the command."""

    recipe: RecipeFile = "policy.yaml"
    output: Output = "policy.safetensors"
    folder: Folder = "runs/policy"
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
    rounds: Annotated[
        int | None, Doc("Iterations of PPO, in place of the recipe's `num_iterations`.")
    ] = None

    @property
    def overrides(self) -> dict[str, Any]:
        """Values that replace those of the recipe; None: they do not."""
        return {"seed": self.seed, "num_iterations": self.rounds}


def run(args: Arguments) -> int:
    """Measure the estimator, train, score, write."""
    from aif_ros.defocus.estimators import make_estimator
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
    from aif_ros.training.policy_data import scene_source
    from aif_ros.training.policy_recipe import PolicyRecipe
    from aif_ros.training.recipe import load_recipe
    from aif_ros.training.train_policy import train_and_save_policy

    recipe = load_recipe(PolicyRecipe, args.recipe, args.overrides)
    lens_model = LensModel.load(args.calibration or DEFAULT_CALIBRATION)
    estimator = make_estimator(args.estimator, lens_model)
    source, files = scene_source(
        lens_model, estimator, args.rgbd, Path(args.folder), recipe.seed, resume=args.resume
    )
    data = "" if args.rgbd is None else "--rgbd rgbd/ "
    command = args.command("policy", f"{data}--estimator {args.estimator}")
    figures = train_and_save_policy(recipe, source, files, command=command, **args.run_arguments())
    print_figures(figures)
    return 0
