"""Blur estimation from a single image by the blur network.

The network gives votes for each blur radius; divided by a temperature fitted after training, they
are a probability distribution over the radius. Its mean and standard deviation are the estimator's
answer; where it is little narrower than the prior, the radius is unknown. Its mass up to the depth
of field is the discriminator's: the probability to be in focus. A discriminator network of its own,
and one on the same trunk, were measured: neither separates in and out of focus better, and both
can contradict the estimator.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.defocus.network import (
    BLUR_WEIGHTS,
    CELL,
    STRIDE,
    TemperatureScaling,
    log_radius,
    pool_votes,
)
from aif_ros.defocus.patch_blur import PatchBlur
from aif_ros.defocus.sharpness import local_contrast
from aif_ros.types.image import ImageError, check_image, to_float, to_gray
from aif_ros.weights import WEIGHTS
from aif_ros.weights.files import WeightsError, load_weights
from aif_ros.weights.runner import make_runner

UNKNOWN_SPREAD = 0.4
"""Standard deviation of log(1 + radius / 4) from which on a patch's radius counts as unknown.

The prior has 0.85; at 0.4 the radius is known to within a factor of about 1.5.
"""

UNKNOWN_CELL_SPREAD = 0.25
"""The same for a single cell, lower because the errors of repeated estimates are correlated."""

LEAST_CONTRAST = 2 / 255
"""Range of brightness, between blocks of 8 px, below which blur is unknown.

A black or saturated image, which has no noise either, would be classified as strongly blurred.
"""
_BLOCK = 8
"""Side of those blocks, pixels."""
_EXAMPLE = (1, 1, 512, 512)
"""Shape of the input that the engines are compared with: a window of autofocus."""


class NeuralBlurEstimator:
    """Blur estimation by the network, of a whole patch or on a grid of cells about 32 px wide.

    Attributes:
        depth_of_field_px: largest blur radius that counts as in focus, pixels.
        radii: (classes,) float32, blur radii of the classes, pixels, ascending.
        trained_on: fingerprints of the photos the network was trained on.
    """

    def __init__(
        self,
        depth_of_field_px: float = 1.0,
        path: str | Path | None = None,
        device: str = "cpu",
    ) -> None:
        """Load weights.

        Args:
            depth_of_field_px: largest blur radius that counts as in focus, pixels.
            path: safetensors file; default the shipped one.
            device: to compute on, see `make_runner`.

        Raises:
            ValueError: the depth of field is finer or wider than the network's classes.
            WeightsError: the file is missing, damaged or holds another network.
        """
        path = path or WEIGHTS / f"{BLUR_WEIGHTS.name}.safetensors"
        network, fitted, provenance = load_weights(path, BLUR_WEIGHTS)
        self._run = make_runner(BLUR_WEIGHTS.name, network, device, [torch.zeros(_EXAMPLE)])
        self._temperature = _temperature_scaling(fitted, path)
        self.trained_on = frozenset(provenance.trained_on)
        self.radii = torch.tensor(network.architecture.radii)
        self._positions = log_radius(self.radii)
        self.depth_of_field_px = depth_of_field_px
        self._within = torch.from_numpy(
            _share_within(depth_of_field_px, np.array(network.architecture.radii))
        )

    def estimate(self, image: NDArray[Any]) -> DefocusMap:
        """Return the blur over `image`, (H, W) or (H, W, 3), float32 in [0, 1], or 8 or 16 bit.

        The grid has two cells for each 64 px or part of them.

        Raises:
            ImageError: the image is unusable, or smaller than 64 px.
        """
        luma = _luma(image)
        height, width = luma.shape
        padded = _pad(luma)
        with torch.inference_mode():
            votes = self._run(torch.from_numpy(padded)[None, None])
            probabilities = (votes / self._temperature.at(1)).softmax(1)
            estimate = self._summarise(probabilities, UNKNOWN_CELL_SPREAD)
            unknown = estimate[0].isnan() | torch.from_numpy(_range(padded) < LEAST_CONTRAST)
            radius, uncertainty, in_focus = (
                answer[0].masked_fill(unknown[0], torch.nan).numpy()
                for answer in (*estimate, self._in_focus(probabilities))
            )
        seen = local_contrast(luma, (radius.shape[0], radius.shape[1]))
        return DefocusMap(radius, uncertainty, in_focus, seen, (width, height))

    def estimate_patch(self, image: NDArray[Any]) -> PatchBlur:
        """Return the one blur of a patch, (H, W) or (H, W, 3), float32 in [0, 1], or 8 or 16 bit.

        Raises:
            ImageError: the image is unusable, or smaller than 64 px.
        """
        padded = _pad(_luma(image))
        with torch.inference_mode():
            votes = self._run(torch.from_numpy(padded)[None, None])
            temperature = self._temperature.at(votes.shape[2] * votes.shape[3])
            probabilities = (pool_votes(votes) / temperature).softmax(1)
            radius, uncertainty = self._summarise(probabilities, UNKNOWN_SPREAD)
        shares = probabilities[0].numpy()
        known = not bool(radius.isnan())
        if _range(padded).max() < LEAST_CONTRAST:
            known = False
            # A uniform distribution leaves the posterior of a search unchanged.
            shares = np.full_like(shares, 1 / len(shares))
        return PatchBlur(
            float(radius) if known else float("nan"),
            float(uncertainty) if known else float("nan"),
            float(self._in_focus(probabilities)) if known else float("nan"),
            self.radii.numpy(),
            shares,
        )

    def _in_focus(self, probabilities: Tensor) -> Tensor:
        """Probability (B, ...) of a radius within the depth of field, of (B, classes, ...)."""
        mass: Tensor = torch.tensordot(probabilities, self._within, ([1], [0]))
        return mass

    def _summarise(self, probabilities: Tensor, unknown_spread: float) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, pixels, of (B, classes, ...); NaN where unknown."""
        positions = self._positions.view(1, -1, *(1,) * (probabilities.ndim - 2))
        mean = (probabilities * positions).sum(1)
        spread = (probabilities * (positions - mean.unsqueeze(1)).square()).sum(1).sqrt()
        radius = 4 * torch.expm1(mean)
        unknown = spread > unknown_spread
        return (
            radius.masked_fill(unknown, torch.nan),
            (spread * (radius + 4)).masked_fill(unknown, torch.nan),
        )


def _temperature_scaling(fitted: dict[str, float], path: str | Path) -> TemperatureScaling:
    for name in TemperatureScaling._fields:
        if not fitted.get(name, -1.0) >= 0:
            raise WeightsError(
                f"weight file {path} lacks '{name}' of its temperature scaling: train it again"
            )
    return TemperatureScaling(**{name: fitted[name] for name in TemperatureScaling._fields})


def _share_within(limit: float, radii: NDArray[np.float64]) -> NDArray[np.float32]:
    """Share of each class's radii that is at most `limit`.

    A class stands for the radii from half-way to the class before it to half-way to the next.

    Raises:
        ValueError: the limit is finer than the second class, or wider than all.
    """
    if not radii[1] <= limit <= radii[-1]:
        raise ValueError(
            f"the network supports depths of field of {radii[1]:.2g} to {radii[-1]:.3g} px of "
            f"blur radius, got {limit}: use images of another size"
        )
    middles = (radii[1:] + radii[:-1]) / 2
    low, high = np.append(0.0, middles), np.append(middles, radii[-1])
    return np.asarray(np.clip((limit - low) / (high - low), 0, 1), np.float32)


def _luma(image: NDArray[Any]) -> NDArray[np.float32]:
    check_image(image)
    if min(image.shape[:2]) < STRIDE:
        raise ImageError(
            f"blur cannot be estimated from less than {STRIDE} x {STRIDE} px, got "
            f"{image.shape[1]} x {image.shape[0]}"
        )
    if image.ndim == 3 and image.dtype in (np.uint8, np.uint16):
        # Three channels of integers are a quarter of the work of three of floats.
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return to_gray(to_float(image))


def _range(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H / 32, W / 32) range of brightness in each cell, over means of blocks with little noise."""
    height, width = luma.shape
    blocks = cv2.resize(luma, (width // _BLOCK, height // _BLOCK), interpolation=cv2.INTER_AREA)
    side = CELL // _BLOCK
    cells = blocks.reshape(height // CELL, side, width // CELL, side)
    return np.asarray(cells.max(axis=(1, 3)) - cells.min(axis=(1, 3)))


def _pad(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mirror the borders so that whole cells cover the image, as much on either side."""
    height, width = -luma.shape[0] % STRIDE, -luma.shape[1] % STRIDE
    if not height and not width:
        return np.ascontiguousarray(luma)
    top, left = height // 2, width // 2
    return np.asarray(
        cv2.copyMakeBorder(luma, top, height - top, left, width - left, cv2.BORDER_REFLECT_101)
    )
