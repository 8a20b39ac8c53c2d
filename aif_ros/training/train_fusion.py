"""Training of the fusion network.

The network fuses whole sequences frame by frame, and learns through all of its updates. The loss
is the logarithm of the squared error of each J(t) to the scene all in focus, so that every scene
counts by its PSNR, that near edges of depth counting four times more, for halos are what people
see, and the mean error of the slopes of brightness once more, for faint edges make a picture, too;
the last J counts as much as all before it together.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from aif_ros.fusion.laplacian import laplacian_energy
from aif_ros.fusion.motion.warping import RESAMPLED
from aif_ros.fusion.network import ENERGY_FLOOR, HOPELESS, MEMORY, STRIDE, FusionNetwork, State
from aif_ros.fusion.neural import ENERGY_SIGMA
from aif_ros.training.fusion_sequences import (
    FocusSequence,
    Sources,
    random_pair,
    random_sequence,
)
from aif_ros.types.image import to_float

KINDS = ("still", "moving", "pairs")
"""Kinds of sequences; `Settings` has the number of each by its name."""

_LUMA = (0.299, 0.587, 0.114)
_ERROR_FLOOR = 1e-6
_LARGEST_GRADIENT = 1.0
# Share of the still sequences in which a frame is black, saturated or covered.
_FLAT = 0.15
_CPU = torch.device("cpu")
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
        still: number of sequences of still scenes made to learn from.
        moving: number of those of moving scenes.
        pairs: number of pairs of frames of still scenes.
        size: side of these, pixels; even.
        frames: frames of each that is no pair.
        learning_rate: at its highest.
        validate_every: seconds between validations and checkpoints.
        bfloat16: convolve in this format, which some processors are faster in.
    """

    seed: int = 1
    minutes: float = 60.0
    steps: int | None = None
    batch: int = 4
    crop: int = 128
    still: int = 800
    moving: int = 500
    pairs: int = 800
    size: int = 224
    frames: int = 10
    learning_rate: float = 2e-3
    validate_every: float = 120.0
    bfloat16: bool = False


@dataclass(frozen=True)
class Prepared:
    """Sequences with their energies, ready to cut from.

    Attributes:
        frames: (N, T, H, W, 3) uint8.
        energies: (N, T, H, W) float16, log energy.
        truths: (N, T, H, W, 3) uint8, (N, 1, H, W, 3) of still scenes.
        near_edges: (N, T, H, W) bool, (N, 1, H, W) of still scenes.
        shown: (N, T, H, W) bool, where the frames are; (N, 1, H, W) of still scenes.
        flow: (N, T - 1, H / 2, W / 2, 2) float16, pixels of the halved picture; None of still
            scenes.
        mismatch: (N, T - 1, H / 2, W / 2) float16; None of still scenes.
    """

    frames: Tensor
    energies: Tensor
    truths: Tensor
    near_edges: Tensor
    shown: Tensor
    flow: Tensor | None
    mismatch: Tensor | None


class Batch(NamedTuple):
    """What the network learns from in one step; B squares of T frames.

    Attributes:
        frames: (B, T, 3, H, W).
        energies: (B, T, 1, H, W), log energy.
        truths: (B, T, 3, H, W).
        near_edges: (B, T, 1, H, W), 1 near an edge of depth, else 0.
        shown: (B, T, 1, H, W), 1 where the frame is, else 0.
        flow: (B, T - 1, 2, H / 2, W / 2), pixels of the halved picture; None: nothing moves.
        mismatch: (B, T - 1, 1, H / 2, W / 2); None: nothing moves.
    """

    frames: Tensor
    energies: Tensor
    truths: Tensor
    near_edges: Tensor
    shown: Tensor
    flow: Tensor | None
    mismatch: Tensor | None


def make_sequences(
    sources: Sources,
    settings: Settings,
    workers: int,
    *,
    kind: str,
    held_out: bool = False,
) -> list[FocusSequence]:
    """Render sequences in processes of their own, with a progress bar.

    Args:
        sources: of scenes.
        settings: how many, how large, and the seed.
        workers: number of processes.
        kind: which, one of `KINDS`.
        held_out: make the few to measure on, with other seeds.
    """
    count: int = getattr(settings, kind)
    count = min(_HELD_OUT_SEQUENCES, count) if held_out else count
    make = partial(_sequence, sources, settings, kind, held_out)
    with ProcessPoolExecutor(workers, get_context("forkserver")) as pool:
        made = pool.map(make, range(count), chunksize=4)
        return list(tqdm(made, total=count, desc=f"rendering {kind}", unit="sequence"))


def _sequence(
    sources: Sources, settings: Settings, kind: str, held_out: bool, index: int
) -> FocusSequence:
    cv2.setNumThreads(1)
    random = np.random.default_rng((settings.seed, int(held_out), KINDS.index(kind), index))
    if kind == "pairs":
        return random_pair(sources, settings.size, random)
    moving = kind == "moving"
    return random_sequence(sources, settings.size, settings.frames, random, moving=moving)


def prepare(sequences: Sequence[FocusSequence]) -> Prepared:
    """Compute the energies of all frames of sequences that are all still, or all moving."""
    energies = [
        np.stack(
            [
                np.log(laplacian_energy(to_float(frame), ENERGY_SIGMA) + ENERGY_FLOOR)
                for frame in sequence.frames
            ]
        ).astype(np.float16)
        for sequence in sequences
    ]

    def stacked(name: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(sequence, name) for sequence in sequences]))

    moving = len(sequences[0].flow) > 0
    return Prepared(
        stacked("frames"),
        torch.from_numpy(np.stack(energies)),
        stacked("truths"),
        stacked("near_edges"),
        stacked("shown"),
        stacked("flow") if moving else None,
        stacked("mismatch") if moving else None,
    )


def _luma(image: Tensor) -> Tensor:
    """(B, 3, H, W) to (B, 1, H, W)."""
    return (image * image.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def fuse(network: FusionNetwork, batch: Batch) -> list[Tensor]:
    """Fuse sequences to every J(t), as `NeuralFusion` does."""
    image, sharpness = batch.frames[:, 0], batch.energies[:, 0]
    shape = image.shape[0], MEMORY, image.shape[2] // 2, image.shape[3] // 2
    memory = image.new_zeros(shape)
    still = torch.zeros_like(sharpness)
    results = [image]
    for t in range(1, batch.frames.shape[1]):
        frame, mismatch, shown = batch.frames[:, t], still, batch.shown[:, t]
        if batch.flow is not None and batch.mismatch is not None:
            flow, mismatch = batch.flow[:, t - 1], batch.mismatch[:, t - 1]
            image, sharpness, memory = _carried_over(image, sharpness, memory, flow)
            mismatch = shown * _doubled(mismatch)
            useful = (mismatch < HOPELESS).float()
            image = frame + useful * (image - frame)
            sharpness = useful * sharpness + (1 - useful) * math.log(ENERGY_FLOOR)
            memory = memory * functional.avg_pool2d(useful, 2)
        frames = image.new_full((len(image),), float(t))
        state = State(_luma(image), sharpness, memory, mismatch, frames)
        weight, *new = network(_luma(frame), batch.energies[:, t], state)
        # What the frame does not show stays as it is.
        image = image + shown * weight * (frame - image)
        sharpness = sharpness + shown * (new[0] - sharpness)
        memory = memory + functional.avg_pool2d(shown, 2) * (new[1] - memory)
        results.append(image)
    return results


def _doubled(plane: Tensor) -> Tensor:
    return functional.interpolate(plane, scale_factor=2.0, mode="bilinear", align_corners=False)


def _carried_over(
    image: Tensor, sharpness: Tensor, memory: Tensor, flow: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What `warp_along_flow` does; flow (B, 2, H / 2, W / 2) in pixels of the halved picture."""
    double = 2 * _doubled(flow)
    moved = (double != 0).any(dim=1, keepdim=True)
    energy = _fetched(sharpness.exp(), double, "bilinear")
    energy = torch.where(moved, RESAMPLED * energy, energy)
    return (
        _fetched(image, double, "bicubic").clamp(0, 1),
        (energy + ENERGY_FLOOR).log(),
        _fetched(memory, flow, "bilinear"),
    )


def _fetched(plane: Tensor, flow: Tensor, how: str) -> Tensor:
    height, width = plane.shape[2:]
    down, right = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x = (right.to(flow) + flow[:, 0]) * (2 / (width - 1)) - 1
    y = (down.to(flow) + flow[:, 1]) * (2 / (height - 1)) - 1
    grid = torch.stack([x, y], dim=3)
    return functional.grid_sample(plane, grid, how, "border", align_corners=True)


def _log_error(image: Tensor, truth: Tensor, where: Tensor | None = None) -> Tensor:
    """(B,) log10 of the mean squared error: a tenth of the PSNR, negative.

    Args:
        image: (B, 3, H, W).
        truth: the same.
        where: (B, 1, H, W), 1 where it counts, else 0; 0 is the result where nothing does.
    """
    error = (image - truth).square().mean(dim=1, keepdim=True)
    if where is None:
        return (error.mean(dim=(1, 2, 3)) + _ERROR_FLOOR).log10()
    count = where.sum(dim=(1, 2, 3))
    mean = (error * where).sum(dim=(1, 2, 3)) / count.clamp(min=1)
    return torch.where(count > 0, (mean + _ERROR_FLOOR).log10(), torch.zeros_like(mean))


def _slope_error(image: Tensor, truth: Tensor) -> Tensor:
    """(B,) log10 of the squared mean absolute error of the slopes, right and down, of images."""
    error = image - truth
    here = error[..., :-1, :-1]
    right, down = error[..., :-1, 1:] - here, error[..., 1:, :-1] - here
    mean = (right.abs() + down.abs()).mean(dim=(1, 2, 3)) / 2
    return 2 * (mean + math.sqrt(_ERROR_FLOOR)).log10()


def fusion_loss(results: Sequence[Tensor], batch: Batch) -> Tensor:
    """Mean over the sequences; the last J counts as much as all before it together.

    What is near edges of depth counts four times more by itself, the slopes of brightness count
    once more, and by how much a J(t) is worse than the frame I(t) alone counts three times.
    """
    fused, near, steep, alone = [], [], [], []
    for t, image in enumerate(results[1:], 1):
        truth = batch.truths[:, t]
        fused.append(_log_error(image, truth))
        near.append(_log_error(image, truth, batch.near_edges[:, t]))
        steep.append(_slope_error(image, truth))
        alone.append(_log_error(batch.frames[:, t], truth))
    errors, edges, slopes, frames = (torch.stack(each) for each in (fused, near, steep, alone))
    worse = functional.relu(errors - frames).mean()
    whole, close, sharp = (each[-1].mean() + each.mean() for each in (errors, edges, slopes))
    return whole + 4 * close + sharp + 2 * worse


def draw(
    prepared: Prepared, settings: Settings, random: np.random.Generator, device: torch.device
) -> Batch:
    """Cut a batch out of sequences, mirrored and turned; still scenes with frames in new order."""
    total = prepared.frames.shape[1]
    count = int(random.integers(max(2, total // 2), total + 1))
    still = prepared.flow is None
    cuts = []
    for index in random.integers(len(prepared.frames), size=settings.batch):
        if still:
            order = np.arange(total)
            if random.random() < 0.5:
                random.shuffle(order)
            elif random.random() < 0.5:
                order = order[::-1]
            order = order[:: total // count] if random.random() < 0.3 else order
            order = np.resize(order, count)
        else:
            order = np.arange(count) + random.integers(total - count + 1)
        square = _turned(_square(prepared, int(index), order, settings.crop, random), random)
        if still and random.random() < _FLAT:
            _lose_frame(square, random)
        cuts.append(square)
    return _gathered(cuts, device)


def _lose_frame(square: Batch, random: np.random.Generator) -> None:
    """Make one of the later frames black, white or grey: nothing of it belongs into J."""
    lost = int(random.integers(1, len(square.frames)))
    square.frames[lost] = float(random.choice([0.0, 1.0, random.random()]))
    square.energies[lost] = math.log(ENERGY_FLOOR)


def _gathered(squares: Sequence[Batch], device: torch.device = _CPU) -> Batch:
    """Put squares, without the axis B, into a batch."""

    def stacked(name: str) -> Tensor:
        return torch.stack([getattr(square, name) for square in squares]).to(device)

    still = squares[0].flow is None
    return Batch(
        stacked("frames"),
        stacked("energies"),
        stacked("truths"),
        stacked("near_edges"),
        stacked("shown"),
        None if still else stacked("flow"),
        None if still else stacked("mismatch"),
    )


def _square(
    prepared: Prepared, index: int, order: NDArray[np.intp], crop: int, random: np.random.Generator
) -> Batch:
    """Cut a square out of one sequence, with the frames in that order; no axis B."""
    height, width = prepared.frames.shape[2:4]
    top = 2 * int(random.integers((height - crop) // 2 + 1))
    left = 2 * int(random.integers((width - crop) // 2 + 1))
    place = (slice(top, top + crop), slice(left, left + crop))
    chosen = torch.from_numpy(order.copy())
    flow = mismatch = None
    truths, near_edges, shown = (
        planes[index][:, *place]
        for planes in (prepared.truths, prepared.near_edges, prepared.shown)
    )
    if prepared.flow is not None and prepared.mismatch is not None:
        half = tuple(slice(each.start // 2, each.stop // 2) for each in place)
        flow = prepared.flow[index][chosen[:-1]][:, *half].permute(0, 3, 1, 2).float()
        mismatch = prepared.mismatch[index][chosen[:-1]][:, *half][:, None].float()
        down, right = torch.meshgrid(*(2 * [torch.arange(crop // 2)]), indexing="ij")
        x, y = right + flow[:, :1], down + flow[:, 1:]
        inside = (x > -1) & (x < crop // 2) & (y > -1) & (y < crop // 2)
        mismatch = torch.where(inside, mismatch, torch.ones_like(mismatch))
        truths, near_edges, shown = truths[chosen], near_edges[chosen], shown[chosen]
    truths = truths.permute(0, 3, 1, 2).float() / 255
    return Batch(
        prepared.frames[index][chosen][:, *place].permute(0, 3, 1, 2).float() / 255,
        prepared.energies[index][chosen][:, *place][:, None].float(),
        truths.expand(len(chosen), -1, -1, -1),
        near_edges[:, None].float().expand(len(chosen), -1, -1, -1),
        shown[:, None].float().expand(len(chosen), -1, -1, -1),
        flow,
        mismatch,
    )


def _turned(square: Batch, random: np.random.Generator) -> Batch:
    """Mirror and transpose a square at random, and the flow in it alike."""
    transposed = random.random() < 0.5
    axes = [axis for axis in (-2, -1) if random.random() < 0.5]

    def turned(planes: Tensor) -> Tensor:
        return (planes.transpose(-1, -2) if transposed else planes).flip(axes)

    flow, mismatch = square.flow, square.mismatch
    if flow is not None and mismatch is not None:
        flow = flow.flip(1) if transposed else flow
        signs = [-1.0 if -1 in axes else 1.0, -1.0 if -2 in axes else 1.0]
        flow = turned(flow) * torch.tensor(signs).view(1, 2, 1, 1)
        mismatch = turned(mismatch)
    return Batch(
        turned(square.frames),
        turned(square.energies),
        turned(square.truths),
        turned(square.near_edges),
        turned(square.shown),
        flow,
        mismatch,
    )


def validate(network: FusionNetwork, held_out: Prepared) -> float:
    """Mean PSNR, dB, of the last J over held-out sequences, which are cut to a multiple of 16."""
    side = held_out.frames.shape[2] // STRIDE * STRIDE
    random = np.random.default_rng(0)
    figures = []
    with torch.inference_mode():
        for index in range(len(held_out.frames)):
            order = np.arange(held_out.frames.shape[1])
            square = _square(held_out, index, order, side, random)
            batch = _gathered([square])
            error = _log_error(fuse(network, batch)[-1], batch.truths[:, -1])
            figures.append(-10 * float(error))
    return float(np.mean(figures))


def train(
    prepared: Mapping[str, Prepared],
    held_out: Mapping[str, Prepared],
    settings: Settings,
    folder: Path,
    *,
    resume: bool = False,
) -> tuple[FusionNetwork, dict[str, float]]:
    """Train the network.

    Args:
        prepared: sequences to learn from, by their kind; each step learns from one kind, in turn.
        held_out: sequences of other photos, to measure on, by the same kinds.
        settings: how.
        folder: for the checkpoint and TensorBoard's files.
        resume: go on from the folder's checkpoint, if there is one.

    Returns:
        The network on the CPU, and mean PSNR in dB on each kind of `held_out`: `psnr/KIND` of the
        network, `psnr_untrained/KIND` of the classical choice it began as.
    """
    cv2.setNumThreads(1)
    torch.manual_seed(settings.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = FusionNetwork()
    figures = {f"psnr_untrained/{kind}": validate(network, x) for kind, x in held_out.items()}
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

    def save() -> None:
        state = {
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "step": step,
            "elapsed": time.monotonic() - started,
        }
        # Written aside first: an interruption must not leave half a checkpoint.
        torch.save(state, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").replace(checkpoint)

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
            kind = list(prepared)[step % len(prepared)]
            batch = draw(prepared[kind], settings, random, device)
            with torch.autocast(device.type, torch.bfloat16, enabled=settings.bfloat16):
                results = fuse(network, batch)
            loss = fusion_loss(results, batch)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
            optimiser.step()
            step += 1
            bar.update()
            writer.add_scalar(f"loss/{kind}", float(loss.detach()), step)
            if time.monotonic() - validated > settings.validate_every:
                network.cpu()
                for each, sequences in held_out.items():
                    figures[f"psnr/{each}"] = validate(network, sequences)
                    writer.add_scalar(f"psnr/{each}", figures[f"psnr/{each}"], step)
                network.to(device)
                bar.write(f"step {step}: {figures}")
                save()
                validated = time.monotonic()
    save()
    writer.close()
    network = network.cpu().eval()
    for kind, sequences in held_out.items():
        figures[f"psnr/{kind}"] = validate(network, sequences)
    return network, figures


def write_model_card(
    path: Path,
    network: FusionNetwork,
    settings: Settings,
    sources: Sources,
    command: str,
    figures: Mapping[str, float],
) -> None:
    """Write the card of a network beside its weights, as Markdown.

    Args:
        path: of the card.
        network: trained.
        settings: of the training.
        sources: trained on.
        command: that did it.
        figures: measured on others.
    """
    parameters = sum(value.numel() for value in network.parameters())
    names, videos = (
        ", ".join(path.name for path in paths) or "none"
        for paths in (sources.measured, sources.videos)
    )
    rows = "\n".join(f"| {name} | {value:.2f} |" for name, value in figures.items())
    path.write_text(
        f"""# Fusion network

`{path.stem}.safetensors` tells how much of each pixel of J(t) comes from I(t), by correcting the
classical choice by Laplacian energy; {parameters:,} parameters (`aif_ros/fusion/network.py`).

Written on {date.today()} by

    {command}

## Trained on

{len(sources.photos)} photos that were given depth, {len(sources.measured)} with measured depth
({names}) and {len(sources.videos)} videos ({videos}),
rendered to {settings.frames} frames of {settings.size} px with occlusion, blur radii of up to
25 px, focus breathing and noise of up to sigma 5/255: {settings.still} still scenes, and
{settings.moving} in which camera and objects move; and {settings.pairs} pairs of frames, each part
of which is sharp in one of the two, half without noise.

## Settings

```json
{json.dumps(asdict(settings), indent=2)}
```

## Figures

PSNR, dB, of the last J, mean over sequences of photos and scenes that were not trained on;
"untrained" is the classical choice the network began as.

| figure | dB |
|---|---|
{rows}

`aif benchmark fusion` measures it against the other methods.

## Limits

- Where no frame is sharp, J is not: nothing is invented.
- Blur of more than 25 px radius was not seen in training.
"""
    )
