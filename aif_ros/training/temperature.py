"""Temperature scaling of a trained network, so that its probabilities are calibrated.

Trained networks are over- or under-confident (Guo et al., "On calibration of modern neural
networks", ICML 2017). Dividing all votes by one number corrects that: one number for whole patches,
another for single cells.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aif_ros.defocus.networks import CELL, BlurNetwork, pool_votes
from aif_ros.simulation.conditions import CONDITIONS
from aif_ros.simulation.patches import CELL as LABELLED_CELL
from aif_ros.simulation.patches import Patch, draw_planes, draw_radius
from aif_ros.simulation.sensor_model import SensorModel

_TEMPERATURES = np.geomspace(0.1, 10, 93)
"""Candidates, 5 % apart: the loss is flat around its minimum."""
_SIZE = 512
"""Side of a patch, pixels."""
_BATCH = 16
"""Patches that go through the network at once."""
_CONDITIONS = 10
"""Draws of a condition; half of them are the standard one."""


def stack_luma(patches: list[Patch]) -> Tensor:
    """(N, 1, H, W) uint8 of N patches."""
    return torch.from_numpy(np.stack([patch.luma for patch in patches]))[:, None]


def fit_temperature(logits: Tensor, loss: Callable[[Tensor], Tensor]) -> float:
    """Return the temperature, 0.1 to 10, at which `loss` of `logits` divided by it is least."""
    losses = [float(loss(logits / float(t)).mean()) for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def fit_temperatures(
    network: BlurNetwork,
    photos: list[NDArray[np.uint8]],
    cross_entropy: Callable[[Tensor, Tensor], Tensor],
    random: np.random.Generator,
    count: int,
) -> dict[str, float]:
    """Fit the temperatures of a network on fresh patches.

    Half of the patches are disks seen by any camera, the rest come from other conditions; half are
    seen as a whole, the rest as windows of 64 to 256 px.

    Args:
        network: trained, on the CPU.
        photos: (H, W, 3) uint8 each, to make fresh patches of.
        cross_entropy: (N,) of logits (N, classes) for radii (N,).
        random: source of randomness.
        count: number of patches.

    Returns:
        `patch_temperature` and `cell_temperature`.
    """
    patches: list[Patch] = []
    names = ["standard"] * (_CONDITIONS // 2) + list(
        random.choice(list(CONDITIONS), _CONDITIONS - _CONDITIONS // 2, replace=False)
    )
    for name in names:
        condition = CONDITIONS[name]
        radii = [draw_radius(random) for _ in range(-(-count // _CONDITIONS))]
        shuffled = [photos[index] for index in random.permutation(len(photos))]
        planes = draw_planes(shuffled, radii, _SIZE, random, condition)
        for plane in planes:
            camera = condition.camera if random.random() < 0.5 else SensorModel.draw(random)
            patches.append(plane.photograph(camera, random))
    luma = stack_luma(patches)
    with torch.inference_mode():
        votes = torch.cat([network(part.float() / 255) for part in luma.split(_BATCH)])
    radius = _per_vote(np.stack([patch.radius for patch in patches]))
    trusted = _per_vote(np.stack([patch.weight for patch in patches])) == 1
    cells = votes.permute(0, 2, 3, 1)
    sides = random.choice([2, 4, 8, votes.shape[2]], len(patches), p=(0.1, 0.2, 0.2, 0.5))
    pooled = torch.cat(
        [pool_votes(vote[None, :, :side, :side]) for vote, side in zip(votes, sides, strict=True)]
    )
    return {
        "patch_temperature": fit_temperature(
            pooled, lambda logits: cross_entropy(logits, radius[:, 0, 0])
        ),
        "cell_temperature": fit_temperature(
            cells[trusted], lambda logits: cross_entropy(logits, radius[trusted])
        ),
    }


def _per_vote(values: NDArray[np.float32]) -> Tensor:
    """Repeat values (N, h, w) of labelled cells for each of the smaller cells that vote."""
    side = LABELLED_CELL // CELL
    return torch.tensor(values.repeat(side, axis=1).repeat(side, axis=2))
