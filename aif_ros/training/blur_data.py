"""Recipe, patches and batches of the training of the blur network."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from aif_ros.simulation.patches import Patch, training_patches
from aif_ros.simulation.photos import PhotosError, read_photo
from aif_ros.training.recipe import SampleRecipe
from aif_ros.training.window_pooling import pool_random_window
from aif_ros.types.checked import CHECKED

_TRIES = 400
"""Crops in a row without anything sharp in them before the photos are given up."""


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class BlurRecipe(SampleRecipe):
    """Recipe of the blur network.

    Attributes:
        size: side of a patch, pixels.
        largest: largest blur radius, pixels.
        patches_per_crop: patches of different blur made of each crop of a photo: its Fourier
            transform is computed once.
        validation_patches: for each head, made of held-out photos.
        calibration_patches: made to fit the temperatures, of the photos trained on.
    """

    size: Annotated[int, Field(ge=64, le=1024, multiple_of=64)]
    largest: Annotated[float, Field(gt=1, le=64)]
    patches_per_crop: Annotated[int, Field(ge=1, le=64)]
    validation_patches: Annotated[int, Field(ge=2, le=10_000)]
    calibration_patches: Annotated[int, Field(ge=2, le=10_000)]


class PatchBatch(NamedTuple):
    """B patches of H x W pixels.

    Attributes:
        luma: (B, H, W) uint8.
        radius: (B, H / 64, W / 64) float32, blur radius, pixels.
        weight: the same shape, trust in it.
        one_depth: (B,) bool, whether the patch has one radius.
    """

    luma: Tensor
    radius: Tensor
    weight: Tensor
    one_depth: Tensor

    def to(self, device: torch.device) -> "PatchBatch":
        """Return it on another device."""
        return PatchBatch(*(value.to(device) for value in self))


class PatchSource:
    """Makes groups of patches; each depends on seed and index only.

    Args:
        photos: sharp ones.
        recipe: sizes and seed.
    """

    def __init__(self, photos: Sequence[Path], recipe: BlurRecipe) -> None:
        self._photos, self._recipe = list(photos), recipe
        self._read: dict[Path, NDArray[np.uint8]] = {}

    def __call__(self, index: int) -> list[Patch]:
        """Return `patches_per_crop` patches of one photo.

        Raises:
            PhotosError: a photo cannot be read, or hardly any has something sharp in it.
        """
        recipe = self._recipe
        random = np.random.default_rng((recipe.seed, index))
        for _ in range(_TRIES):
            path = self._photos[random.integers(len(self._photos))]
            if path not in self._read:
                self._read[path] = read_photo(path)
            photo = self._read[path]
            if min(photo.shape[:2]) <= recipe.size:
                continue
            patches = list(
                training_patches(
                    photo, recipe.size, recipe.patches_per_crop, random, largest=recipe.largest
                )
            )
            if patches:
                return patches
        raise PhotosError(
            f"none of {_TRIES} crops of these {len(self._photos)} photos is sharp: they must be "
            f"more than {recipe.size} px high and wide, and not blurred, black or saturated"
        )


def collate(samples: Sequence[Patch], random: np.random.Generator) -> PatchBatch:
    """Make a batch of patches, all mirrored and transposed in the same way."""
    axes = tuple(axis for axis in (1, 2) if random.random() < 0.5)
    transpose = random.random() < 0.5

    def turned(values: list[NDArray[Any]]) -> Tensor:
        stacked = np.flip(np.stack(values), axes)
        return torch.from_numpy((stacked.transpose(0, 2, 1) if transpose else stacked).copy())

    return PatchBatch(
        turned([patch.luma for patch in samples]),
        turned([patch.radius for patch in samples]),
        turned([patch.weight for patch in samples]).float(),
        torch.tensor([patch.one_depth for patch in samples]),
    )


def patch_loss(
    logits: Tensor, batch: PatchBatch, loss: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Return the loss of the votes of each labelled cell, plus that of a window of random size.

    Args:
        logits: (B, classes, h, w), votes of each cell of 32 px.
        batch: of patches.
        loss: (N,) of logits (N, classes) for radii (N,).
    """

    def mean(logits: Tensor, radius: Tensor, weight: Tensor) -> Tensor:
        return (loss(logits, radius) * weight).sum() / weight.sum().clamp(min=1)

    # The mean of 2 x 2 votes, times 2: pooled as by `pool_votes`.
    cells = 2 * functional.avg_pool2d(logits, 2)
    dense = mean(
        cells.permute(0, 2, 3, 1).flatten(0, 2), batch.radius.flatten(), batch.weight.flatten()
    )
    votes, trust = pool_random_window(logits, batch.weight)
    return dense + mean(votes, batch.radius[:, 0, 0], batch.one_depth * trust)
