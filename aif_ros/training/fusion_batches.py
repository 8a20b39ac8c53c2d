"""Recipe, sequences ready to cut from, and batches of the training of the fusion network."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass
from torch import Tensor

from aif_ros.fusion.laplacian import laplacian_energy
from aif_ros.fusion.network import ENERGY_FLOOR
from aif_ros.fusion.neural import ENERGY_SIGMA
from aif_ros.training.focus_sequence import FocusSequence
from aif_ros.training.recipe import SampleRecipe
from aif_ros.types.checked import CHECKED
from aif_ros.types.image import to_float


@checked_dataclass(frozen=True, kw_only=True, config=CHECKED)
class FusionRecipe(SampleRecipe):
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
        flow: (N, T - 1, H / 2, W / 2, 2) float16, pixels of the halved image; None of still
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


class SequenceBatch(NamedTuple):
    """What the network learns from in one step; B squares of T frames.

    Attributes:
        frames: (B, T, 3, H, W).
        energies: (B, T, 1, H, W), log energy.
        truths: (B, T, 3, H, W).
        near_edges: (B, T, 1, H, W), 1 near an edge of depth, else 0.
        shown: (B, T, 1, H, W), 1 where the frame is, else 0.
        flow: (B, T - 1, 2, H / 2, W / 2), pixels of the halved image; None: nothing moves.
        mismatch: (B, T - 1, 1, H / 2, W / 2); None: nothing moves.
    """

    frames: Tensor
    energies: Tensor
    truths: Tensor
    near_edges: Tensor
    shown: Tensor
    flow: Tensor | None
    mismatch: Tensor | None

    def to(self, device: torch.device) -> "SequenceBatch":
        """Return it on another device."""
        return SequenceBatch(*(None if value is None else value.to(device) for value in self))  # type: ignore[arg-type]


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


def collate(
    samples: Sequence[Prepared], recipe: FusionRecipe, random: np.random.Generator
) -> SequenceBatch:
    """Cut squares out of sequences of one kind, mirrored and turned; still ones in a new order.

    Args:
        samples: all still or all moving, of one number of frames T.
        recipe: side of the squares, and how often a frame is lost.
        random: source of randomness.

    Returns:
        A batch of as many sequences, of T / 2 to T frames.
    """
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
        square = turn_square(cut_square(sample, 0, order, recipe.crop, random), random)
        if still and random.random() < recipe.lost:
            _lose_frame(square, random)
        cuts.append(square)
    return gather(cuts)


def _lose_frame(square: SequenceBatch, random: np.random.Generator) -> None:
    """Make one of the later frames black, white or grey: nothing of it belongs into J."""
    lost = int(random.integers(1, len(square.frames)))
    square.frames[lost] = float(random.choice([0.0, 1.0, random.random()]))
    square.energies[lost] = math.log(ENERGY_FLOOR)


def gather(squares: Sequence[SequenceBatch]) -> SequenceBatch:
    """Put squares, without the axis B, into a batch."""

    def stacked(name: str) -> Tensor:
        return torch.stack([getattr(square, name) for square in squares])

    still = squares[0].flow is None
    return SequenceBatch(
        stacked("frames"),
        stacked("energies"),
        stacked("truths"),
        stacked("near_edges"),
        stacked("shown"),
        None if still else stacked("flow"),
        None if still else stacked("mismatch"),
    )


def cut_square(
    prepared: Prepared, index: int, order: NDArray[np.intp], crop: int, random: np.random.Generator
) -> SequenceBatch:
    """Cut a square out of one sequence, with the frames in that order; no axis B.

    Args:
        prepared: the sequences.
        index: of the sequence.
        order: (T,) indices of its frames.
        crop: side of the square, pixels.
        random: source of randomness: where the square lies.
    """
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
    return SequenceBatch(
        torch.from_numpy(prepared.frames[index][chosen][:, *place]).permute(0, 3, 1, 2).float()
        / 255,
        torch.from_numpy(prepared.energies[index][chosen][:, *place])[:, None].float(),
        truths.expand(len(chosen), -1, -1, -1),
        near_edges[:, None].float().expand(len(chosen), -1, -1, -1),
        shown[:, None].float().expand(len(chosen), -1, -1, -1),
        flow,
        mismatch,
    )


def turn_square(square: SequenceBatch, random: np.random.Generator) -> SequenceBatch:
    """Mirror and transpose a square at random, together with the flow in it."""
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
    return SequenceBatch(
        turned(square.frames),
        turned(square.energies),
        turned(square.truths),
        turned(square.near_edges),
        turned(square.shown),
        flow,
        mismatch,
    )
