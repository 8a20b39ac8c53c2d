"""Training of the in-focus discriminator.

The network votes on "the radius is at most d" for several d, so that one training serves lenses
of different depth of field. The loss is the binary cross-entropy, mean over all d; of each cell of
64 px and of windows of any size.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from aif_ros.defocus.networks import DISCRIMINATOR, DISCRIMINATOR_WEIGHTS, BlurNetwork, pool_votes
from aif_ros.simulation.metrics import area_under_curve
from aif_ros.simulation.patches import LARGEST_RADIUS
from aif_ros.training.blur import Batch, BlurTraining, patch_loss
from aif_ros.training.card import About

_DEFAULT_LIMIT = 1.0
"""Blur radius, pixels, up to which an image counts as in focus by default."""
_DEFAULT_CLASS = DISCRIMINATOR.radii.index(_DEFAULT_LIMIT)


def _cross_entropy(logits: Tensor, radius: Tensor) -> Tensor:
    """Binary cross-entropy (N,) of logits (N, classes) for radii (N,), mean over the classes."""
    limits = torch.tensor(DISCRIMINATOR.radii, device=logits.device)
    target = (radius[:, None] <= limits).float()
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(1)


def discriminator_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Return the loss of logits (B, classes, h, w); see the module."""
    return patch_loss(logits, batch, _cross_entropy)


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

    In between, the answer is a matter of the limit. Out of focus, small radii are more frequent.
    """
    if in_focus:
        return random.uniform(0, 0.7)
    return 1.5 * float((LARGEST_RADIUS / 1.5) ** (random.uniform() ** 2))


class DiscriminatorTraining(BlurTraining):
    """Training of the in-focus discriminator."""

    kind = DISCRIMINATOR_WEIGHTS
    architecture = DISCRIMINATOR
    about = About(
        "In-focus discriminator",
        "estimates the probability that an image is in focus, for any depth of field of 0.5 to "
        "3 px of blur radius: luma in, votes of each cell of 32 px for each of six limits out.",
        "Patches are made of these photos and of drawings by the forward model of a camera "
        "(`aif_ros/simulation/patches.py`). A fifth of the photos in the folder, chosen by a hash "
        "of their names, is held out.",
        "On held-out photos, 512 x 512 px, blurred by a disk, noise of sigma 1.5/255: in focus "
        "(radius up to 0.7 px) against out of focus (1.5 px and more), for a limit of 1 px. Votes "
        "are divided by the temperatures.",
        "aif benchmark estimator --photos DIR",
        ("Photos that are soft themselves read as blurred: the radius is that of all blur.",),
    )

    def validation_radii(self, random: np.random.Generator) -> Sequence[float]:
        """Return radii in and out of focus in turn."""
        return [
            draw_clear_radius(number % 2 == 0, random)
            for number in range(self.recipe.validation_patches)
        ]

    def cross_entropy(self, logits: Tensor, radius: Tensor) -> Tensor:
        """See `_cross_entropy`."""
        return _cross_entropy(logits, radius)

    def loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """See `discriminator_loss`."""
        return discriminator_loss(prediction.float(), batch)

    def validate(self, network: BlurNetwork) -> dict[str, float]:
        """Return the area under the ROC curve and the accuracy on held-out photos."""
        score, sharp = in_focus_logit(network, self.luma), self.radii < _DEFAULT_LIMIT
        return {
            "auc": area_under_curve(score, sharp),
            "accuracy": float(((score > 0) == sharp).mean()),
        }
