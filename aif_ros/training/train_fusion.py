"""Training of the fusion network.

The network fuses whole sequences frame by frame, and learns through all of its updates. The loss
is the logarithm of the squared error of each J(t) to the scene all in focus, so that every scene
counts by its PSNR; the last J counts as much as all before it together.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from aif_ros.fusion.laplacian import laplacian_energy
from aif_ros.fusion.network import ENERGY_FLOOR, FusionNetwork
from aif_ros.fusion.neural import ENERGY_SIGMA
from aif_ros.images import to_float
from aif_ros.training.fusion_sequences import FocusSequence, random_sequence

_LUMA = (0.299, 0.587, 0.114)
_ERROR_FLOOR = 1e-6
_LARGEST_GRADIENT = 1.0
_HELD_OUT_SEQUENCES = 24


@dataclass(frozen=True)
class Settings:
    """Everything a training depends on beside its photos.

    Attributes:
        seed: of weights and sequences.
        minutes: time to train; the learning rate falls to zero over it.
        steps: train for so many steps instead, whatever the time.
        batch: sequences per step.
        crop: side of the squares that are learned from, pixels; a multiple of 16.
        sequences: number of sequences made to learn from.
        size: side of these, pixels.
        frames: frames of each.
        learning_rate: at its highest.
        validate_every: seconds between validations and checkpoints.
    """

    seed: int = 1
    minutes: float = 20.0
    steps: int | None = None
    batch: int = 4
    crop: int = 128
    sequences: int = 800
    size: int = 192
    frames: int = 10
    learning_rate: float = 2e-3
    validate_every: float = 120.0


@dataclass(frozen=True)
class Prepared:
    """Sequences with their energies, ready to cut from.

    Attributes:
        frames: (N, T, H, W, 3) uint8.
        energies: (N, T, H, W) float16, log energy.
        truths: (N, H, W, 3) uint8.
    """

    frames: Tensor
    energies: Tensor
    truths: Tensor


def make_sequences(
    photos: Sequence[Path],
    scenes: Sequence[Path],
    settings: Settings,
    workers: int,
    *,
    held_out: bool = False,
) -> list[FocusSequence]:
    """Render sequences in processes of their own, with a progress bar.

    Args:
        photos: sharp photographs.
        scenes: folders with `image.*` and `depth.*`; may be empty.
        settings: how many, how large, and the seed.
        workers: number of processes.
        held_out: make the few to measure on, with other seeds.
    """
    count = min(_HELD_OUT_SEQUENCES, settings.sequences) if held_out else settings.sequences
    make = partial(_sequence, photos, scenes, settings, held_out)
    with ProcessPoolExecutor(workers, get_context("forkserver")) as pool:
        made = pool.map(make, range(count), chunksize=4)
        return list(tqdm(made, total=count, desc="rendering", unit="sequence"))


def _sequence(
    photos: Sequence[Path],
    scenes: Sequence[Path],
    settings: Settings,
    held_out: bool,
    index: int,
) -> FocusSequence:
    cv2.setNumThreads(1)
    random = np.random.default_rng((settings.seed, int(held_out), index))
    return random_sequence(photos, scenes, settings.size, settings.frames, random)


def prepare(sequences: Sequence[FocusSequence]) -> Prepared:
    """Compute the energies of all frames."""
    energies = [
        np.stack(
            [
                np.log(laplacian_energy(to_float(frame), ENERGY_SIGMA) + ENERGY_FLOOR)
                for frame in sequence.frames
            ]
        ).astype(np.float16)
        for sequence in sequences
    ]
    return Prepared(
        torch.from_numpy(np.stack([sequence.frames for sequence in sequences])),
        torch.from_numpy(np.stack(energies)),
        torch.from_numpy(np.stack([sequence.truth for sequence in sequences])),
    )


def _luma(image: Tensor) -> Tensor:
    """(B, 3, H, W) to (B, 1, H, W)."""
    return (image * image.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def fuse(network: FusionNetwork, frames: Tensor, energies: Tensor) -> list[Tensor]:
    """Fuse sequences: frames (B, T, 3, H, W) and log energies (B, T, 1, H, W) to every J(t)."""
    fused, sharpness = frames[:, 0], energies[:, 0]
    results = [fused]
    for t in range(1, frames.shape[1]):
        count = frames.new_full((len(frames),), float(t))
        image = frames[:, t]
        weight, sharpness = network(_luma(image), _luma(fused), energies[:, t], sharpness, count)
        fused = fused + weight * (image - fused)
        results.append(fused)
    return results


def _log_error(image: Tensor, truth: Tensor) -> Tensor:
    """(B,) log10 of the mean squared error: a tenth of the PSNR, negative."""
    return ((image - truth).square().mean(dim=(1, 2, 3)) + _ERROR_FLOOR).log10()


def fusion_loss(results: Sequence[Tensor], truth: Tensor) -> Tensor:
    """Mean over the sequences; the last J counts as much as all before it together."""
    errors = torch.stack([_log_error(image, truth) for image in results[1:]])
    return errors[-1].mean() + errors.mean()


def draw(
    prepared: Prepared, settings: Settings, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Cut a batch: frames, log energies and truths; frames in a new order, mirrored and turned."""
    size, crop = prepared.truths.shape[1], settings.crop
    total = prepared.frames.shape[1]
    count = int(random.integers(max(2, total // 2), total + 1))
    frames, energies, truths = [], [], []
    for index in random.integers(len(prepared.truths), size=settings.batch):
        top, left = random.integers(size - crop + 1, size=2)
        place = (slice(top, top + crop), slice(left, left + crop))
        order = np.arange(total)
        if random.random() < 0.5:
            random.shuffle(order)
        elif random.random() < 0.5:
            order = order[::-1]
        order = order[:: total // count] if random.random() < 0.3 else order
        chosen = torch.from_numpy(np.resize(order, count).copy())
        axes = [axis for axis in (-2, -1) if random.random() < 0.5]
        picture = prepared.frames[index][:, *place][chosen].permute(0, 3, 1, 2).float() / 255
        energy = prepared.energies[index][:, *place][chosen][:, None].float()
        truth = prepared.truths[index][place].permute(2, 0, 1).float() / 255
        if random.random() < 0.5:
            picture, energy, truth = (x.transpose(-1, -2) for x in (picture, energy, truth))
        frames.append(picture.flip(axes))
        energies.append(energy.flip(axes))
        truths.append(truth.flip(axes))
    return torch.stack(frames), torch.stack(energies), torch.stack(truths)


def validate(network: FusionNetwork, held_out: Prepared) -> float:
    """Mean PSNR, dB, of the last J over held-out sequences, which are cut to a multiple of 16."""
    side = held_out.truths.shape[1] // 16 * 16
    figures = []
    with torch.inference_mode():
        for frames, energies, truth in zip(
            held_out.frames, held_out.energies, held_out.truths, strict=True
        ):
            pictures = frames[None, :, :side, :side].permute(0, 1, 4, 2, 3).float() / 255
            results = fuse(network, pictures, energies[None, :, None, :side, :side].float())
            target = truth[None, :side, :side].permute(0, 3, 1, 2).float() / 255
            figures.append(-10 * float(_log_error(results[-1], target)))
    return float(np.mean(figures))


def train(
    prepared: Prepared,
    held_out: Prepared,
    settings: Settings,
    folder: Path,
    *,
    resume: bool = False,
) -> tuple[FusionNetwork, dict[str, float]]:
    """Train the network.

    Args:
        prepared: sequences to learn from.
        held_out: sequences of other photos, to measure on.
        settings: how.
        folder: for the checkpoint and TensorBoard's files.
        resume: go on from the folder's checkpoint, if there is one.

    Returns:
        The network on the CPU, and mean PSNR in dB on `held_out`: `psnr` of the network,
        `psnr_untrained` of the classical choice it began as.
    """
    cv2.setNumThreads(1)
    torch.manual_seed(settings.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = FusionNetwork()
    figures = {"psnr_untrained": validate(network, held_out)}
    network.to(device)
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    step, elapsed = 0, 0.0
    if resume and checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        step, elapsed = state["step"], state["elapsed"]
    random = np.random.default_rng((settings.seed, step))
    writer = SummaryWriter(str(folder))
    started = time.monotonic() - elapsed
    validated = time.monotonic()
    with tqdm(total=settings.steps, initial=step, unit="step", mininterval=5) as bar:
        while True:
            elapsed = time.monotonic() - started
            progress = step / settings.steps if settings.steps else elapsed / 60 / settings.minutes
            if progress >= 1:
                break
            warm = min((step + 1) / 30, 1)
            for group in optimiser.param_groups:
                group["lr"] = (
                    settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * progress))
                )
            frames, energies, truth = (x.to(device) for x in draw(prepared, settings, random))
            loss = fusion_loss(fuse(network, frames, energies), truth)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
            optimiser.step()
            step += 1
            bar.update()
            writer.add_scalar("loss", float(loss.detach()), step)
            if time.monotonic() - validated > settings.validate_every:
                measured = validate(network.cpu(), held_out)
                network.to(device)
                writer.add_scalar("psnr", measured, step)
                bar.set_postfix(psnr=f"{measured:.2f}")
                state = {
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step,
                    "elapsed": time.monotonic() - started,
                }
                torch.save(state, checkpoint)
                validated = time.monotonic()
    writer.close()
    network = network.cpu().eval()
    figures["psnr"] = validate(network, held_out)
    return network, figures


def write_model_card(
    path: Path,
    network: FusionNetwork,
    settings: Settings,
    photos: int,
    scenes: Sequence[str],
    figures: Mapping[str, float],
) -> None:
    """Write the card of a network beside its weights, as Markdown.

    Args:
        path: of the card.
        network: trained.
        settings: of the training.
        photos: number of photos trained on.
        scenes: names of the scenes with measured depth trained on.
        figures: measured on others.
    """
    parameters = sum(value.numel() for value in network.parameters())
    path.write_text(
        f"""# Fusion network

`{path.stem}.safetensors` tells how much of each pixel of J(t) comes from I(t), by correcting the
classical choice by Laplacian energy; {parameters:,} parameters (`aif_ros/fusion/network.py`).
Written by `aif train fusion`.

## Trained on

{photos} photos that were given depth, and {len(scenes)} with measured depth
({", ".join(scenes) or "none"}), rendered to {settings.frames} frames of {settings.size} x
{settings.size} px with occlusion, blur radii of up to 20 px, focus breathing and noise of up to
sigma 5/255. Still scenes only: motion is dealt with before the network sees the images.

## Settings

```json
{json.dumps(asdict(settings), indent=2)}
```

## Figures

Mean PSNR of the last J over sequences of photos and scenes that were not trained on:
{figures["psnr"]:.2f} dB. The classical choice it began as: {figures["psnr_untrained"]:.2f} dB.
`aif benchmark fusion` measures it against the other methods.

## Limits

- Where no frame is sharp, J is not: nothing is invented.
- Blur of more than 20 px radius was not seen in training.
- Frames must be aligned; residual misalignment of more than a pixel shows as ghosts.
"""
    )
