"""Temperature scaling of the trained network, so that its probabilities are calibrated.

Trained networks are over- or under-confident (Guo et al., "On calibration of modern neural
networks", ICML 2017). Dividing all votes by one number corrects that. The number grows with the
window: errors of neighbouring cells are alike, so many cells carry less
information than as many independent ones would.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aif_ros.defocus.network import BlurNetwork, TemperatureScaling, pool_votes
from aif_ros.simulation.conditions import CONDITIONS
from aif_ros.simulation.defocused_planes import draw_planes
from aif_ros.simulation.patches import Patch, draw_radius
from aif_ros.simulation.sensor_model import SensorModel

_TEMPERATURES = np.geomspace(0.1, 20, 107)
"""Candidates, 5 % apart: the loss is flat around its minimum."""
_GROWTHS = np.linspace(0, 0.5, 26)
"""Candidates; 0: errors of cells are independent, 0.5: equal."""
_SIDES = (1, 2, 4, 8, 16)
"""Sides of the windows, cells of 32 px."""
_WINDOWS = 4
"""Windows of each side in each patch."""
_SIZE = 512
"""Side of a patch, pixels."""
_BATCH = 16
"""Patches that go through the network at once."""
_CONDITIONS = 10
"""Draws of a condition; half of them are the standard one."""


def stack_luma(patches: list[Patch]) -> Tensor:
    """(N, 1, H, W) uint8 of N patches."""
    return torch.from_numpy(np.stack([patch.luma for patch in patches]))[:, None]


def fit_scaling(
    windows: Mapping[int, tuple[Tensor, Tensor]], loss: Callable[[Tensor, Tensor], Tensor]
) -> TemperatureScaling:
    """Return the scaling with the least mean `loss` of the windows.

    Args:
        windows: pooled logits (N, classes) and truth (N, ...), by their number of cells.
        loss: (N,) of logits for the truth.
    """
    log_candidates = np.log(_TEMPERATURES)
    losses = {
        cells: [float(loss(logits / float(t), truth).mean()) for t in _TEMPERATURES]
        for cells, (logits, truth) in windows.items()
    }
    totals = [
        [
            sum(
                np.interp(np.log(TemperatureScaling(t, growth).at(cells)), log_candidates, row)
                for cells, row in losses.items()
            )
            for growth in _GROWTHS
        ]
        for t in _TEMPERATURES
    ]
    best, growth = np.unravel_index(int(np.argmin(totals)), (len(_TEMPERATURES), len(_GROWTHS)))
    return TemperatureScaling(float(_TEMPERATURES[best]), float(_GROWTHS[growth]))


def fit_temperature_scaling(
    network: BlurNetwork,
    photos: list[NDArray[np.uint8]],
    cross_entropy: Callable[[Tensor, Tensor], Tensor],
    random: np.random.Generator,
    count: int,
) -> TemperatureScaling:
    """Fit the temperature of a network's votes on fresh patches.

    Half of the patches are disks seen by any camera, the rest come from other conditions; all are
    seen as windows of 32 to 512 px.

    Args:
        network: trained, on the CPU.
        photos: (H, W, 3) uint8 each, to make fresh patches of.
        cross_entropy: (N,) of logits (N, classes) for radii (N,).
        random: source of randomness.
        count: number of patches.
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
    radius = torch.tensor(np.stack([patch.radius[0, 0] for patch in patches]))
    windows = {}
    for side in _SIDES:
        drawn = [_windows(votes, side, random) for _ in range(_WINDOWS)]
        windows[side**2] = pool_votes(torch.cat(drawn)), radius.repeat(_WINDOWS)
    return fit_scaling(windows, cross_entropy)


def _windows(votes: Tensor, side: int, random: np.random.Generator) -> Tensor:
    """(N, C, side, side) window at a random place of each of (N, C, h, w) votes."""
    rows, columns = (random.integers(0, size - side + 1, len(votes)) for size in votes.shape[2:])
    return torch.stack(
        [
            vote[:, row : row + side, column : column + side]
            for vote, row, column in zip(votes, rows, columns, strict=True)
        ]
    )
