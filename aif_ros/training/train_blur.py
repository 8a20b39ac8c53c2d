"""Training of the blur network on photos."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from aif_ros.defocus.network import ARCHITECTURE, BLUR_WEIGHTS, BlurNetwork, TemperatureScaling
from aif_ros.simulation.defocused_planes import draw_planes
from aif_ros.simulation.patches import Patch
from aif_ros.simulation.photos import PhotosError, list_photos, read_photo, split_photos
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.training.blur_data import BlurRecipe, PatchBatch, PatchSource, collate
from aif_ros.training.blur_loss import (
    blur_loss,
    cross_entropy,
    draw_clear_radius,
    in_focus_figures,
    mean_errors,
    patch_radius,
)
from aif_ros.training.card import About
from aif_ros.training.sample_training import SampleTraining
from aif_ros.training.stream import SampleSource
from aif_ros.training.temperature import fit_temperature_scaling, stack_luma

_MEASURED_SIZE = 512
"""Side of the patches to measure on, pixels: that of the papers' windows."""
_MEASURING, _CALIBRATING = 1 << 40, (1 << 40) + 1
"""Seeds of the random numbers of these stages, none of which a group of samples has."""


class BlurTraining(SampleTraining[BlurNetwork]):
    """Training of the blur network on photos, a fifth of which are held out to measure on."""

    recipe: BlurRecipe
    kind = BLUR_WEIGHTS
    about = About(
        "Blur network",
        "estimates from a single image the blur radius, in pixels, its uncertainty, and the "
        "probability that the image is in focus: luma in, votes of each cell of 32 px for 64 "
        "classes of blur radius out.",
        "Patches are made of these photos and of drawings by the forward model of a camera "
        "(`aif_ros/simulation/patches.py`). A fifth of the photos in the folder, chosen by a hash "
        "of their names, is held out.",
        "On held-out photos, 512 x 512 px, blurred by a disk, noise of sigma 1.5/255: "
        "mean absolute error of the blur radius, in pixels, by ranges of the radius; `mae`: of the "
        "85 % of patches with the least uncertainty, `mae_all`: of all; `auc` and `accuracy`: in "
        "focus (radius up to 0.7 px) against out of focus (1.5 px and more), for a depth of field "
        "of 1 px. Votes of n cells, added up and divided by sqrt(n), are divided by "
        "`temperature` times n to the power of `growth`.",
        "aif benchmark estimator --photos DIR",
        (
            "A blur radius has no sign: one image does not show the side of focus the lens is on.",
            "Photos that are soft themselves read as blurred: the radius is that of all blur.",
            "Radii beyond 64 px read as about that much.",
        ),
    )

    def __init__(self, recipe: BlurRecipe, photos: str | Path) -> None:
        """List the photos and make what to measure on.

        Args:
            recipe: how to train.
            photos: folder of sharp photos; see `list_photos`.

        Raises:
            PhotosError: the folder holds no photos that can serve.
        """
        self.recipe = recipe
        self._scaling = TemperatureScaling(1.0, 0.0)
        self.files, held_out = split_photos(list_photos(photos))
        if not self.files or not held_out:
            raise PhotosError(f"{photos} holds too few photos to train on some and keep some")
        source = PatchSource(self.files, recipe)
        self.sources = [SampleSource("patches", source, recipe.patches_per_crop)]
        random = np.random.default_rng((recipe.seed, _MEASURING))
        count = recipe.validation_patches
        # From 0 to nearly the largest, denser near focus; in and out of focus in turn.
        self._radii = 0.95 * recipe.largest * np.linspace(0, 1, count) ** 1.5
        self._clear_radii = np.array(
            [draw_clear_radius(number % 2 == 0, random) for number in range(count)]
        )
        images = [read_photo(path) for path in held_out]
        self._luma, self._clear_luma = (
            stack_luma(
                [
                    plane.photograph(SensorModel(), random)
                    for plane in draw_planes(images, radii, _MEASURED_SIZE, random)
                ]
            )
            for radii in (self._radii, self._clear_radii)
        )

    def build(self) -> BlurNetwork:
        """Return the untrained network."""
        return BlurNetwork(ARCHITECTURE)

    def collate(self, samples: Sequence[Patch], random: np.random.Generator) -> PatchBatch:
        """See `collate`."""
        return collate(samples, random)

    def predict(self, network: nn.Module, batch: PatchBatch) -> Tensor:
        """Return the votes (B, classes, h, w) of a batch."""
        luma = batch.luma[:, None].float() / 255
        votes: Tensor = network(luma.contiguous(memory_format=torch.channels_last))
        return votes

    def loss(self, prediction: Tensor, batch: PatchBatch) -> Tensor:
        """See `blur_loss`."""
        return blur_loss(prediction.float(), batch)

    def validate(self, network: BlurNetwork) -> dict[str, float]:
        """Return errors of the radius, and how well in and out of focus are separated."""
        errors = mean_errors(*patch_radius(network, self._luma), self._radii)
        scaling = self._scaling
        return errors | in_focus_figures(network, self._clear_luma, scaling, self._clear_radii)

    def fit_temperature(self, network: BlurNetwork) -> dict[str, float]:
        """Fit the temperature of the votes."""
        self._scaling = fit_temperature_scaling(
            network,
            [read_photo(path) for path in self.files],
            cross_entropy,
            np.random.default_rng((self.recipe.seed, _CALIBRATING)),
            self.recipe.calibration_patches,
        )
        return self._scaling._asdict()
