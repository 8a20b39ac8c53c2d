"""Recipes: everything that decides the weights of a network, beside the data it is trained on.

A recipe is a YAML file with every field of a dataclass; those of the shipped networks are in
`aif_ros/training/recipes`. Trainings are counted in steps, so that the same recipe, data and seed
give the same weights on a slow machine as on a fast one.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from aif_ros.storage.read_yaml import YamlError, read_yaml
from aif_ros.types.checked import CHECKED, from_mapping

RECIPES = Path(__file__).resolve().parent / "recipes"
"""Folder of the recipes of the shipped networks."""


class RecipeError(Exception):
    """A recipe that cannot be used; the message names the file and the field."""


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class Recipe:
    """Fields of every recipe.

    Attributes:
        seed: of weights and data.
        steps: of the training; each updates the weights.
        learning_rate: at its highest; it falls to zero along a cosine.
        clip_norm: largest norm of the gradient.
        validate_every: steps between validations, each followed by a checkpoint.
        initial: weight file to start from, of the same architecture; None: from scratch.
    """

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    steps: Annotated[int, Field(ge=1, le=10**8)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    clip_norm: Annotated[float, Field(gt=0)]
    validate_every: Annotated[int, Field(ge=1)]
    initial: str | None = None


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class SampleRecipe(Recipe):
    """Fields of the recipes of networks that learn from a stream of samples.

    Attributes:
        batch: samples of each step and process.
        warmup_steps: steps in which the learning rate rises to its highest.
        weight_decay: of the optimiser.
        bfloat16: compute the layers in bfloat16 on CPUs and GPUs that have it, where it is faster.
        pool: samples kept in memory to draw from.
        reuse: how many times each sample is drawn on average: making one often takes longer than
            a step.
    """

    batch: Annotated[int, Field(ge=1, le=4096)]
    warmup_steps: Annotated[int, Field(ge=0)]
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    bfloat16: bool
    pool: Annotated[int, Field(ge=1, le=10**6)]
    reuse: Annotated[float, Field(ge=1, le=1000)]


T = TypeVar("T")


def load_recipe(cls: type[T], path: str | Path, overrides: Mapping[str, Any] | None = None) -> T:
    """Read a recipe.

    Args:
        cls: dataclass of the recipe.
        path: YAML file; the name of a shipped recipe if there is no such file.
        overrides: values that replace those of the file, by field; None leaves the file's.

    Raises:
        RecipeError: there is no such file, it is no YAML, or a field is missing, unknown or out of
            range.
    """
    found = next((p for p in (Path(path), RECIPES / path) if p.is_file()), None)
    if found is None:
        raise RecipeError(f"there is no recipe {path}: give a YAML file, or {_shipped()}")
    try:
        values = read_yaml(found)
    except YamlError as error:
        raise RecipeError(f"recipe {error}") from error
    if not isinstance(values, dict):
        raise RecipeError(f"recipe {found} must be a mapping of names to values")
    changed = {name: value for name, value in (overrides or {}).items() if value is not None}
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    unknown = sorted(str(name) for name in values.keys() - set(known))
    if unknown:
        raise RecipeError(
            f"recipe {found}: key '{unknown[0][:80]}' is unknown: choose from {', '.join(known)}"
        )
    try:
        return from_mapping(cls, values | changed)
    except ValueError as error:
        raise RecipeError(f"recipe {found}: {error}") from None


def _shipped() -> str:
    return "one of " + ", ".join(sorted(path.name for path in RECIPES.glob("*.yaml")))
