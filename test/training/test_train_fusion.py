"""Sequences to learn fusion from, and the training."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from training_data import write_recipe

from aif_ros.__main__ import main
from aif_ros.fusion import neural
from aif_ros.fusion.motion.fused_warping import warp_along_flow
from aif_ros.fusion.network import FUSION_WEIGHTS, FusionNetwork
from aif_ros.fusion.neural import NeuralFusion
from aif_ros.simulation.scenes.planes import texture
from aif_ros.training import trainer
from aif_ros.training.fusion_batches import (
    FusionRecipe,
    collate,
    cut_square,
    gather,
    prepare,
    turn_square,
)
from aif_ros.training.fusion_loss import fusion_loss
from aif_ros.training.fusion_scenes import SceneFiles, list_videos
from aif_ros.training.fusion_sequences import random_pair, random_sequence
from aif_ros.training.fusion_unrolled import fuse
from aif_ros.training.recipe import load_recipe
from aif_ros.training.train_fusion import KINDS
from aif_ros.types.image import to_float, to_uint8
from aif_ros.weights.files import load_weights


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    # Of these, 11 is held out by its name.
    for index in (*range(7), 11):
        picture = to_uint8(texture((200, 180), np.random.default_rng(index)))
        cv2.imwrite(str(folder / f"{index}.png"), picture)
    return sorted(folder.iterdir())


def sequences(photos, count, seed=0, moving=False):
    random = np.random.default_rng(seed)
    return [random_sequence(SceneFiles(photos), 64, 4, random, moving=moving) for _ in range(count)]


def test_sequences_hold_their_parts_sharp_somewhere(photos):
    shares = []
    for sequence in sequences(photos, 6):
        assert sequence.frames.shape == (4, 64, 64, 3)
        assert sequence.truths.shape == (1, 64, 64, 3)
        assert len(set(sequence.positions)) >= 3
        error = np.abs(sequence.frames.astype(float) - sequence.truths).mean(axis=3)
        shares.append(error.min(axis=0).mean() / error.mean(axis=(1, 2)).min())
    assert np.mean(shares) < 0.8


def pairs(photos, count, seed=0):
    random = np.random.default_rng(seed)
    return [random_pair(SceneFiles(photos), 64, random) for _ in range(count)]


def test_each_part_of_a_pair_is_sharp_in_one_of_the_two(photos):
    errors, least = [], []
    for pair in pairs(photos, 8):
        assert pair.frames.shape == (2, 64, 64, 3)
        assert pair.truths.shape == (1, 64, 64, 3)
        error = np.abs(pair.frames.astype(float) - pair.truths).mean(axis=3)
        errors.append(error.mean())
        least.append(error.min(axis=0).mean())
    assert np.mean(least) < 0.5 * np.mean(errors)


def test_sequences_differ_by_seed_only(photos):
    first, again, other = (sequences(photos, 1, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.frames, again.frames)
    assert (first.truths != other.truths).any()


def test_moving_sequence_has_a_truth_and_a_motion_for_each_frame(photos):
    made = sequences(photos, 10, moving=True)
    for sequence in made:
        assert sequence.truths.shape == sequence.frames.shape
        assert sequence.flow.shape == (3, 32, 32, 2)
        assert sequence.mismatch.shape == (3, 32, 32)
        assert sequence.shown[0].all()
    assert any((sequence.truths[0] != sequence.truths[-1]).any() for sequence in made)
    assert any(not sequence.shown.all() for sequence in made)


def command(photos, folder, *more, **changes):
    folder.mkdir(exist_ok=True)
    values = {"steps": 12, "batch": 2, "size": 64, "crop": 48, "frames": 4, "pool": 6, "reuse": 2}
    values |= {"validate_every": 6, "validation_sequences": 2, "bfloat16": False, "warmup_steps": 2}
    recipe = write_recipe(folder / "recipe.yaml", "fusion", **values | changes)
    words = ["train", "fusion", "--photos", str(photos[0].parent), "--recipe", str(recipe)]
    words += ["--folder", str(folder), "--output", str(folder / "w.safetensors")]
    return main([*words, "--workers", "0", "--device", "cpu", *more])


def trained_weights(folder):
    network = load_weights(folder / "w.safetensors", FUSION_WEIGHTS).network
    return torch.cat([value.flatten() for value in network.state_dict().values()])


def test_trains_resumes_to_the_same_weights_and_writes_a_card(photos, tmp_path, monkeypatch):
    assert command(photos, tmp_path / "whole") == 0
    card = (tmp_path / "whole" / "w.md").read_text()
    for kind in KINDS:
        assert f"| psnr/{kind} |" in card and f"| psnr_untrained/{kind} |" in card
    save = trainer.save_checkpoint

    def save_and_interrupt(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "save_checkpoint", save_and_interrupt)
        command(photos, tmp_path / "parts")
    assert not (tmp_path / "parts" / "w.safetensors").exists()
    assert command(photos, tmp_path / "parts", "--resume") == 0
    assert torch.equal(trained_weights(tmp_path / "parts"), trained_weights(tmp_path / "whole"))


def test_training_lowers_the_loss(photos):
    torch.manual_seed(0)
    recipe = load_recipe(FusionRecipe, "fusion.yaml", {"size": 64, "crop": 48, "lost": 0.0})
    samples = [prepare([pair]) for pair in pairs(photos, 4)]
    network = FusionNetwork()
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    losses = []
    for _ in range(25):
        batch = collate(samples, recipe, np.random.default_rng(0))
        loss = fusion_loss(fuse(network, batch), batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


def test_crop_larger_than_the_frames_is_refused(photos, tmp_path, capsys):
    assert command(photos, tmp_path, crop=96) == 2
    assert "crop must be at most size" in capsys.readouterr().err


def test_lost_edges_cost_more_than_as_much_error_without_any(photos):
    square = cut_square(prepare(pairs(photos, 1)), 0, np.arange(2), 64, np.random.default_rng(0))
    batch = gather([square])
    truth = batch.truths[:, -1]
    even = torch.full_like(truth, 0.02)
    # As large an error, of alternating sign.
    rough = even * (1 - 2 * (torch.arange(64) % 2))
    losses = [float(fusion_loss([truth, truth + error], batch)) for error in (even, rough)]
    assert losses[0] < losses[1]


@pytest.mark.parametrize("moving", [False, True])
def test_training_fuses_as_the_method_does(photos, moving, monkeypatch):
    monkeypatch.setattr(neural, "_DECIDED", 1.0)
    monkeypatch.setattr(neural, "fast_in_bfloat16", lambda device: False)
    sequence = sequences(photos, 1, seed=7, moving=moving)[0]
    torch.manual_seed(0)
    network = FusionNetwork()
    with torch.no_grad():
        for parameter in network.correct.parameters():
            parameter.normal_(0, 0.05)
    method = NeuralFusion.__new__(NeuralFusion)
    method._run = torch.inference_mode()(network.eval().forward)
    fused = None
    for t, frame in enumerate(sequence.frames):
        if not moving or fused is None:
            fused = method.merge(to_float(frame), 0.0, fused)
            continue
        flow, mismatch = (x[t - 1].astype(np.float32) for x in (sequence.flow, sequence.mismatch))
        before = warp_along_flow(fused, flow, mismatch)
        after = method.merge(to_float(frame), 0.0, before)
        shown = sequence.shown[t]
        half = cv2.resize(shown.astype(np.float32), None, fx=0.5, fy=0.5)[..., None]
        fused = replace(
            after,
            image=np.where(shown[..., None], after.image, before.image),
            sharpness=np.where(shown, after.sharpness, before.sharpness),
            memory=before.memory + half * (after.memory - before.memory),
        )
    prepared = prepare([sequence])
    square = cut_square(prepared, 0, np.arange(4), 64, np.random.default_rng(0))
    with torch.inference_mode():
        trained = fuse(network, gather([square]))[-1][0].permute(1, 2, 0).numpy()
    inner = (slice(8, -8), slice(8, -8))
    assert np.abs(trained - fused.image)[inner].mean() < 2e-3


def test_turning_a_square_turns_its_motion(photos):
    prepared = prepare(sequences(photos, 1, seed=5, moving=True))
    random = np.random.default_rng(1)
    plain = cut_square(prepared, 0, np.arange(4), 64, random)
    plain = plain._replace(mismatch=torch.zeros_like(plain.mismatch))
    network = FusionNetwork().eval()

    def fused(square):
        with torch.inference_mode():
            return fuse(network, gather([square]))[-1].mean(dim=1)

    expected = fused(plain)
    for _ in range(6):
        turned = fused(turn_square(plain, random))
        same = [
            float((x.flip(axes) - turned).abs().mean())
            for x in (expected, expected.transpose(-1, -2))
            for axes in ((), (-1,), (-2,), (-2, -1))
        ]
        assert min(same) < 1e-3


def test_videos_of_both_layouts_are_found_and_filmed(photos, tmp_path):
    picture = to_uint8(texture((160, 120), np.random.default_rng(1)))
    for part in ("rgb", "depth", "JPEGImages/480p/bear", "Annotations/480p/bear"):
        (tmp_path / ("room" if "/" not in part else "") / part).mkdir(parents=True)
    for index in range(3):
        moved = np.roll(picture, 5 * index, axis=1)
        mask = np.roll(np.pad(np.full((60, 60), 255, np.uint8), ((30, 30), (50, 50))), 5 * index, 1)
        cv2.imwrite(str(tmp_path / f"room/rgb/{index:05}.jpg"), moved)
        cv2.imwrite(str(tmp_path / f"room/depth/{index:05}.png"), 1000 + mask.astype(np.uint16))
        cv2.imwrite(str(tmp_path / f"JPEGImages/480p/bear/{index:05}.jpg"), moved)
        cv2.imwrite(str(tmp_path / f"Annotations/480p/bear/{index:05}.png"), mask)
    videos = list_videos(tmp_path)
    assert [video.name for video in videos] == ["bear", "room"]
    for video in videos:
        random = np.random.default_rng(0)
        sources = SceneFiles(photos, videos=[video])
        filmed = [random_sequence(sources, 64, 3, random, moving=True) for _ in range(4)]
        assert all(sequence.truths.shape == (3, 64, 64, 3) for sequence in filmed)


def test_command_reports_what_is_missing(photos, tmp_path, capsys):
    code = main(["train", "fusion", "--photos", str(photos[0].parent), "--rgbd", str(tmp_path)])
    assert code != 0
    assert "depth" in capsys.readouterr().err
