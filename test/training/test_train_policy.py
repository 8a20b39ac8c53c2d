"""Training of the policies: reproducible, resumable, and what it writes."""

import numpy as np
import pytest
import torch
from training_data import write_recipe

from aif_ros.__main__ import main
from aif_ros.control.policy_network import POLICY_WEIGHTS, PolicyNetwork
from aif_ros.optics.lens_model import LensModel
from aif_ros.training import train_policy as training
from aif_ros.training.checkpoint import CheckpointError
from aif_ros.training.estimator_surrogate import assumed
from aif_ros.training.policy_evaluation import evaluate
from aif_ros.training.policy_recipe import PolicyRecipe
from aif_ros.training.policy_rollout import SceneSource
from aif_ros.training.recipe import RecipeError, load_recipe
from aif_ros.weights.files import load_weights

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 3840)
SOURCE = SceneSource(LENS, assumed(), None)
CHANGES = {
    "reinforce_iterations": 2,
    "num_iterations": 2,
    "num_envs": 4,
    "num_steps": 6,
    "reinforce_steps": 4,
    "grids": [[4, 5]],
    "checkpoint_every": 1,
    "evaluation_scenes": 4,
}
SMALL = load_recipe(PolicyRecipe, "policy.yaml", CHANGES)


def trained(folder, recipe=SMALL, resume=False):
    network, _ = training.train_policy(recipe, SOURCE, folder, resume=resume)
    return torch.cat([value.flatten() for value in network.state_dict().values()])


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path):
    first = trained(tmp_path / "one")
    assert torch.equal(first, trained(tmp_path / "two"))
    other = load_recipe(PolicyRecipe, "policy.yaml", CHANGES | {"seed": 2})
    assert not torch.equal(first, trained(tmp_path / "three", other))


def test_every_part_of_the_network_is_trained(tmp_path):
    torch.manual_seed(SMALL.seed)
    before = PolicyNetwork().state_dict()
    after = training.train_policy(SMALL, SOURCE, tmp_path)[0].state_dict()
    learnt = {name for name in after if not torch.equal(after[name], before[name])}
    # Stopping is no action in moving scenes, nor by the paper's rule.
    unused = {name for name in after if name.startswith(("moving.stop", "paper.stop"))}
    unused |= {"moving.thrift", "paper.thrift"}
    assert learnt | unused == set(after)


def test_resumes_to_exactly_the_same_weights(tmp_path, monkeypatch):
    whole = trained(tmp_path / "whole")
    save, saved = training.save_checkpoint, []

    def save_and_interrupt(*arguments):
        save(*arguments)
        saved.append(arguments)
        if len(saved) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "save_checkpoint", save_and_interrupt)
        trained(tmp_path / "parts")
    assert torch.equal(trained(tmp_path / "parts", resume=True), whole)


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        trained(tmp_path, resume=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trace": 0.9}, "key .trace. is unknown"),
        ({"scene_types": ["underwater"]}, "scene_types"),
        ({"gamma": [0.98]}, "gamma"),
        ({"grids": []}, "grids"),
    ],
)
def test_bad_recipe_is_refused(changes, words, tmp_path):
    path = write_recipe(tmp_path / "r.yaml", "policy", **changes)
    with pytest.raises(RecipeError, match=words):
        load_recipe(PolicyRecipe, path)


def test_scores_a_policy():
    figures = evaluate(PolicyNetwork(), SOURCE, image_width=320, scenes=8)
    assert figures["frames"] >= 1
    assert 0 <= figures["stopped_by_itself"] <= 1
    assert np.isfinite(list(figures.values())).all()


def test_a_policy_that_stops_at_once_scores_badly():
    network = PolicyNetwork()
    torch.nn.init.constant_(network.still.stop[-1].bias, 100.0)
    figures = evaluate(network, SOURCE, image_width=320, scenes=8)
    assert figures["frames"] == 1
    assert figures["stopped_by_itself"] == 1
    assert figures["psnr_minus_sweep"] < -3
    assert figures["covered"] < 0.5


def test_command_writes_weights_and_card(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "aif_ros.training.policy_data.measure_estimator", lambda *_, **__: assumed()
    )
    recipe = write_recipe(tmp_path / "small.yaml", "policy", **CHANGES)
    words = ["train", "policy", "--recipe", str(recipe), "--folder", str(tmp_path / "run")]
    words += ["--output", str(tmp_path / "new" / "p.safetensors"), "--estimator", "gradient_ratio"]
    assert main([*words, "--rounds", "1"]) == 0
    assert "covered" in capsys.readouterr().out
    loaded = load_weights(tmp_path / "new" / "p.safetensors", POLICY_WEIGHTS)
    assert loaded.provenance.recipe["num_iterations"] == 1
    card = (tmp_path / "new" / "p.md").read_text()
    assert "num_iterations: 1" in card
    assert "aif train policy --recipe small.yaml --estimator gradient_ratio --num_iter" not in card
    assert str(tmp_path) not in card


def test_folder_without_scenes_is_refused(tmp_path, capsys):
    words = ["train", "policy", "--rgbd", str(tmp_path), "--folder", str(tmp_path / "run")]
    assert main([*words, "--estimator", "gradient_ratio"]) == 2
    assert "image.* and depth.*" in capsys.readouterr().err
