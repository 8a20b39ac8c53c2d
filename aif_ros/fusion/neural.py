"""Fusion by a small network that corrects the classical choice; see `network.py`."""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aif_ros.fusion.fusion import Fused, blend
from aif_ros.fusion.laplacian import laplacian_energy
from aif_ros.fusion.network import ENERGY_FLOOR, STRIDE, load_network
from aif_ros.images import Image, to_gray
from aif_ros.resources import weights_directory

ENERGY_SIGMA = 2.0
"""Standard deviation, pixels, of the window that energies are averaged over."""

# Larger pictures are worked on in tiles, so that memory stays bounded; the network sees no farther
# than the margin.
_TILE, _MARGIN = 1536, 128


class NeuralFusion:
    """Blends each pixel with weights that a network gives.

    Args:
        path: weights; default: the shipped ones.

    Raises:
        WeightsError: the file is missing, damaged or holds another network.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._network = load_network(path or weights_directory() / "fusion.safetensors")

    def merge(self, image: Image, position: float, fused: Fused | None) -> Fused:
        """Return J(t); see `FusionMethod`."""
        energy = laplacian_energy(image, ENERGY_SIGMA)
        if fused is None:
            return Fused(image, energy, np.full(energy.shape, position, np.float32), 1)
        weight, sharpness = self._weigh(image, energy, fused)
        return Fused(
            blend(fused.image, image, weight),
            sharpness,
            np.where(weight > 0.5, np.float32(position), fused.source_position),
            fused.frames + 1,
        )

    def _weigh(
        self, image: Image, energy: NDArray[np.float32], fused: Fused
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the weight of `image` and the new sharpness, each (H, W)."""
        planes = np.stack(
            [
                to_gray(image),
                to_gray(fused.image),
                np.log(energy + np.float32(ENERGY_FLOOR)),
                np.log(fused.sharpness + np.float32(ENERGY_FLOOR)),
            ]
        )
        height, width = energy.shape
        weight, sharpness = np.empty_like(energy), np.empty_like(energy)
        for top in range(0, height, _TILE):
            for left in range(0, width, _TILE):
                above, before = min(top, _MARGIN), min(left, _MARGIN)
                bottom, right = min(top + _TILE, height), min(left + _TILE, width)
                tile = planes[:, top - above : bottom + _MARGIN, left - before : right + _MARGIN]
                inner = (
                    slice(above, above + bottom - top),
                    slice(before, before + right - left),
                )
                results = self._weigh_tile(tile, fused.frames)
                weight[top:bottom, left:right] = results[0][inner]
                sharpness[top:bottom, left:right] = results[1][inner]
        return weight, np.maximum(np.exp(sharpness) - np.float32(ENERGY_FLOOR), 0)

    def _weigh_tile(
        self, planes: NDArray[np.float32], frames: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        height, width = planes.shape[1:]
        down, right = -height % STRIDE, -width % STRIDE
        inputs: list[Tensor] = [
            torch.from_numpy(cv2.copyMakeBorder(plane, 0, down, 0, right, cv2.BORDER_REPLICATE))[
                None, None
            ]
            for plane in planes
        ]
        with torch.inference_mode():
            results = self._network(*inputs, torch.tensor([float(frames)]))
        weight, sharpness = (result[0, 0, :height, :width].numpy() for result in results)
        return weight, sharpness
