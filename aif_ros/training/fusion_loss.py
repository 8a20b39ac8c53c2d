"""Loss of the fusion network.

The logarithm of the squared error of each J(t) to the scene all in focus, so that every scene
counts by its PSNR, that near edges of depth counting four times more, for halos are what people
see, and the mean error of the slopes of brightness once more, for faint edges make an image, too;
the last J counts as much as all before it together.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from aif_ros.training.fusion_batches import SequenceBatch

_ERROR_FLOOR = 1e-6
"""Squared error, of full scale squared, below which an image gains nothing: PSNR of 60 dB."""


def log_error(image: Tensor, truth: Tensor, where: Tensor | None = None) -> Tensor:
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


def fusion_loss(results: Sequence[Tensor], batch: SequenceBatch) -> Tensor:
    """Mean over the sequences; the last J counts as much as all before it together.

    What is near edges of depth counts four times more by itself, the slopes of brightness count
    once more, and by how much a J(t) is worse than the frame I(t) alone counts three times.

    Args:
        results: T images J(t), (B, 3, H, W) in [0, 1].
        batch: of those frames, with their truth.

    Returns:
        (), in powers of ten of the squared error.
    """
    fused, near, steep, alone = [], [], [], []
    for t, image in enumerate(results[1:], 1):
        truth = batch.truths[:, t]
        fused.append(log_error(image, truth))
        near.append(log_error(image, truth, batch.near_edges[:, t]))
        steep.append(_slope_error(image, truth))
        alone.append(log_error(batch.frames[:, t], truth))
    errors, edges, slopes, frames = (torch.stack(each) for each in (fused, near, steep, alone))
    worse = functional.relu(errors - frames).mean()
    whole, close, sharp = (each[-1].mean() + each.mean() for each in (errors, edges, slopes))
    return whole + 4 * close + sharp + 2 * worse
