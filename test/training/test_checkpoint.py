"""Checkpoints: what they restore, what they refuse, and what a training took."""

import pytest
import torch
from torch import nn

from aif_ros.training.checkpoint import (
    NAME,
    CheckpointError,
    Progress,
    Stopwatch,
    load_checkpoint,
    save_checkpoint,
)

RECIPE = {"steps": 9, "gamma": (0.9, 0.8)}


def trained(seed, steps=2):
    """A network and its optimiser after some steps."""
    torch.manual_seed(seed)
    network = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        network(torch.ones(1, 3)).square().sum().backward()
        optimiser.step()
    return network, optimiser


def test_a_restored_training_continues_like_the_saved_one(tmp_path):
    progress = Progress(5, 2.5, 1.25, ("abc", "def+"))
    network, optimiser = trained(0)
    save_checkpoint(tmp_path, network, optimiser, progress, RECIPE)
    other, other_optimiser = trained(1, steps=0)
    assert load_checkpoint(tmp_path, other, other_optimiser, RECIPE) == progress
    for each, its_optimiser in ((network, optimiser), (other, other_optimiser)):
        its_optimiser.zero_grad()
        each(torch.ones(1, 3)).square().sum().backward()
        its_optimiser.step()
    assert torch.equal(network.weight, other.weight)


def test_a_newer_checkpoint_replaces_the_older(tmp_path):
    for step in (1, 2):
        save_checkpoint(tmp_path, *trained(step), Progress(step), RECIPE)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert load_checkpoint(tmp_path, *trained(0), RECIPE).step == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [({"steps": 8}, "steps"), ({"gamma": (0.9,)}, "gamma"), ({"extra": 1}, "extra")],
)
def test_another_recipe_is_refused_and_changes_nothing(tmp_path, change, named):
    save_checkpoint(tmp_path, *trained(0), Progress(5), RECIPE)
    network, optimiser = trained(1)
    before = network.weight.clone()
    with pytest.raises(CheckpointError, match=rf"another recipe \({named}\)"):
        load_checkpoint(tmp_path, network, optimiser, RECIPE | change)
    assert torch.equal(network.weight, before)


def test_a_network_of_another_shape_is_refused(tmp_path):
    save_checkpoint(tmp_path, *trained(0), Progress(5), RECIPE)
    network = nn.Linear(4, 2)
    with pytest.raises(CheckpointError, match="omit --resume"):
        load_checkpoint(tmp_path, network, torch.optim.Adam(network.parameters()), RECIPE)


class TestStopwatch:
    def test_begins_with_what_earlier_runs_took(self):
        progress = Stopwatch(Progress(3, 100.0, 50.0, ("abc",)), "abc").progress(7)
        assert progress.step == 7
        assert progress.seconds >= 100.0
        assert progress.cpu_seconds >= 50.0

    @pytest.mark.parametrize(
        ("earlier", "commit", "commits"),
        [
            (Progress(), "abc", ("abc",)),
            (Progress(), "", ("",)),
            (Progress(3, commits=("abc",)), "abc", ("abc",)),
            (Progress(3, commits=("abc",)), "def", ("abc", "def")),
            (Progress(3, commits=("abc", "def")), "abc", ("abc", "def", "abc")),
            (Progress(3), "def", ("", "def")),  # written before commits were recorded
        ],
    )
    def test_names_the_commits_that_did_the_steps(self, earlier, commit, commits):
        assert Stopwatch(earlier, commit).progress(7).commits == commits

    def test_a_run_that_does_no_step_is_not_named(self):
        assert Stopwatch(Progress(7, commits=("abc",)), "def").progress(7).commits == ("abc",)
