"""Training of the policies: reproducible, resumable, and what it writes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from training_data import write_recipe

from aif_ros.__main__ import main
from aif_ros.control.policy_network import POLICY_WEIGHTS, PolicyNetwork
from aif_ros.optics.lens_model import LensModel
from aif_ros.training import trainer
from aif_ros.training.checkpoint import CheckpointError
from aif_ros.training.estimator_surrogate import assumed
from aif_ros.training.policy_data import PolicyData
from aif_ros.training.policy_evaluation import evaluate
from aif_ros.training.policy_recipe import PolicyRecipe
from aif_ros.training.policy_rollout import SceneSource
from aif_ros.training.processes import Processes
from aif_ros.training.recipe import RecipeError, load_recipe
from aif_ros.training.train_policy import PolicyTraining
from aif_ros.weights.files import load_weights

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 3840)
SOURCE = SceneSource(LENS, assumed(), None)
CHANGES = {
    "steps": 4,
    "reinforce_iterations": 2,
    "num_envs": 4,
    "num_steps": 6,
    "reinforce_steps": 4,
    "grids": [[4, 5]],
    "validate_every": 3,
    "validation_scenes": 2,
    "evaluation_scenes": 4,
}
SMALL = load_recipe(PolicyRecipe, "policy.yaml", CHANGES)


ALONE = Processes(0, 1, torch.device("cpu"))


def train(folder, recipe=SMALL, resume=False):
    training = PolicyTraining(recipe, PolicyData(SOURCE, [], []))
    return trainer.train(training, ALONE, folder, resume=resume)[0]


def trained(folder, recipe=SMALL, resume=False):
    network = train(folder, recipe, resume)
    return torch.cat([value.flatten() for value in network.state_dict().values()])


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path):
    first = trained(tmp_path / "one")
    assert torch.equal(first, trained(tmp_path / "two"))
    other = load_recipe(PolicyRecipe, "policy.yaml", CHANGES | {"seed": 2})
    assert not torch.equal(first, trained(tmp_path / "three", other))


def test_every_part_of_the_network_is_trained(tmp_path):
    torch.manual_seed(SMALL.seed)
    before = PolicyNetwork().state_dict()
    after = train(tmp_path).state_dict()
    learnt = {name for name in after if not torch.equal(after[name], before[name])}
    # Stopping is no action in moving scenes, nor by the paper's rule.
    unused = {name for name in after if name.startswith(("moving.stop", "paper.stop"))}
    unused |= {"moving.thrift", "paper.thrift"}
    assert learnt | unused == set(after)


def test_resumes_to_exactly_the_same_weights(tmp_path, monkeypatch):
    whole = trained(tmp_path / "whole")
    save = trainer.save_checkpoint

    def save_and_interrupt(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer, "save_checkpoint", save_and_interrupt)
        trained(tmp_path / "parts")
    assert torch.equal(trained(tmp_path / "parts", resume=True), whole)


def test_processes_train_together(tmp_path):
    """They act in other scenes, and reach the same weights by the mean of their gradients."""
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import sys
from pathlib import Path

import torch

sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
from test_train_policy import SMALL, SOURCE, PolicyData, PolicyTraining, trainer

from aif_ros.training.processes import join_processes

rewards = []


class Watched(PolicyTraining):
    def update(self, step):
        figures = super().update(step)
        rewards.append(figures)
        return figures


with join_processes("cpu") as processes:
    training = Watched(SMALL, PolicyData(SOURCE, [], []))
    network, _ = trainer.train(training, processes, Path("run"))
torch.save((network.state_dict(), rewards), f"{{processes.rank}}.pt")
"""
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--standalone", str(program)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (first, rewards), (second, others) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert rewards != others
    assert (tmp_path / "run" / "checkpoint.pt").is_file()


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
        ({"reinforce_iterations": 200}, "reinforce_iterations must be at most steps"),
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


@pytest.fixture
def words(tmp_path, monkeypatch):
    """Words of a small training that does not measure the estimator."""
    monkeypatch.setattr(
        "aif_ros.training.policy_data.measure_estimator", lambda *_, **__: assumed()
    )
    recipe = write_recipe(tmp_path / "small.yaml", "policy", **CHANGES)
    words = ["train", "policy", "--recipe", str(recipe), "--folder", str(tmp_path / "run")]
    return [*words, "--output", str(tmp_path / "p.safetensors")]


def test_command_writes_weights_and_card(words, tmp_path, capsys):
    assert main([*words, "--rounds", "1"]) == 0
    assert "covered" in capsys.readouterr().out
    provenance = load_weights(tmp_path / "p.safetensors", POLICY_WEIGHTS).provenance
    assert provenance.recipe["steps"] == 3
    assert len(provenance.trained_on) == 8
    card = (tmp_path / "p.md").read_text()
    assert "steps: 3\n" in card
    assert "aif train policy --recipe small.yaml --estimator neural --rounds 1\n" in card
    assert (
        "| scikit-image, coffee.png | 1 | `cc02f8ca188b167c` | CC0 1.0 (Rachel Michetti) |" in card
    )
    assert "| weights of the blur estimator (blur.safetensors) | 1 |" in card
    assert str(tmp_path) not in card


def test_one_round_follows_the_same_steps_by_the_papers_rule(words, tmp_path):
    assert main([*words, "--rounds", "2"]) == 0
    network = load_weights(tmp_path / "p.safetensors", POLICY_WEIGHTS).network
    values = [value.flatten() for value in network.state_dict().values()]
    assert torch.equal(torch.cat(values), trained(tmp_path / "whole"))


def test_folder_without_scenes_is_refused(tmp_path, capsys):
    words = ["train", "policy", "--rgbd", str(tmp_path), "--folder", str(tmp_path / "run")]
    assert main([*words, "--estimator", "gradient_ratio"]) == 2
    assert "image.* and depth.*" in capsys.readouterr().err
