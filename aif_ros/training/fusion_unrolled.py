"""Fusion of whole sequences, through which the network learns: what `NeuralFusion` does."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from aif_ros.fusion.motion.fused_warping import RESAMPLED
from aif_ros.fusion.network import ENERGY_FLOOR, HOPELESS, MEMORY, FusionState
from aif_ros.training.fusion_batches import SequenceBatch

_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue, as of `luma`."""


def fuse(network: nn.Module, batch: SequenceBatch) -> list[Tensor]:
    """Fuse sequences to every J(t), as `NeuralFusion` does.

    Args:
        network: see `aif_ros.fusion.network`.
        batch: B sequences of T frames.
    """
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
        state = FusionState(_luma(image), sharpness, memory, mismatch, frames)
        weight, *new = network(_luma(frame), batch.energies[:, t], state)
        # What the frame does not show stays as it is.
        image = image + shown * weight * (frame - image)
        sharpness = sharpness + shown * (new[0] - sharpness)
        memory = memory + functional.avg_pool2d(shown, 2) * (new[1] - memory)
        results.append(image)
    return results


def _luma(image: Tensor) -> Tensor:
    """(B, 3, H, W) to (B, 1, H, W)."""
    return (image * image.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _doubled(plane: Tensor) -> Tensor:
    return functional.interpolate(plane, scale_factor=2.0, mode="bilinear", align_corners=False)


def _carried_over(
    image: Tensor, sharpness: Tensor, memory: Tensor, flow: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What `warp_along_flow` does; flow (B, 2, H / 2, W / 2) in pixels of the halved image."""
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
