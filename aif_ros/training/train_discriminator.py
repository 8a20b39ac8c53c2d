"""Training of the in-focus discriminator.

The network votes on "the radius is at most d" for several d, so that one training serves lenses
of different depth of field. Each vote is a binary decision with its own cross-entropy, of each
64-px cell and of the whole patch.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from aif_ros.defocus.networks import DISCRIMINATOR, DISCRIMINATOR_WEIGHTS, BlurNetwork, pool_votes
from aif_ros.simulation.metrics import area_under_curve
from aif_ros.simulation.patches import LARGEST_RADIUS, draw_planes
from aif_ros.simulation.photos import fingerprint, list_photos, read_photo, split_photos
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.training.blur_training import Batch, Settings, is_first_process, train
from aif_ros.training.model_card import write_model_card
from aif_ros.training.temperature import calibrate, stack_luma
from aif_ros.training.window_pooling import pool_random_window
from aif_ros.weights.files import Provenance, save_weights

_VALIDATION_PATCHES = 300
_DEFAULT_CLASS = DISCRIMINATOR.radii.index(1.0)
# Beyond 32 px all blur is alike to a network of fine detail.
SETTINGS: dict[str, float] = {"largest": 32.0, "reuse": 4}
"""What differs from the default settings of a training."""


def _cross_entropy(logits: Tensor, radius: Tensor) -> Tensor:
    """Binary cross-entropy (N,) of logits (N, classes) for radii (N,), mean over the classes."""
    limits = torch.tensor(DISCRIMINATOR.radii, device=logits.device)
    target = (radius[:, None] <= limits).float()
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(1)


def _vote_loss(logits: Tensor, radius: Tensor, weight: Tensor) -> Tensor:
    return (_cross_entropy(logits, radius) * weight).sum() / weight.sum().clamp(min=1)


def discriminator_loss(logits: Tensor, batch: Batch) -> Tensor:
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


def in_focus_logit(network: BlurNetwork, luma: Tensor) -> NDArray[np.float64]:
    """Logit of "radius <= 1 px" of each patch (N, 1, H, W), uint8."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        votes = [
            pool_votes(network(part.to(device).float() / 255))[:, _DEFAULT_CLASS]
            for part in luma.split(16)
        ]
    return torch.cat(votes).cpu().double().numpy()


def draw_clear_radius(in_focus: bool, random: np.random.Generator) -> float:
    """Radius that is clearly in focus (up to 0.7 px) or clearly not (1.5 px to the largest).

    Nobody is asked to tell 0.9 px from 1.1. Out of focus the small ones are more frequent.
    """
    if in_focus:
        return random.uniform(0, 0.7)
    return 1.5 * float((LARGEST_RADIUS / 1.5) ** (random.uniform() ** 2))


def train_and_save(
    folder_of_photos: str | Path,
    settings: Settings,
    folder: Path,
    output: Path,
    command: str,
    *,
    resume: bool = False,
) -> dict[str, float]:
    """Train the discriminator on a folder of photos, find its temperatures, write weights and card.

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
    sharp = np.arange(_VALIDATION_PATCHES) % 2 == 0
    radii = [draw_clear_radius(bool(in_focus), random) for in_focus in sharp]
    planes = draw_planes([read_photo(path) for path in held_out], radii, 512, random)
    luma = stack_luma([plane.photograph(SensorModel(), random) for plane in planes])

    def validate(network: BlurNetwork) -> dict[str, float]:
        score = in_focus_logit(network, luma)
        return {
            "auc": area_under_curve(score, sharp),
            "accuracy": float(((score > 0) == sharp).mean()),
        }

    network, figures = train(
        DISCRIMINATOR, discriminator_loss, validate, paths, settings, folder, resume=resume
    )
    if is_first_process():
        notes = calibrate(network, [read_photo(path) for path in paths], _cross_entropy, random)
        figures = {**figures, **notes}
        trained_on = [fingerprint(path) for path in paths]
        provenance = Provenance(asdict(settings), trained_on=tuple(trained_on))
        save_weights(output, DISCRIMINATOR_WEIGHTS, network, notes, provenance)
        card = output.with_suffix(".md")
        write_model_card(
            card, "discriminator", network, command, settings, paths, len(held_out), figures
        )
    return figures
