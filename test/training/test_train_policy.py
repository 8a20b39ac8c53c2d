import dataclasses

import numpy as np
import pytest
import torch

from aif_ros.control.policy_features import FEATURES
from aif_ros.control.policy_network import POLICY_WEIGHTS, PolicyNetwork
from aif_ros.optics.lens_model import LensModel
from aif_ros.training.estimator_surrogate import assumed
from aif_ros.training.train_policy import (
    PolicySettings,
    PolicyTrainer,
    evaluate,
    train_policy,
    write_model_card,
)
from aif_ros.weights.files import load_weights, save_weights

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 3840)
SMALL = PolicySettings(
    paper_rounds=4, rounds=2, scenes=4, steps=6, paper_steps=4, grids=((4, 5),), checkpoint_every=1
)


def trained(folder, settings=SMALL, resume=False):
    trainer = PolicyTrainer(LENS, settings, assumed(), None, folder)
    if resume:
        assert trainer.resume()
    trainer.train()
    return torch.cat([value.flatten() for value in trainer.network.state_dict().values()])


def test_the_same_seed_gives_the_same_weights(tmp_path):
    assert torch.equal(trained(tmp_path / "one"), trained(tmp_path / "two"))


def test_another_seed_gives_others(tmp_path):
    other = dataclasses.replace(SMALL, seed=2)
    assert not torch.equal(trained(tmp_path / "one"), trained(tmp_path / "two", other))


def test_every_part_of_the_network_learns(tmp_path):
    torch.manual_seed(SMALL.seed)
    before = PolicyNetwork().state_dict()
    trainer = PolicyTrainer(LENS, SMALL, assumed(), None, tmp_path)
    trainer.train()
    for name, value in trainer.network.state_dict().items():
        assert not torch.equal(value, before[name]), name


def test_an_interrupted_training_goes_on_where_it_was(tmp_path):
    whole = trained(tmp_path / "whole")
    # The first half: as an interruption after the third checkpoint leaves it.
    interrupted = PolicyTrainer(LENS, SMALL, assumed(), None, tmp_path / "parts")
    rounds = iter(range(3))
    descend = interrupted._save_checkpoint

    def save_then_stop():
        descend()
        if next(rounds) == 2:
            raise KeyboardInterrupt

    interrupted._save_checkpoint = save_then_stop
    with pytest.raises(KeyboardInterrupt):
        interrupted.train()
    assert torch.equal(trained(tmp_path / "parts", resume=True), whole)


def test_the_time_of_earlier_sittings_counts(tmp_path):
    trained(tmp_path)
    trainer = PolicyTrainer(LENS, SMALL, assumed(), None, tmp_path)
    assert trainer.seconds == 0
    assert trainer.resume()
    assert trainer.seconds > 0


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path):
    assert not PolicyTrainer(LENS, SMALL, assumed(), None, tmp_path).resume()


def test_scores_a_policy():
    figures = evaluate(PolicyNetwork(), LENS, assumed(), image_width=320, scenes=8)
    assert figures["frames"] >= 1
    assert 0 <= figures["stopped_by_itself"] <= 1
    assert np.isfinite(list(figures.values())).all()


def test_a_policy_that_only_stops_is_told_apart():
    network = PolicyNetwork()
    torch.nn.init.constant_(network.still.stop[-1].bias, 100.0)
    figures = evaluate(network, LENS, assumed(), image_width=320, scenes=8)
    assert figures["frames"] == 1
    assert figures["stopped_by_itself"] == 1
    assert figures["psnr_minus_sweep"] < -3
    assert figures["covered"] < 0.5


def test_weights_and_card_are_written(tmp_path):
    network, figures = train_policy(LENS, SMALL, assumed(), None, tmp_path / "run")
    path = tmp_path / "new" / "policy.safetensors"
    save_weights(path, POLICY_WEIGHTS, network)
    write_model_card(path.with_suffix(".md"), ["aif", "train", "policy"], SMALL, figures, "neural")
    features = torch.rand(1, FEATURES, 46)
    loaded = load_weights(path, POLICY_WEIGHTS).network
    assert torch.equal(loaded(features)[0], network(features)[0])
    card = path.with_suffix(".md").read_text()
    assert "aif train policy" in card
    assert "| seed | 1 |" in card
