"""Recipes: read with overrides, and refused in one line."""

import pytest
import yaml
from training_data import write_recipe

from aif_ros.training.blur_data import BlurRecipe
from aif_ros.training.recipe import RecipeError, load_recipe


def test_shipped_recipe_is_found_by_name() -> None:
    recipe = load_recipe(BlurRecipe, "blur.yaml")
    assert recipe.steps > 10_000


def test_overrides_replace_values_and_none_does_not() -> None:
    recipe = load_recipe(BlurRecipe, "blur.yaml", {"steps": 7, "seed": None})
    assert (recipe.steps, recipe.seed) == (7, 1)


def test_a_file_is_preferred_to_the_shipped_recipe(tmp_path, monkeypatch) -> None:
    write_recipe(tmp_path / "blur.yaml", "blur", steps=11)
    monkeypatch.chdir(tmp_path)
    assert load_recipe(BlurRecipe, "blur.yaml").steps == 11


def refused(path, *words) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(BlurRecipe, path)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_missing_file_lists_the_shipped_ones(tmp_path) -> None:
    refused(tmp_path / "none.yaml", "none.yaml", "blur.yaml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"minutes": 40}, ("key 'minutes' is unknown",)),
        ({"steps": 0}, ("steps", "greater than or equal to 1")),
        ({"steps": "many"}, ("steps", "integer")),
        ({"learning_rate": float("nan")}, ("learning_rate",)),
        ({"size": 100}, ("size", "multiple of 64")),
        ({"largest": 500}, ("largest",)),
        ({"bfloat16": [1] * 1000}, ("bfloat16",)),
    ],
)
def test_bad_value_is_refused_by_its_name(changes, words, tmp_path) -> None:
    refused(write_recipe(tmp_path / "r.yaml", "blur", **changes), "r.yaml", *words)


def test_missing_field_is_refused_by_its_name(tmp_path) -> None:
    path = write_recipe(tmp_path / "r.yaml", "blur")
    values = yaml.safe_load(path.read_text())
    del values["reuse"]
    path.write_text(yaml.safe_dump(values))
    refused(path, "reuse is missing")


@pytest.mark.parametrize(
    "text",
    ["", "- 1", "a: [", "a: &a [1]\nb: *a", "!!python/object/apply:os.system ['true']", "\0"],
)
def test_what_is_no_recipe_is_refused(text, tmp_path) -> None:
    (tmp_path / "r.yaml").write_text(text)
    refused(tmp_path / "r.yaml", "r.yaml")
