"""Scenes of layers: images that are given depth and laid over each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aif_ros.simulation.scenes.scene import SceneView, shifted
from aif_ros.training.fusion_images import draw_image, draw_mask
from aif_ros.training.fusion_statistics import STATISTICS
from aif_ros.types.image import Image


@dataclass(frozen=True)
class Layer:
    """Something at its own depth.

    Attributes:
        image: (H, W, 3) float32.
        mask: (H, W) float32, 1 where it is.
        share: (H, W) float32, focus position as a share of the travel.
    """

    image: Image
    mask: NDArray[np.float32]
    share: NDArray[np.float32]


def stack_layers(layers: Sequence[Layer], shifts: Sequence[NDArray[np.float64]]) -> SceneView:
    """Lay the layers, moved by (right, down) pixels, over each other.

    Args:
        layers: from the farthest to the nearest.
        shifts: (right, down) of each layer, pixels.
    """
    low, high = STATISTICS.travel
    image, share = layers[0].image, layers[0].share
    for layer, (right, down) in zip(layers, shifts, strict=True):
        shift = (float(right), float(down))
        mask = shifted(layer.mask, shift, cv2.INTER_LINEAR) > 0.5
        image = np.where(mask[..., None], np.clip(shifted(layer.image, shift), 0, 1), image)
        share = np.where(mask, shifted(layer.share, shift, cv2.INTER_NEAREST), share)
    focus = low + (high - low) * np.clip(share, 0.0, 1.0)
    return SceneView(image.astype(np.float32), focus.astype(np.float32))


def slice_view(view: SceneView) -> list[Layer]:
    """Cut a scene into slices of depth, the nearest last; behind them the farther ones go on."""
    low, high = STATISTICS.travel
    share = (view.focus_position - low) / (high - low)
    levels = np.clip((share * STATISTICS.slices).astype(int), 0, STATISTICS.slices - 1)
    layers: list[Layer] = []
    for level in np.unique(levels):
        where = ndimage.distance_transform_edt(
            levels > level, return_distances=False, return_indices=True
        )
        mask = (levels == level) | (not layers)
        layers.append(Layer(view.image[tuple(where)], mask.astype(np.float32), share[tuple(where)]))
    return layers


def compose_layers(photos: Sequence[Path], size: int, random: np.random.Generator) -> list[Layer]:
    """A slanted background and objects before it, the nearest last.

    Args:
        photos: files that the surfaces are cut from.
        size: side of the layers, pixels.
        random: source of randomness.
    """
    share = random.uniform(0.05, 0.4) + _slant(size, random)
    image = draw_image(photos, size, random)
    layers = [Layer(image, np.ones_like(share), share)]
    for nearness in np.sort(
        random.uniform(0.1, 0.95, random.integers(1, STATISTICS.most_objects + 1))
    ):
        layers.append(draw_object(photos, size, float(nearness), random))
    return layers


def _slant(size: int, random: np.random.Generator) -> NDArray[np.float32]:
    down, right = np.mgrid[-1 : 1 : 1j * size, -1 : 1 : 1j * size]
    slant = 0.15 * (random.uniform(-1, 1) * right + random.uniform(-1, 1) * down)
    return np.asarray(slant.astype(np.float32))


def draw_object(
    photos: Sequence[Path], size: int, nearness: float, random: np.random.Generator
) -> Layer:
    """Draw an object at a share of the travel, slanted, `size` pixels high and wide.

    Args:
        photos: whose images it can have.
        size: side of the object, pixels.
        nearness: its focus position as a share of the travel, 0 to 1.
        random: source of randomness.
    """
    mask = draw_mask(size, random).astype(np.float32)
    return Layer(
        draw_image(photos, size, random), mask, np.float32(nearness) + 0.2 * _slant(size, random)
    )
