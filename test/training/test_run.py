"""A whole training: what it writes, and what it refuses."""

import hashlib
import math
from contextlib import contextmanager

import pytest
import torch
from toy_training import KIND, Network, ToyTraining

from aif_ros.simulation.photos import fingerprint
from aif_ros.training import run as module
from aif_ros.training import trainer
from aif_ros.training.processes import Processes
from aif_ros.training.run import train_and_save
from aif_ros.training.trainer import TrainingError
from aif_ros.weights.files import load_weights


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """A commit, and no processes but this one; the number of threads is restored."""
    monkeypatch.setattr(trainer, "source_commit", lambda: "abc")
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def run(training, folder, **changes):
    arguments = {"command": "aif train toy", "device": "cpu"} | changes
    output = arguments.pop("output", folder / "toy.safetensors")
    return train_and_save(training, output, folder, **arguments)


def test_writes_the_weights_with_their_origin_and_the_card_beside_them(tmp_path):
    file = tmp_path / "data" / "photo_1.jpg"
    file.parent.mkdir()
    file.write_bytes(b"a photograph")
    training = ToyTraining(files=[file])
    assert run(training, tmp_path) == {"error": 0.25}
    loaded = load_weights(tmp_path / "toy.safetensors", KIND)
    assert isinstance(loaded.network, Network)
    origin = loaded.provenance
    assert (origin.commit, origin.command, origin.initial_sha256) == ("abc", "aif train toy", "")
    assert origin.recipe["steps"] == 6
    assert origin.trained_on == (fingerprint(file),)
    assert origin.figures == {"error": 0.25}
    card = (tmp_path / "toy.md").read_text()
    for words in ("# Toy", "aif train toy", "| photo | 1 |", "| error | 0.25 |", "SGD", "`abc`"):
        assert words in card
    assert training.begun == (0, 1)


def test_fitted_temperatures_are_figures_and_kept_with_the_weights(tmp_path):
    training = ToyTraining()
    training.fit_temperature = lambda network: {"temperature": 1.5}
    assert run(training, tmp_path) == {"error": 0.25, "temperature": 1.5}
    assert load_weights(tmp_path / "toy.safetensors", KIND).fitted == {"temperature": 1.5}


def test_figures_that_are_not_finite_are_shown_but_not_kept(tmp_path):
    training = ToyTraining()
    training.figures = {"error": 0.25, "psnr": math.inf, "share": math.nan}
    figures = run(training, tmp_path)
    assert figures["psnr"] == math.inf
    assert load_weights(tmp_path / "toy.safetensors", KIND).provenance.figures == {"error": 0.25}
    assert "| psnr | inf |" in (tmp_path / "toy.md").read_text()


def test_initial_weights_are_named_by_file_and_checksum_without_their_folder(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    run(ToyTraining(), first)
    initial = first / "toy.safetensors"
    run(ToyTraining(initial=str(initial)), second)
    origin = load_weights(second / "toy.safetensors", KIND).provenance
    assert origin.recipe["initial"] == "toy.safetensors"
    assert origin.initial_sha256 == hashlib.sha256(initial.read_bytes()).hexdigest()
    assert str(first) not in (second / "toy.md").read_text()


@pytest.mark.parametrize("name", ["toy.pt", "toy", "toy.SAFETENSORS"])
def test_another_suffix_is_refused_before_any_work(tmp_path, name):
    training = ToyTraining()
    with pytest.raises(TrainingError, match=r"written as \.safetensors files, not " + name):
        run(training, tmp_path, output=tmp_path / name)
    assert training.drawn == []


def test_a_file_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    training = ToyTraining()
    with pytest.raises(OSError):
        run(training, tmp_path, output=tmp_path / "none" / "toy.safetensors")
    assert training.drawn == []


def test_processes_but_the_first_write_nothing(tmp_path, monkeypatch):
    @contextmanager
    def second(device):
        yield Processes(1, 1, torch.device("cpu"))

    monkeypatch.setattr(module, "join_processes", second)
    assert run(ToyTraining(), tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
