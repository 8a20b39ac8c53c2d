"""Votes pooled over windows of any size, so that a network answers for small windows too."""

import torch
from torch import Tensor

from aif_ros.defocus.network import pool_votes

_SMALLEST = 2
"""Side of the smallest window, cells of 32 px."""


def pool_random_window(logits: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Pool the votes of one random square window, the same for the whole batch.

    Half of the windows are the whole patch.

    Args:
        logits: (B, classes, h, w), h and w even.
        weight: (B, h / 2, w / 2), trust in the label of each pair of cells.

    Returns:
        (B, classes) pooled votes, and (B,) mean trust.
    """
    height, width = logits.shape[2:]
    if torch.rand(()) < 0.5:
        return pool_votes(logits), weight.mean(dim=(1, 2))
    side = 2 * int(torch.randint(_SMALLEST // 2, min(height, width) // 2 + 1, ()))
    top = 2 * int(torch.randint((height - side) // 2 + 1, ()))
    left = 2 * int(torch.randint((width - side) // 2 + 1, ()))
    window = logits[:, :, top : top + side, left : left + side]
    trust = weight[:, top // 2 : (top + side) // 2, left // 2 : (left + side) // 2]
    return pool_votes(window), trust.mean(dim=(1, 2))
