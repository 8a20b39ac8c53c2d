"""Votes pooled over random windows."""

import torch

from aif_ros.defocus.network import pool_votes
from aif_ros.training.window_pooling import pool_random_window


def trial(seed, height=8, width=12):
    """Pool votes whose values show their places; returns the window, or None."""
    torch.manual_seed(seed)
    down, right = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    logits = torch.stack([torch.ones(height, width), down, right])[None].float()
    weight = torch.rand(2, height // 2, width // 2)
    pooled, trust = pool_random_window(logits.expand(2, -1, -1, -1), weight)
    assert torch.equal(pooled[0], pooled[1])
    side = pooled[0, 0]  # the sum over n cells, over the root of n
    top, left = pooled[0, 1:] / side - (side - 1) / 2
    if torch.allclose(pooled[:1], pool_votes(logits)):
        torch.testing.assert_close(trust, weight.mean(dim=(1, 2)))
        return None
    side, top, left = (round(float(value)) for value in (side, top, left))
    window = weight[:, top // 2 : (top + side) // 2, left // 2 : (left + side) // 2]
    torch.testing.assert_close(trust, window.mean(dim=(1, 2)))
    torch.testing.assert_close(
        pooled[:1], pool_votes(logits[..., top : top + side, left : left + side])
    )
    return side, top, left


def test_half_are_the_whole_and_the_others_squares_of_pairs_of_cells_anywhere():
    windows = [trial(seed) for seed in range(300)]
    squares = [window for window in windows if window is not None]
    assert 0.4 < len(squares) / len(windows) < 0.6
    sides, tops, lefts = (set(values) for values in zip(*squares, strict=True))
    assert sides == {2, 4, 6, 8}
    assert tops == {0, 2, 4, 6}
    assert lefts == {0, 2, 4, 6, 8, 10}
    assert all(top + side <= 8 and left + side <= 12 for side, top, left in squares)


def test_the_smallest_patch_is_one_window():
    assert all(trial(seed, 2, 2) is None for seed in range(10))
