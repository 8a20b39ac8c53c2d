"""Blur estimation from a single image by the two networks: estimator and discriminator.

The estimator gives a vote for each blur radius; the votes, scaled by a temperature calibrated after
training, are a probability distribution over the radius, whose mean and standard deviation are the
estimate. Where it is little narrower than the prior, the radius is unknown. The discriminator
evaluates the finest detail only, and classifies whether the blur is within the depth of field.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.defocus.networks import (
    CELL,
    DISCRIMINATOR_WEIGHTS,
    ESTIMATOR_WEIGHTS,
    STRIDE,
    BlurNetwork,
    log_radius,
    pool_votes,
)
from aif_ros.defocus.sharpness import local_contrast
from aif_ros.types.image import ImageError, check_image, to_float, to_gray
from aif_ros.weights import WEIGHTS
from aif_ros.weights.device import choose_device, infer
from aif_ros.weights.files import NetworkKind, WeightsError, load_weights

UNKNOWN_SPREAD = 0.4
"""Standard deviation of log(1 + radius / 4) from which on a patch's radius counts as unknown.

The prior has 0.85; at 0.4 the radius is known to within a factor of about 1.5.
"""

UNKNOWN_CELL_SPREAD = 0.25
"""The same for a single cell, lower because the errors of repeated estimates are correlated."""

CLEARLY_BLURRED = 3.0
"""Blur radius, in depths of field, beyond which a cell cannot be in focus."""

LEAST_CONTRAST = 2 / 255
"""Range of brightness, between blocks of 8 px, below which blur is unknown.

A black or saturated image, which has no noise either, would be classified as strongly blurred.
"""
_BLOCK = 8


@dataclass(frozen=True)
class PatchBlur:
    """Blur of one patch as a whole.

    Attributes:
        radius: blur radius >= 0, pixels; NaN: unknown.
        uncertainty: standard deviation of `radius`, pixels; NaN likewise.
        in_focus: probability that the blur is within the depth of field; NaN likewise.
        radii: (n,) float32, blur radii, pixels, ascending.
        probabilities: (n,) float32, probability of each of `radii`; sums to 1; uniform where there
            is no contrast.
    """

    radius: float
    uncertainty: float
    in_focus: float
    radii: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class _CalibratedNetwork:
    """A blur network with its temperatures, loaded from a weight file.

    Args:
        kind: of the network.
        path: safetensors file; None: the shipped one.
        device: to compute on, see `choose_device`.

    Raises:
        WeightsError: the file is missing, damaged or holds another network.
    """

    def __init__(
        self, kind: NetworkKind[BlurNetwork], path: str | Path | None, device: str
    ) -> None:
        path = path or WEIGHTS / f"{kind.name}.safetensors"
        network, calibration, provenance = load_weights(path, kind)
        self._network = network.to(choose_device(device))
        self._classes = network.architecture.radii
        self._temperature = _temperature(calibration, "patch_temperature", path)
        self._cell_temperature = _temperature(calibration, "cell_temperature", path)
        self.trained_on = frozenset(provenance.trained_on)


class RadiusEstimator(_CalibratedNetwork):
    """The estimator network with its calibration: luma to a distribution over the radius.

    Attributes:
        radii: (classes,) blur radii, pixels, ascending.
        trained_on: fingerprints of the photos it was trained on.
    """

    def __init__(self, path: str | Path | None = None, device: str = "cpu") -> None:
        """Load weights.

        Args:
            path: safetensors file; default the shipped one.
            device: to compute on, see `choose_device`.

        Raises:
            WeightsError: the file is missing, damaged or holds another network.
        """
        super().__init__(ESTIMATOR_WEIGHTS, path, device)
        self.radii = torch.tensor(self._classes)
        self._positions = log_radius(self.radii)

    def patch(self, luma: Tensor) -> Tensor:
        """Luma (B, 1, H, W) to probabilities (B, classes) of the whole patch."""
        return (pool_votes(infer(self._network, luma)) / self._temperature).softmax(1)

    def cells(self, luma: Tensor) -> Tensor:
        """Luma (B, 1, H, W) to probabilities (B, classes, H / 32, W / 32) of each cell."""
        result: Tensor = (infer(self._network, luma) / self._cell_temperature).softmax(1)
        return result

    def summarise(
        self, probabilities: Tensor, unknown_spread: float = UNKNOWN_SPREAD
    ) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, pixels, of (B, classes, ...); NaN where unknown."""
        shape = (1, -1, *(1,) * (probabilities.ndim - 2))
        positions = self._positions.view(shape)
        mean = (probabilities * positions).sum(1)
        spread = (probabilities * (positions - mean.unsqueeze(1)).square()).sum(1).sqrt()
        radius = 4 * torch.expm1(mean)
        unknown = spread > unknown_spread
        return (
            radius.masked_fill(unknown, torch.nan),
            (spread * (radius + 4)).masked_fill(unknown, torch.nan),
        )


class FocusDiscriminator(_CalibratedNetwork):
    """The discriminator network with its calibration: luma to the probability to be in focus.

    Attributes:
        depth_of_field_px: largest blur radius that counts as in focus, pixels.
        trained_on: fingerprints of the photos it was trained on.
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
            device: to compute on, see `choose_device`.

        Raises:
            ValueError: the depth of field is outside the range that the network was trained for.
            WeightsError: the file is missing, damaged or holds another network.
        """
        super().__init__(DISCRIMINATOR_WEIGHTS, path, device)
        limits = np.array(self._classes)
        self.depth_of_field_px = depth_of_field_px
        if not limits[0] <= depth_of_field_px <= limits[-1]:
            raise ValueError(
                f"the discriminator supports depths of field of {limits[0]} to {limits[-1]} px of "
                f"blur radius, got {depth_of_field_px}: use images of another size"
            )
        # Between two limits of the network, votes are interpolated linearly.
        votes = [np.interp(depth_of_field_px, limits, row) for row in np.eye(len(limits))]
        self._vote = torch.tensor(np.array(votes, np.float32))

    def patch(self, luma: Tensor) -> Tensor:
        """Luma (B, 1, H, W) to the probability (B,) that the whole patch is in focus."""
        return (pool_votes(infer(self._network, luma)) @ self._vote / self._temperature).sigmoid()

    def cells(self, luma: Tensor) -> Tensor:
        """Luma (B, 1, H, W) to the probability (B, H / 32, W / 32) of each cell."""
        votes = torch.einsum("bchw,c->bhw", infer(self._network, luma), self._vote)
        return (votes / self._cell_temperature).sigmoid()


class NeuralBlurEstimator:
    """Blur estimation by the networks, of a whole patch or on a grid of cells about 32 px wide."""

    def __init__(
        self,
        estimator: RadiusEstimator | None = None,
        discriminator: FocusDiscriminator | None = None,
    ) -> None:
        """Use the given networks, or the shipped ones with a depth of field of 1 px."""
        self.estimator = estimator or RadiusEstimator()
        self.discriminator = discriminator or FocusDiscriminator()

    def _not_blurred(self, probabilities: Tensor) -> Tensor:
        """Probability (B, ...), by the estimator, that the blur is not far beyond focus.

        The discriminator evaluates fine detail only and can mistake noise for it; what the
        estimator is certain is blurred is not in focus.
        """
        limit = CLEARLY_BLURRED * self.discriminator.depth_of_field_px
        return probabilities[:, self.estimator.radii <= limit].sum(1)

    def estimate(self, image: NDArray[Any]) -> DefocusMap:
        """Return the blur over `image`, (H, W) or (H, W, 3), float32 in [0, 1], or 8 or 16 bit.

        The grid has two cells for each 64 px or part of them.

        Raises:
            ImageError: the image is unusable, or smaller than 64 px.
        """
        luma = _luma(image)
        height, width = luma.shape
        with torch.inference_mode():
            padded = _pad(luma)
            tensor = torch.from_numpy(padded)[None, None]
            probabilities = self.estimator.cells(tensor)
            estimate = self.estimator.summarise(probabilities, UNKNOWN_CELL_SPREAD)
            unknown = estimate[0].isnan() | torch.from_numpy(_range(padded) < LEAST_CONTRAST)
            sharp = self.discriminator.cells(tensor) * self._not_blurred(probabilities)
            radius, uncertainty, in_focus = (
                answer[0].masked_fill(unknown[0], torch.nan).numpy()
                for answer in (*estimate, sharp)
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
            tensor = torch.from_numpy(padded)[None, None]
            probabilities = self.estimator.patch(tensor)
            radius, uncertainty = self.estimator.summarise(probabilities)
            in_focus = self.discriminator.patch(tensor) * self._not_blurred(probabilities)
        shares = probabilities[0].numpy()
        known = not bool(radius.isnan())
        if _range(padded).max() < LEAST_CONTRAST:
            known = False
            # A uniform distribution leaves the posterior of a search unchanged.
            shares = np.full_like(shares, 1 / len(shares))
        return PatchBlur(
            float(radius) if known else float("nan"),
            float(uncertainty) if known else float("nan"),
            float(in_focus) if known else float("nan"),
            self.estimator.radii.numpy(),
            shares,
        )


def _temperature(calibration: dict[str, float], name: str, path: str | Path) -> float:
    value = calibration.get(name, 0.0)
    if not value > 0:
        raise WeightsError(f"weight file {path} lacks its calibration '{name}': train it anew")
    return value


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
