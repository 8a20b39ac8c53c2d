"""Training of the fusion network.

The network fuses whole sequences frame by frame, and learns through all of its updates. The loss
is the logarithm of the squared error of each J(t) to the scene all in focus, so that every scene
counts by its PSNR, that near edges of depth counting four times more, for halos are what people
see, and the mean error of the slopes of brightness once more, for faint edges make a picture, too;
the last J counts as much as all before it together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass
from torch import Tensor, nn
from torch.nn import functional

from aif_ros.fusion.laplacian import laplacian_energy
from aif_ros.fusion.motion.warping import RESAMPLED
from aif_ros.fusion.network import (
    ENERGY_FLOOR,
    FUSION_WEIGHTS,
    HOPELESS,
    MEMORY,
    STRIDE,
    FusionNetwork,
    State,
)
from aif_ros.fusion.neural import ENERGY_SIGMA
from aif_ros.training.card import About
from aif_ros.training.fusion_sequences import (
    FocusSequence,
    Sources,
    random_pair,
    random_sequence,
)
from aif_ros.training.recipe import Recipe
from aif_ros.training.stream import Source
from aif_ros.training.trainer import Training
from aif_ros.types.checked import CHECKED
from aif_ros.types.image import to_float

KINDS = ("still", "moving", "pairs")
"""Kinds of sequences; the steps learn from each in turn."""

_LUMA = (0.299, 0.587, 0.114)
_ERROR_FLOOR = 1e-6
_HELD_OUT = 1 << 40
"""First index of the sequences to measure on; those that are trained on have smaller ones."""


@checked_dataclass(frozen=True, kw_only=True, config=CHECKED)
class FusionRecipe(Recipe):
    """Recipe of the fusion network.

    Attributes:
        size: side of a sequence's frames, pixels.
        crop: side of the squares that are learned from, pixels.
        frames: of each sequence that is no pair.
        lost: share of the still sequences in which a frame is black, saturated or covered.
        validation_sequences: of each kind, to measure on.
    """

    size: Annotated[int, Field(ge=64, le=1024, multiple_of=2)]
    crop: Annotated[int, Field(ge=32, le=1024, multiple_of=16)]
    frames: Annotated[int, Field(ge=3, le=100)]
    lost: Annotated[float, Field(ge=0, le=1)]
    validation_sequences: Annotated[int, Field(ge=1, le=1000)]

    def __post_init__(self) -> None:
        if self.crop > self.size:
            raise ValueError("crop must be at most size")


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

    frames: NDArray[np.uint8]
    energies: NDArray[np.float16]
    truths: NDArray[np.uint8]
    near_edges: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    flow: NDArray[np.float16] | None
    mismatch: NDArray[np.float16] | None


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

    def to(self, device: torch.device) -> "Batch":
        """Return it on another device."""
        return Batch(*(None if value is None else value.to(device) for value in self))  # type: ignore[arg-type]


def make_sequence(sources: Sources, recipe: FusionRecipe, kind: str, index: int) -> list[Prepared]:
    """Render the sequence of an index, ready to cut from; N is 1."""
    random = np.random.default_rng((recipe.seed, KINDS.index(kind), index))
    if kind == "pairs":
        return [prepare([random_pair(sources, recipe.size, random)])]
    moving = kind == "moving"
    return [prepare([random_sequence(sources, recipe.size, recipe.frames, random, moving=moving)])]


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

    def stacked(name: str) -> NDArray[Any]:
        return np.stack([getattr(sequence, name) for sequence in sequences])

    moving = len(sequences[0].flow) > 0
    return Prepared(
        stacked("frames"),
        np.stack(energies),
        stacked("truths"),
        stacked("near_edges"),
        stacked("shown"),
        stacked("flow") if moving else None,
        stacked("mismatch") if moving else None,
    )


def _luma(image: Tensor) -> Tensor:
    """(B, 3, H, W) to (B, 1, H, W)."""
    return (image * image.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def fuse(network: nn.Module, batch: Batch) -> list[Tensor]:
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


def collate(
    samples: Sequence[Prepared], recipe: FusionRecipe, random: np.random.Generator
) -> Batch:
    """Cut squares out of sequences of one kind, mirrored and turned; still ones in a new order."""
    total = samples[0].frames.shape[1]
    count = int(random.integers(max(2, total // 2), total + 1))
    cuts = []
    for sample in samples:
        still = sample.flow is None
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
        square = _turned(_square(sample, 0, order, recipe.crop, random), random)
        if still and random.random() < recipe.lost:
            _lose_frame(square, random)
        cuts.append(square)
    return _gathered(cuts)


def _lose_frame(square: Batch, random: np.random.Generator) -> None:
    """Make one of the later frames black, white or grey: nothing of it belongs into J."""
    lost = int(random.integers(1, len(square.frames)))
    square.frames[lost] = float(random.choice([0.0, 1.0, random.random()]))
    square.energies[lost] = math.log(ENERGY_FLOOR)


def _gathered(squares: Sequence[Batch]) -> Batch:
    """Put squares, without the axis B, into a batch."""

    def stacked(name: str) -> Tensor:
        return torch.stack([getattr(square, name) for square in squares])

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
    chosen = order.copy()
    flow = mismatch = None
    truths, near_edges, shown = (
        torch.from_numpy(planes[index][:, *place])
        for planes in (prepared.truths, prepared.near_edges, prepared.shown)
    )
    if prepared.flow is not None and prepared.mismatch is not None:
        half = tuple(slice(each.start // 2, each.stop // 2) for each in place)
        flow = torch.from_numpy(prepared.flow[index][chosen[:-1]][:, *half])
        flow = flow.permute(0, 3, 1, 2).float()
        mismatch = torch.from_numpy(prepared.mismatch[index][chosen[:-1]][:, *half])
        mismatch = mismatch[:, None].float()
        down, right = torch.meshgrid(*(2 * [torch.arange(crop // 2)]), indexing="ij")
        x, y = right + flow[:, :1], down + flow[:, 1:]
        inside = (x > -1) & (x < crop // 2) & (y > -1) & (y < crop // 2)
        mismatch = torch.where(inside, mismatch, torch.ones_like(mismatch))
        truths, near_edges, shown = truths[chosen], near_edges[chosen], shown[chosen]
    truths = truths.permute(0, 3, 1, 2).float() / 255
    return Batch(
        torch.from_numpy(prepared.frames[index][chosen][:, *place]).permute(0, 3, 1, 2).float()
        / 255,
        torch.from_numpy(prepared.energies[index][chosen][:, *place])[:, None].float(),
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


def psnr_of(network: nn.Module, sequences: Sequence[Prepared]) -> float:
    """Mean PSNR, dB, of the last J over sequences, which are cut to a multiple of 16."""
    device = next(network.parameters()).device
    random = np.random.default_rng(0)
    figures = []
    with torch.inference_mode():
        for sequence in sequences:
            side = sequence.frames.shape[2] // STRIDE * STRIDE
            order = np.arange(sequence.frames.shape[1])
            batch = _gathered([_square(sequence, 0, order, side, random)]).to(device)
            error = _log_error(fuse(network, batch)[-1], batch.truths[:, -1])
            figures.append(-10 * float(error))
    return float(np.mean(figures))


class FusionTraining(Training[FusionNetwork]):
    """Training of the fusion network; a part of the scenes is held out to measure on."""

    kind = FUSION_WEIGHTS
    recipe: FusionRecipe
    about = About(
        "Fusion network",
        "computes how much of each pixel of J(t) comes from I(t), as a correction of the choice by "
        "Laplacian energy.",
        "Photos become scenes by being given depth; scenes with measured depth and videos are "
        "taken as they are. All are rendered with occlusion, focus breathing and noise: still "
        "scenes, scenes in which camera and objects move, and pairs of frames each part of which "
        "is sharp in one of the two. A fifth of the photos, chosen by a hash of their names, and "
        "the scenes named in the command are held out.",
        "PSNR, dB, of the last J, mean over sequences of held-out photos and scenes; `untrained`: "
        "of the choice by Laplacian energy that the network begins as.",
        "aif benchmark fusion",
        (
            "Where no frame is sharp, J is not: nothing is invented.",
            "Blur of more than 25 px radius was not seen in training.",
            "J depends on the order of the frames: by up to 0.05 dB, and by up to 15 % of full "
            "scale in single pixels (two scenes of 10 frames in three orders).",
            "In checkerboards, up to 0.5 per mille of the pixels are wrong by more than 30 % of "
            "full scale; with squares of 2 px, 25 to 45 per mille.",
            "Brightness that varies by 10 % between frames, which is matched before merging, costs "
            "0.3 to 3.2 dB.",
        ),
    )

    def __init__(self, recipe: FusionRecipe, train: Sources, held_out: Sources) -> None:
        """Render what to measure on.

        Args:
            recipe: how to train.
            train: scenes to train on.
            held_out: scenes to measure on.
        """
        self.recipe = recipe
        self.files = train.files()
        self.sources = [
            Source(kind, partial(make_sequence, train, recipe, kind), 1) for kind in KINDS
        ]
        self._held_out = {
            kind: [
                make_sequence(held_out, recipe, kind, _HELD_OUT + index)[0]
                for index in range(recipe.validation_sequences)
            ]
            for kind in KINDS
        }
        untrained = FusionNetwork().eval()
        self._untrained = {
            f"psnr_untrained/{kind}": psnr_of(untrained, sequences)
            for kind, sequences in self._held_out.items()
        }

    def build(self) -> FusionNetwork:
        """Return the untrained network: the choice by Laplacian energy."""
        return FusionNetwork()

    def collate(self, samples: Sequence[Prepared], random: np.random.Generator) -> Batch:
        """See `collate`."""
        return collate(samples, self.recipe, random)

    def predict(self, network: nn.Module, batch: Batch) -> list[Tensor]:
        """Return every J(t)."""
        return fuse(network, batch)

    def loss(self, prediction: list[Tensor], batch: Batch) -> Tensor:
        """See `fusion_loss`."""
        return fusion_loss(prediction, batch)

    def validate(self, network: FusionNetwork) -> dict[str, float]:
        """Return the PSNR on each kind of held-out sequences, and that of the untrained network."""
        trained = {
            f"psnr/{kind}": psnr_of(network, sequences)
            for kind, sequences in self._held_out.items()
        }
        return trained | self._untrained
