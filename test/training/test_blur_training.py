"""Training of the blur networks from the command line: a few steps on two synthetic photos."""

import cv2
import numpy as np
import pytest
import torch

from aif_ros.__main__ import main
from aif_ros.defocus.networks import (
    DISCRIMINATOR_WEIGHTS,
    ESTIMATOR,
    ESTIMATOR_WEIGHTS,
    BlurNetwork,
)
from aif_ros.simulation.photos import is_held_out
from aif_ros.training.temperature import fit_temperature
from aif_ros.training.train_discriminator import discriminator_loss
from aif_ros.training.train_estimator import estimator_loss, mean_errors
from aif_ros.weights.files import load_weights

KINDS = {"estimator": ESTIMATOR_WEIGHTS, "discriminator": DISCRIMINATOR_WEIGHTS}


@pytest.fixture
def photos(tmp_path):
    """Pictures of sharp random squares: some to train on, one to measure on."""
    random = np.random.default_rng(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    names = [folder / f"photo_{number}.png" for number in range(40)]
    held_out = next(name for name in names if is_held_out(name))
    for name in [held_out, *[name for name in names if not is_held_out(name)][:2]]:
        picture = np.zeros((700, 700, 3), np.uint8)
        for _ in range(1500):
            (x, y), side = random.integers(0, 680, 2), int(random.integers(8, 40))
            colour = [int(value) for value in random.integers(0, 255, 3)]
            cv2.rectangle(picture, (int(x), int(y)), (int(x) + side, int(y) + side), colour, -1)
        cv2.imwrite(str(name), picture)
    return folder


@pytest.fixture(autouse=True)
def little_work(monkeypatch):
    for kind in ("estimator", "discriminator"):
        monkeypatch.setattr(f"aif_ros.training.train_{kind}._VALIDATION_PATCHES", 6)
    monkeypatch.setattr("aif_ros.training.train_estimator._REFIT_PATCHES", 6)
    monkeypatch.setattr("aif_ros.training.temperature._PATCHES", 6)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def train(kind, photos, tmp_path, steps, *more) -> int:
    return main(
        [
            *("train", kind, "--photos", str(photos), "--steps", str(steps), "--batch", "4"),
            *("--workers", "0", "--folder", str(tmp_path / "run")),
            *("--output", str(tmp_path / f"{kind}.safetensors"), *more),
        ]
    )


@pytest.mark.parametrize("kind", ["estimator", "discriminator"])
def test_trains_measures_and_writes(kind, photos, tmp_path, capsys) -> None:
    assert train(kind, photos, tmp_path, 3) == 0
    loaded = load_weights(tmp_path / f"{kind}.safetensors", KINDS[kind])
    assert all(loaded.calibration[f"{part}_temperature"] > 0 for part in ("patch", "cell"))
    assert len(loaded.provenance.trained_on) == 2
    card = (tmp_path / f"{kind}.md").read_text()
    assert f"aif train {kind} --photos photos/ --seed 1 --steps 3" in card
    assert str(tmp_path) not in card
    assert list((tmp_path / "run").glob("events*"))
    assert "steps" in capsys.readouterr().out


def test_goes_on_where_it_stopped(photos, tmp_path, capsys) -> None:
    train("estimator", photos, tmp_path, 2)
    first = load_weights(tmp_path / "estimator.safetensors", ESTIMATOR_WEIGHTS).network
    train("estimator", photos, tmp_path, 2, "--resume")
    again = load_weights(tmp_path / "estimator.safetensors", ESTIMATOR_WEIGHTS).network
    assert torch.equal(first.classify.weight, again.classify.weight)
    capsys.readouterr()
    train("estimator", photos, tmp_path, 4, "--resume")
    further = load_weights(tmp_path / "estimator.safetensors", ESTIMATOR_WEIGHTS).network
    assert not torch.equal(first.classify.weight, further.classify.weight)


def test_a_folder_without_photos_is_said_in_one_line(tmp_path, capsys) -> None:
    assert train("estimator", tmp_path / "none", tmp_path, 1) == 2
    assert "there is no folder of photos" in capsys.readouterr().err


def batch(radius: float) -> dict[str, torch.Tensor]:
    return {
        "radius": torch.full((1, 1, 1), radius),
        "weight": torch.ones(1, 1, 1),
        "one_depth": torch.tensor([True]),
    }


@pytest.mark.parametrize("right", [10, 40])
def test_estimator_loss_is_least_for_the_right_class(right) -> None:
    losses = []
    for answer in range(len(ESTIMATOR.radii)):
        logits = torch.zeros(1, len(ESTIMATOR.radii), 2, 2)
        logits[:, answer] = 6.0
        losses.append(float(estimator_loss(logits, batch(ESTIMATOR.radii[right]))))
    assert int(np.argmin(losses)) == right


def test_discriminator_loss_prefers_the_right_side() -> None:
    logits = torch.full((1, 6, 2, 2), 2.0)
    assert discriminator_loss(logits, batch(0.2)) < discriminator_loss(-logits, batch(0.2))
    assert discriminator_loss(logits, batch(9.0)) > discriminator_loss(-logits, batch(9.0))


def test_untrusted_cells_teach_nothing() -> None:
    network = BlurNetwork(ESTIMATOR)
    votes = network(torch.rand(1, 1, 64, 64))
    nothing = {**batch(5.0), "weight": torch.zeros(1, 1, 1)}
    estimator_loss(votes, nothing).backward()
    assert float(network.classify.weight.grad.abs().max()) == 0


def test_temperature_of_overconfident_votes_is_above_one() -> None:
    torch.manual_seed(0)
    truth = torch.randint(2, (4000,))
    # Right nine times in ten, but as sure as if it were right 999 times in a thousand.
    shown = torch.where(torch.rand(4000) < 0.9, truth, 1 - truth)
    logits = 6.9 * torch.nn.functional.one_hot(shown, 2).float()
    temperature = fit_temperature(
        logits, lambda x: torch.nn.functional.cross_entropy(x, truth, reduction="none")
    )
    assert temperature == pytest.approx(6.9 / np.log(9), rel=0.1)


def test_errors_by_band_leave_out_the_unsure() -> None:
    truth = np.linspace(3, 9, 100)
    estimate = truth + 0.2
    deviation = np.full(100, 0.3)
    estimate[:15], deviation[:15] = 50.0, 9.0
    figures = mean_errors(estimate, deviation, truth)
    assert figures["mae/2-10"] == pytest.approx(0.2)
    assert figures["mae_all/2-10"] > 5
    assert "mae/27-60" not in figures
