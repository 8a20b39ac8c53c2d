"""Trainings that learn from a stream of samples."""

import numpy as np
import pytest

from aif_ros.training.blur_data import BlurRecipe
from aif_ros.training.recipe import load_recipe
from aif_ros.training.sample_training import warm_up_and_cosine


def rates(**changes):
    defaults = {"steps": 100, "warmup_steps": 10, "learning_rate": 0.5}
    recipe = load_recipe(BlurRecipe, "blur.yaml", defaults | changes)
    return np.array([warm_up_and_cosine(recipe, step) for step in range(recipe.steps)])


def test_warms_up_and_falls_by_a_cosine_to_zero():
    found = rates()
    assert found.argmax() == 9
    assert (np.diff(found[:10]) > 0).all()
    assert (np.diff(found[10:]) < 0).all()
    assert found[0] == pytest.approx(0.05)
    assert found[50] == pytest.approx(0.25)
    assert 0 < found[-1] < 0.001


def test_without_a_warm_up_it_begins_at_the_full_rate():
    assert rates(warmup_steps=0)[0] == pytest.approx(0.5)
