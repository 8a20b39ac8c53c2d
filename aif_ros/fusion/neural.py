"""Fusion by a small network that corrects the classical choice; see `network.py`."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aif_ros.fusion.fusion import Fused, blend
from aif_ros.fusion.laplacian import laplacian_energy
from aif_ros.fusion.network import (
    ENERGY_FLOOR,
    HOPELESS,
    MEMORY,
    STRIDE,
    State,
    load_network,
)
from aif_ros.images import Image, to_gray
from aif_ros.resources import weights_directory

ENERGY_SIGMA = 2.0
"""Standard deviation, pixels, of the window that energies are averaged over."""

# Pictures of more pixels than this are worked on in tiles, so that memory stays bounded; what lies
# beyond the margin has no part in a pixel that could be seen.
_WHOLE, _TILE, _MARGIN = 2_500_000, 512, 64


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
        height, width = image.shape[:2]
        source = np.full((height, width), position, np.float32)
        if fused is None:
            memory = np.zeros(((height + 1) // 2, (width + 1) // 2, MEMORY), np.float32)
            return Fused(image, laplacian_energy(image, ENERGY_SIGMA), source, 1, memory=memory)
        if fused.mismatch is not None:
            mismatch = cv2.resize(fused.mismatch, (width, height)).astype(np.float32, copy=False)
            fused = replace(fused, mismatch=mismatch)
        result = Fused(
            np.empty_like(image),
            np.empty_like(source),
            source,
            fused.frames + 1,
            memory=np.empty_like(fused.memory),
        )
        side = _TILE if height * width > _WHOLE else max(height, width)
        for top in range(0, height, side):
            for left in range(0, width, side):
                self._merge_tile(image, fused, result, top, left, side)
        return result

    def _merge_tile(
        self, image: Image, fused: Fused, result: Fused, top: int, left: int, side: int
    ) -> None:
        """Write the tile of that side that begins at `top`, `left` into `result`."""
        assert fused.memory is not None
        assert result.memory is not None
        above, before = min(top, _MARGIN), min(left, _MARGIN)
        seen = (
            slice(top - above, top + side + _MARGIN),
            slice(left - before, left + side + _MARGIN),
        )
        tile, position = image[seen], result.source_position[top, left]
        old = Fused(
            fused.image[seen],
            fused.sharpness[seen],
            fused.source_position[seen],
            fused.frames,
            None if fused.mismatch is None else fused.mismatch[seen],
            fused.memory[_halved(seen)],
        )
        if old.mismatch is not None:
            old = _without(old, tile, old.mismatch >= HOPELESS)
        weight, sharpness, memory = self._weigh(tile, old)
        inner = (slice(above, above + side), slice(before, before + side))
        place = (slice(top, top + side), slice(left, left + side))
        result.image[place] = blend(old.image, tile, weight)[inner]
        result.sharpness[place] = sharpness[inner]
        result.source_position[place] = np.where(weight > 0.5, position, old.source_position)[inner]
        result.memory[_halved(place)] = memory[_halved(inner)]

    def _weigh(
        self, image: Image, fused: Fused
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return the weight of `image`, the new sharpness, each (H, W), and the new memory."""
        assert fused.memory is not None
        height, width = image.shape[:2]
        mismatch = np.zeros_like(fused.sharpness) if fused.mismatch is None else fused.mismatch
        energy = _padded(_log(laplacian_energy(image, ENERGY_SIGMA)), STRIDE)
        state = State(
            _padded(to_gray(fused.image), STRIDE),
            _padded(_log(fused.sharpness), STRIDE),
            _padded(fused.memory, STRIDE // 2),
            _padded(mismatch, STRIDE),
            torch.tensor([float(fused.frames)]),
        )
        with torch.inference_mode():
            results = self._network(_padded(to_gray(image), STRIDE), energy, state)
        weight, sharpness, memory = (each[0].permute(1, 2, 0).numpy() for each in results)
        log_sharpness = sharpness[:height, :width, 0]
        return (
            weight[:height, :width, 0],
            np.maximum(np.exp(log_sharpness) - np.float32(ENERGY_FLOOR), 0),
            memory[: (height + 1) // 2, : (width + 1) // 2],
        )


def _log(energy: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.log(energy + np.float32(ENERGY_FLOOR))


def _padded(plane: NDArray[np.float32], stride: int) -> Tensor:
    """(h, w) or (h, w, C) to (1, C, H, W), both sides multiples of `stride`."""
    down, right = -plane.shape[0] % stride, -plane.shape[1] % stride
    plane = cv2.copyMakeBorder(plane, 0, down, 0, right, cv2.BORDER_REPLICATE)
    return torch.from_numpy(plane).reshape(1, *plane.shape[:2], -1).permute(0, 3, 1, 2)


def _halved(place: tuple[slice, slice]) -> tuple[slice, slice]:
    """The same place in the memory, at half the resolution; all but ends at the border are even."""
    rows, columns = place
    return (
        slice(rows.start // 2, (rows.stop + 1) // 2),
        slice(columns.start // 2, (columns.stop + 1) // 2),
    )


def _without(fused: Fused, image: Image, wrong: NDArray[np.bool_]) -> Fused:
    """Put `image`, with sharpness 0 and nothing to remember, in the place of what is wrong."""
    assert fused.memory is not None
    kept = (~wrong).astype(np.float32)
    half = cv2.resize(kept, fused.memory.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return replace(
        fused,
        image=blend(image, fused.image, kept),
        sharpness=fused.sharpness * kept,
        memory=fused.memory * half[..., None],
    )
