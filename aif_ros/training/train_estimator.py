"""Training of the blur estimator.

The network votes for classes of blur radius, `log(1 + r / 4)` apart alike. The loss asks for the
right distribution (cross-entropy with the two classes next to the truth) and for its mean to be
right, of each 64-px cell and of the whole patch.
"""

from dataclasses import asdict, replace
from pathlib import Path

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
from aif_ros.simulation.photos import fingerprint, list_photos, read_photo, split_photos
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.training.blur_training import Batch, Settings, is_first_process, train
from aif_ros.training.model_card import write_model_card
from aif_ros.training.temperature import calibrate, stack_luma
from aif_ros.training.window_pooling import pool_random_window
from aif_ros.weights.files import Provenance, save_weights

_MEAN_WEIGHT = 4.0
_VALIDATION_PATCHES = 256
_REFIT_PATCHES = 300
_REFIT_UP_TO = 4.0
_STIFFNESS_BEYOND = 30.0
SETTINGS: dict[str, float] = {"reuse": 4}
"""What differs from the default settings of a training."""


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


def _vote_loss(logits: Tensor, radius: Tensor, weight: Tensor) -> Tensor:
    """Mean loss of logits (N, classes) for true radii (N,)."""
    mean = logits.softmax(1) @ _class_positions(logits.device)
    error = (mean - log_radius(radius)).abs()
    loss = _cross_entropy(logits, radius) + _MEAN_WEIGHT * error
    return (loss * weight).sum() / weight.sum().clamp(min=1)


def estimator_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Loss of the votes for each 64-px cell and for the patch as a whole."""
    cells = 2 * functional.avg_pool2d(logits, 2)
    dense = _vote_loss(
        cells.permute(0, 2, 3, 1).flatten(0, 2),
        batch["radius"].flatten(),
        batch["weight"].flatten(),
    )
    votes, trust = pool_random_window(logits, batch["weight"])
    whole = _vote_loss(votes, batch["radius"][:, 0, 0], batch["one_depth"] * trust)
    return dense + whole


def refit_radii(
    network: BlurNetwork,
    photos: list[NDArray[np.uint8]],
    temperature: float,
    random: np.random.Generator,
) -> None:
    """Shift the radii up to 4 px that the network's classes stand for, against its bias.

    Photos are never perfectly sharp, and below 1 px there is hardly anything to see: the network
    learns to read too little near focus. Its mean is linear in the classes' positions: these are
    found by least squares, kept in order, neighbours shifted about alike.

    Args:
        network: trained, on the CPU; its architecture is replaced.
        photos: (H, W, 3) uint8 each, to make fresh patches of, a third of them in focus.
        temperature: by which to divide its votes for a whole patch.
        random: source of randomness.
    """
    radii = random.uniform(0, _REFIT_UP_TO + 1, _REFIT_PATCHES)
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


def train_and_save(
    folder_of_photos: str | Path,
    settings: Settings,
    folder: Path,
    output: Path,
    command: str,
    *,
    resume: bool = False,
) -> dict[str, float]:
    """Train the estimator on a folder of photos, find its temperatures, write weights and card.

    Args:
        folder_of_photos: sharp photos; see `list_photos`.
        settings: how to train.
        folder: for the checkpoint and TensorBoard.
        output: weights to write, ending in .safetensors; the card is written beside them.
        command: what does so, for the card.
        resume: go on from the folder's checkpoint.

    Returns:
        Figures on held-out photos.

    Raises:
        PhotosError: the folder holds no photos that can serve.
    """
    paths, held_out = split_photos(list_photos(folder_of_photos))
    random = np.random.default_rng(settings.seed + 1)
    radii = 0.95 * settings.largest * np.linspace(0, 1, _VALIDATION_PATCHES) ** 1.5
    planes = draw_planes([read_photo(path) for path in held_out], radii, 512, random)
    luma = stack_luma([plane.photograph(SensorModel(), random) for plane in planes])

    def validate(network: BlurNetwork) -> dict[str, float]:
        return mean_errors(*patch_radius(network, luma), radii)

    network, figures = train(
        ESTIMATOR, estimator_loss, validate, paths, settings, folder, resume=resume
    )
    if is_first_process():
        read = [read_photo(path) for path in paths]
        notes = calibrate(network, read, _cross_entropy, random)
        refit_radii(network, read, notes["patch_temperature"], random)
        figures = {**figures, **validate(network), **notes}
        trained_on = [fingerprint(path) for path in paths]
        provenance = Provenance(asdict(settings), trained_on=tuple(trained_on))
        save_weights(output, ESTIMATOR_WEIGHTS, network, notes, provenance)
        card = output.with_suffix(".md")
        write_model_card(
            card, "estimator", network, command, settings, paths, len(held_out), figures
        )
    return figures
