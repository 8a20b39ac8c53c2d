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
    FUSION_WEIGHTS,
    HOPELESS,
    MEMORY,
    STRIDE,
    FusionState,
)
from aif_ros.fusion.tiles import Merge, merge_tiles
from aif_ros.types.image import Image, to_gray
from aif_ros.weights import WEIGHTS
from aif_ros.weights.device import fast_in_bfloat16
from aif_ros.weights.files import load_weights
from aif_ros.weights.runner import make_runner

ENERGY_SIGMA = 2.0
"""Standard deviation, pixels, of the window that energies are averaged over."""

# Larger images, pixels, are merged in tiles, so that memory stays bounded. Margin around a tile,
# pixels, of the second frame and of later ones: what lies beyond changes nothing that can be seen.
_WHOLE, _FIRST_MARGIN, _MARGIN = 2_500_000, 64, 48

# The scenes of the training move more than most, so that the network takes mismatch for motion. In
# scenes that move little most of it is blur: it is halved.
_TRUSTED = np.float32(0.5)

# Trained mostly on long sequences, in which later frames correct earlier ones, the network decides
# too softly on the second frame, which may be the last: its odds are raised to this power. Faint
# edges are kept, at the cost of noise (0.25 dB on noisy pairs of frames, nothing after ten).
_DECIDED = 3.0

# Log energy: above any that an image in [0, 1] has; the exponential must not overflow.
_LARGEST_LOG = np.float32(10.0)

# A tile in which no block (side in pixels) has more than this share of J's energy would change J
# by less than can be seen (60 dB below full scale or less, on real and rendered stacks).
_BLOCK, _OUTDONE = 16, 0.25


class NeuralFusion:
    """Blends each pixel with weights predicted by a network.

    Args:
        path: weights; default: the shipped ones.
        device: to compute on, see `make_runner`.

    Raises:
        WeightsError: the file is missing, damaged or holds another network.
    """

    def __init__(self, path: str | Path | None = None, device: str = "cpu") -> None:
        network = load_weights(path or WEIGHTS / "fusion.safetensors", FUSION_WEIGHTS).network
        # A third faster where it is at all; four scenes fused so differ by 0.001 dB or less.
        narrow = fast_in_bfloat16(torch.device("cpu"))
        self._run = make_runner(FUSION_WEIGHTS.name, network, device, _example(), bfloat16=narrow)

    def merge(self, image: Image, position: float, fused: Fused | None) -> Fused:
        """Return J(t); see `FusionMethod`."""
        height, width = image.shape[:2]
        if fused is None:
            source = np.full((height, width), position, np.float32)
            memory = np.zeros(((height + 1) // 2, (width + 1) // 2, MEMORY), np.float32)
            return Fused(image, laplacian_energy(image, ENERGY_SIGMA), source, 1, memory=memory)
        if fused.mismatch is not None:
            mismatch = cv2.resize(fused.mismatch, (width, height)).astype(np.float32, copy=False)
            fused = replace(fused, mismatch=mismatch)
        if height * width <= _WHOLE:
            return self._merge(image, position, fused)
        result = Fused(
            np.empty_like(image),
            np.empty_like(fused.sharpness),
            np.empty_like(fused.source_position),
            fused.frames + 1,
            memory=np.empty_like(fused.memory),
        )
        merge_tiles(
            lambda seen, old: self._merge(image[seen], position, old),
            fused,
            result,
            _margin(fused),
        )
        return result

    def for_tiles(self, fused: Fused) -> tuple[Merge, int]:
        """Return what merges a tile, and the margin of tiles; see `TileableMethod`."""
        # Threads within a tile would compete with those that work on other tiles.
        torch.set_num_threads(1)
        return self.merge, _margin(fused)

    def _merge(self, image: Image, position: float, fused: Fused) -> Fused:
        if fused.mismatch is not None:
            fused = _without(fused, image, fused.mismatch >= HOPELESS)
        energy = laplacian_energy(image, ENERGY_SIGMA)
        if fused.mismatch is None and _outdone(energy, fused.sharpness):
            return replace(fused, frames=fused.frames + 1)
        weight, sharpness, memory = self._weigh(image, energy, fused)
        return Fused(
            blend(fused.image, image, weight),
            sharpness,
            np.where(weight > 0.5, np.float32(position), fused.source_position),
            fused.frames + 1,
            memory=memory,
        )

    def _weigh(
        self, image: Image, energy: NDArray[np.float32], fused: Fused
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return the weight of `image`, the new sharpness, each (H, W), and the new memory."""
        assert fused.memory is not None
        height, width = image.shape[:2]
        mismatch = np.zeros_like(fused.sharpness) if fused.mismatch is None else fused.mismatch
        state = FusionState(
            _padded(to_gray(fused.image), STRIDE),
            _padded(_log(fused.sharpness), STRIDE),
            _padded(fused.memory, STRIDE // 2),
            _padded(_TRUSTED * mismatch, STRIDE),
            torch.tensor([float(fused.frames)]),
        )
        results = self._run(_padded(to_gray(image), STRIDE), _padded(_log(energy), STRIDE), state)
        weight, sharpness, memory = (each[0].permute(1, 2, 0).numpy() for each in results)
        log_sharpness = sharpness[:height, :width, 0]
        # An isolated pixel is not chosen differently from all around it: consistency verification,
        # Li et al., Multisensor Image Fusion Using the Wavelet Transform (1995).
        chosen = cv2.medianBlur(np.ascontiguousarray(weight[:height, :width, 0]), 3)
        return (
            _decided(chosen) if fused.frames == 1 else chosen,
            np.maximum(
                np.exp(np.minimum(log_sharpness, _LARGEST_LOG)) - np.float32(ENERGY_FLOOR), 0
            ),
            memory[: (height + 1) // 2, : (width + 1) // 2],
        )


def _example() -> tuple[Tensor, Tensor, FusionState]:
    """Inputs that the engines are compared with: of an image of 256 x 256."""
    plane, memory = torch.zeros(1, 1, 256, 256), torch.zeros(1, MEMORY, 128, 128)
    return plane, plane, FusionState(plane, plane, memory, plane, torch.ones(1))


def _log(energy: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.log(energy + np.float32(ENERGY_FLOOR)))


def _margin(fused: Fused) -> int:
    return _FIRST_MARGIN if fused.frames == 1 else _MARGIN


def _decided(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    new, old = weight**_DECIDED, (1 - weight) ** _DECIDED
    return (new / (new + old)).astype(np.float32, copy=False)


def _outdone(energy: NDArray[np.float32], sharpness: NDArray[np.float32]) -> bool:
    """Whether a frame is so much less sharp than J everywhere that the network would keep J.

    Everywhere is in each block of some pixels: single ones are up to chance.
    """
    size = tuple(max(1, side // _BLOCK) for side in energy.shape[::-1])
    new, old = (
        cv2.resize(plane, size, interpolation=cv2.INTER_AREA) + np.float32(ENERGY_FLOOR)
        for plane in (energy, sharpness)
    )
    return bool((new < _OUTDONE * old).all())


def _padded(plane: NDArray[np.float32], stride: int) -> Tensor:
    """(h, w) or (h, w, C) to (1, C, H, W), both sides multiples of `stride`."""
    down, right = -plane.shape[0] % stride, -plane.shape[1] % stride
    plane = cv2.copyMakeBorder(plane, 0, down, 0, right, cv2.BORDER_REPLICATE)
    return torch.from_numpy(plane).reshape(1, *plane.shape[:2], -1).permute(0, 3, 1, 2)


def _without(fused: Fused, image: Image, wrong: NDArray[np.bool_]) -> Fused:
    """Replace what is wrong by `image`, with sharpness 0 and empty memory."""
    assert fused.memory is not None
    kept = (~wrong).astype(np.float32)
    half = cv2.resize(kept, fused.memory.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return replace(
        fused,
        image=blend(image, fused.image, kept),
        sharpness=fused.sharpness * kept,
        memory=fused.memory * half[..., None],
    )
