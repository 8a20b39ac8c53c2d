"""Sequences to learn fusion from, and the training."""

import cv2
import numpy as np
import pytest

from aif_ros.__main__ import main
from aif_ros.fusion.network import load_network
from aif_ros.images import to_uint8
from aif_ros.scenes.planes import texture
from aif_ros.training.fusion_sequences import random_sequence
from aif_ros.training.train_fusion import Settings, prepare, train


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for index in range(8):
        picture = to_uint8(texture((200, 180), np.random.default_rng(index)))
        cv2.imwrite(str(folder / f"{index}.png"), picture)
    return sorted(folder.iterdir())


def sequences(photos, count, seed=0):
    random = np.random.default_rng(seed)
    return [random_sequence(photos, [], 64, 4, random) for _ in range(count)]


def test_sequence_holds_every_part_sharp_somewhere(photos):
    sequence = sequences(photos, 1)[0]
    assert sequence.frames.shape == (4, 64, 64, 3)
    assert sequence.truth.shape == (64, 64, 3)
    assert len(set(sequence.positions)) == 4
    error = np.abs(sequence.frames.astype(float) - sequence.truth).mean(axis=3)
    assert error.min(axis=0).mean() < 0.6 * error.mean(axis=(1, 2)).min()


def test_sequences_differ_by_seed_only(photos):
    first, again, other = (sequences(photos, 1, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.frames, again.frames)
    assert (first.truth != other.truth).any()


def test_learns_and_resumes(photos, tmp_path):
    prepared = prepare(sequences(photos, 4))
    settings = Settings(steps=12, batch=2, crop=48, frames=4, validate_every=0.0)
    network, figures = train(prepared, prepared, settings, tmp_path)
    assert figures["psnr"] > figures["psnr_untrained"]
    longer = Settings(steps=13, batch=2, crop=48, frames=4, validate_every=0.0)
    resumed, _ = train(prepared, prepared, longer, tmp_path, resume=True)
    change = max(
        float((a - b).detach().abs().max())
        for a, b in zip(network.parameters(), resumed.parameters(), strict=True)
    )
    assert 0 < change < 0.01


def test_command_says_what_is_missing(photos, tmp_path, capsys):
    code = main(["train", "fusion", "--photos", str(photos[0].parent), "--rgbd", str(tmp_path)])
    assert code != 0
    assert "depth" in capsys.readouterr().err


def test_weights_are_shipped():
    from aif_ros.resources import weights_directory

    load_network(weights_directory() / "fusion.safetensors")
    assert (weights_directory() / "fusion.md").is_file()
