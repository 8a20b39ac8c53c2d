"""Training of the blur estimator.

The network votes for classes of blur radius, equally spaced in log(1 + r / 4). The loss is the
cross-entropy with the two classes next to the true radius, plus the error of the mean of the
distribution; both of each cell of 64 px and of windows of any size.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import lsq_linear
from torch import Tensor
from torch.nn import functional

from aif_ros.defocus.networks import (
    ESTIMATOR,
    ESTIMATOR_WEIGHTS,
    BlurNetwork,
    log_radius,
    pool_votes,
)
from aif_ros.simulation.patches import draw_planes
from aif_ros.simulation.photos import read_photo
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.training.blur import REFITTING, Batch, BlurTraining, patch_loss
from aif_ros.training.card import About
from aif_ros.training.temperature import stack_luma

_MEAN_WEIGHT = 4.0
"""Weight of the error of the mean, in log(1 + r / 4), beside the cross-entropy."""
_REFIT_UP_TO = 4.0
"""Pixels; see `refit_radii`."""
_STIFFNESS_BEYOND = 30.0
"""Weight that keeps the radii beyond that where they are."""


def _class_positions(device: torch.device) -> Tensor:
    return log_radius(torch.tensor(ESTIMATOR.radii, device=device))


def _cross_entropy(logits: Tensor, radius: Tensor) -> Tensor:
    """Cross-entropy (N,) of logits (N, classes) with the two classes next to radii (N,)."""
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
    return _cross_entropy(logits, radius) + _MEAN_WEIGHT * error


def estimator_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Return the loss of logits (B, classes, h, w); see the module."""
    return patch_loss(logits, batch, _vote_loss)


def refit_radii(
    network: BlurNetwork,
    photos: list[NDArray[np.uint8]],
    temperature: float,
    random: np.random.Generator,
    count: int,
) -> None:
    """Correct the bias near focus by shifting the radii of the classes up to 4 px.

    Photos are never perfectly sharp, and blur below 1 px is hardly visible: the network
    underestimates small radii. The mean of its distribution is linear in the positions of the
    classes; these are fitted by least squares, in ascending order, with neighbours shifted alike.

    Args:
        network: trained, on the CPU; its architecture is replaced.
        photos: (H, W, 3) uint8 each, to make fresh patches of, a third of them in focus.
        temperature: by which to divide its votes for a whole patch.
        random: source of randomness.
        count: number of patches.
    """
    radii = random.uniform(0, _REFIT_UP_TO + 1, count)
    radii[::3] = 0
    planes = draw_planes(photos, radii, 512, random)
    luma = stack_luma([plane.photograph(SensorModel(), random) for plane in planes])
    with torch.inference_mode():
        votes = torch.cat([pool_votes(network(part.float() / 255)) for part in luma.split(16)])
    probabilities = (votes / temperature).softmax(1).double().numpy()
    classes = np.array(network.architecture.radii)
    positions = np.log1p(classes / 4)
    differences = np.diff(np.eye(len(classes)), axis=0)
    fixed = np.diag(np.where(classes > _REFIT_UP_TO, _STIFFNESS_BEYOND, 0.0))
    system = np.concatenate([probabilities, differences, fixed])
    wanted = np.concatenate([np.log1p(radii / 4), differences @ positions, fixed @ positions])
    # In terms of the steps from class to class, order means that none is negative.
    accumulate = np.tril(np.ones((len(classes), len(classes))))
    steps = lsq_linear(system @ accumulate, wanted, bounds=(1e-6, np.inf)).x
    refitted = tuple(float(r) for r in 4 * np.expm1(accumulate @ steps))
    network.architecture = replace(network.architecture, radii=refitted)


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


def mean_errors(
    estimate: NDArray[np.float64], deviation: NDArray[np.float64], radius: NDArray[np.float64]
) -> dict[str, float]:
    """Mean absolute errors, pixels, by radius band, of the surest 85 % of each and of all."""
    error, figures = np.abs(estimate - radius), {}
    for low, high in ((0, 2), (2, 10), (10, 27), (0, 27), (27, 60)):
        band = (radius >= low) & (radius < high)
        if band.any():
            sure = band & (deviation <= np.quantile(deviation[band], 0.85))
            figures[f"mae/{low}-{high}"] = float(error[sure].mean())
            figures[f"mae_all/{low}-{high}"] = float(error[band].mean())
    return figures


class EstimatorTraining(BlurTraining):
    """Training of the blur estimator."""

    kind = ESTIMATOR_WEIGHTS
    architecture = ESTIMATOR
    about = About(
        "Blur estimator",
        "estimates the blur radius, in pixels, and its uncertainty from a single image: luma in, "
        "votes of each cell of 32 px for 64 classes of blur radius out.",
        "Patches are made of these photos and of drawings by the forward model of a camera "
        "(`aif_ros/simulation/patches.py`). A fifth of the photos in the folder, chosen by a hash "
        "of their names, is held out.",
        "On held-out photos, 512 x 512 px, blurred by a disk, noise of sigma 1.5/255: mean "
        "absolute error of the blur radius, in pixels, by ranges of the radius; `mae`: of the "
        "85 % of patches with the least uncertainty, `mae_all`: of all. Votes are divided by the "
        "temperatures.",
        "aif benchmark estimator --photos DIR",
        (
            "A blur radius has no sign: one image cannot tell on which side of focus the lens is.",
            "Photos that are soft themselves read as blurred: the radius is that of all blur.",
            "Radii beyond 64 px read as about that much.",
        ),
    )

    def validation_radii(self, random: np.random.Generator) -> Sequence[float]:
        """Return radii from 0 to nearly the largest, denser near focus."""
        count = self.recipe.validation_patches
        return [float(r) for r in 0.95 * self.recipe.largest * np.linspace(0, 1, count) ** 1.5]

    def cross_entropy(self, logits: Tensor, radius: Tensor) -> Tensor:
        """See `_cross_entropy`."""
        return _cross_entropy(logits, radius)

    def loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """See `estimator_loss`."""
        return estimator_loss(prediction.float(), batch)

    def validate(self, network: BlurNetwork) -> dict[str, float]:
        """Return the errors on held-out photos."""
        return mean_errors(*patch_radius(network, self.luma), self.radii)

    def calibrate(self, network: BlurNetwork) -> dict[str, float]:
        """Fit the temperatures, then the radii of the classes near focus."""
        temperatures = super().calibrate(network)
        refit_radii(
            network,
            [read_photo(path) for path in self.files],
            temperatures["patch_temperature"],
            np.random.default_rng((self.recipe.seed, REFITTING)),
            self.recipe.calibration_patches,
        )
        return temperatures
