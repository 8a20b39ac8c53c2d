"""Loss of the blur network, and figures of its answers.

The network votes for classes of blur radius, equally spaced in log(1 + r / 4). The loss is the
cross-entropy with the two classes next to the true radius, plus the error of the mean of the
distribution; both of each cell of 64 px and of windows of any size.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from aif_ros.defocus.network import (
    ARCHITECTURE,
    CELL,
    BlurNetwork,
    TemperatureScaling,
    log_radius,
    pool_votes,
)
from aif_ros.simulation.metrics import area_under_curve
from aif_ros.simulation.patches import LARGEST_RADIUS
from aif_ros.training.blur_data import PatchBatch, patch_loss

_MEAN_WEIGHT = 4.0
"""Weight of the error of the mean, in log(1 + r / 4), beside the cross-entropy."""


def _class_positions(device: torch.device) -> Tensor:
    return log_radius(torch.tensor(ARCHITECTURE.radii, device=device))


def cross_entropy(logits: Tensor, radius: Tensor) -> Tensor:
    """Cross-entropy (N,) of logits (N, classes) with the two classes next to radii (N,).

    Args:
        logits: of the classes of blur radius.
        radius: true blur radius, pixels.
    """
    positions = _class_positions(logits.device)
    place = (log_radius(radius) / positions[1]).clamp(0, len(positions) - 1.001)
    lower = place.long()
    fraction = place - lower
    logs = functional.log_softmax(logits, 1)
    near = logs.gather(1, torch.stack([lower, lower + 1], 1))
    return -(near * torch.stack([1 - fraction, fraction], 1)).sum(1)


def _vote_loss(logits: Tensor, radius: Tensor) -> Tensor:
    """Loss (N,) of logits (N, classes) for radii (N,)."""
    mean = logits.softmax(1) @ _class_positions(logits.device)
    error = (mean - log_radius(radius)).abs()
    return cross_entropy(logits, radius) + _MEAN_WEIGHT * error


def blur_loss(logits: Tensor, batch: PatchBatch) -> Tensor:
    """Return the loss of logits (B, classes, h, w); see the module.

    Args:
        logits: of the network, one vector for each cell.
        batch: patches with their true blur radius.
    """
    return patch_loss(logits, batch, _vote_loss)


def patch_radius(
    network: BlurNetwork, luma: Tensor
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimated radius of each patch (N, 1, H, W) uint8, pixels, and its standard deviation."""
    device = next(network.parameters()).device
    positions = log_radius(torch.tensor(network.architecture.radii, device=device))
    means, deviations = [], []
    with torch.inference_mode():
        for part in luma.split(16):
            votes = pool_votes(network(part.to(device).float() / 255)).softmax(1)
            mean = votes @ positions
            spread = (votes * (positions[None] - mean[:, None]) ** 2).sum(1).sqrt()
            radius = 4 * torch.expm1(mean)
            means.append(radius.cpu())
            deviations.append((spread * (radius + 4)).cpu())
    return torch.cat(means).double().numpy(), torch.cat(deviations).double().numpy()


def draw_clear_radius(in_focus: bool, random: np.random.Generator) -> float:
    """Radius that is clearly in focus (up to 0.7 px) or clearly not (1.5 px to the largest).

    In between, the answer is a matter of the limit. Out of focus, small radii are more frequent.
    """
    if in_focus:
        return random.uniform(0, 0.7)
    return 1.5 * float((LARGEST_RADIUS / 1.5) ** (random.uniform() ** 2))


def in_focus_figures(
    network: BlurNetwork, luma: Tensor, scaling: TemperatureScaling, radius: NDArray[np.float64]
) -> dict[str, float]:
    """Return how well in and out of focus are separated, for a depth of field of 1 px.

    Args:
        network: to measure.
        luma: (N, 1, H, W) uint8, patches.
        scaling: temperature of its votes.
        radius: (N,) blur radii, pixels; see `draw_clear_radius`.

    Returns:
        Area under the ROC curve, and accuracy at a probability of 0.5.
    """
    device = next(network.parameters()).device
    within = torch.tensor(network.architecture.radii, device=device) <= 1.0
    temperature = scaling.at((luma.shape[2] // CELL) * (luma.shape[3] // CELL))
    with torch.inference_mode():
        shares = [
            (pool_votes(network(part.to(device).float() / 255)) / temperature).softmax(1)
            for part in luma.split(16)
        ]
    probability = torch.cat(shares)[:, within].sum(1).cpu().double().numpy()
    sharp = radius <= 1.0
    return {
        "auc": area_under_curve(probability, sharp),
        "accuracy": float(((probability > 0.5) == sharp).mean()),
    }


def mean_errors(
    estimate: NDArray[np.float64], deviation: NDArray[np.float64], radius: NDArray[np.float64]
) -> dict[str, float]:
    """Mean absolute errors, pixels, by radius band: of the 85 % with least uncertainty, and of all.

    Args:
        estimate: (N,) blur radius, pixels.
        deviation: (N,) standard deviation of the estimates, pixels.
        radius: (N,) true blur radius, pixels.
    """
    error, figures = np.abs(estimate - radius), {}
    for low, high in ((0, 2), (2, 10), (10, 27), (0, 27), (27, 60)):
        band = (radius >= low) & (radius < high)
        if band.any():
            certain = band & (deviation <= np.quantile(deviation[band], 0.85))
            figures[f"mae/{low}-{high}"] = float(error[certain].mean())
            figures[f"mae_all/{low}-{high}"] = float(error[band].mean())
    return figures
