"""Train the policies of the learned focus-control agent.

First measures the errors of the blur estimator on rendered scenes, then trains on simulated
scenes that are read with those errors: by the paper's rule, then by proximal policy optimisation.
Scenes are drawn at random; depths of real ones (--rgbd) are mixed in. Writes weights and a model
card. All that decides the weights is in a recipe, a YAML file like the shipped
aif_ros/training/recipes/policy.yaml.

Examples:
  aif train policy --output my_policy.safetensors
  aif train policy --rgbd scenes/ --folder runs/policy --resume
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli.train._options import Folder, Output, RecipeFile, RunOptions, print_figures
from aif_ros.settings import nodes
from aif_ros.settings.declaration import Limits


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
        int | None,
        Limits(1, 10**7),
        Doc(
            "Steps of PPO, in place of the recipe's; those by the paper's rule, which come first, "
            "stay as many as the recipe says."
        ),
    ] = None


def run(args: Arguments) -> int:
    """Measure the estimator, train, score, write."""
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
    from aif_ros.training.policy_data import policy_data
    from aif_ros.training.policy_recipe import PolicyRecipe
    from aif_ros.training.recipe import load_recipe
    from aif_ros.training.run import train_and_save
    from aif_ros.training.train_policy import PolicyTraining

    recipe = load_recipe(PolicyRecipe, args.recipe, args.overrides)
    words = "" if args.rgbd is None else "--rgbd rgbd/ "
    words += f"--estimator {Path(args.estimator).name}"
    if args.calibration is not None:
        words += f" --calibration {Path(args.calibration).name}"
    if args.rounds is not None:
        recipe = replace(recipe, steps=recipe.reinforce_iterations + args.rounds)
        words += f" --rounds {args.rounds}"
    data = policy_data(
        LensModel.load(args.calibration or DEFAULT_CALIBRATION),
        args.estimator,
        args.rgbd,
        Path(args.folder),
        recipe.seed,
        resume=args.resume,
    )
    print_figures(
        train_and_save(
            PolicyTraining(recipe, data),
            command=args.command("policy", words),
            device="cpu",
            **args.run_arguments(),
        )
    )
    return 0
