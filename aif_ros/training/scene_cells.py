"""Random properties of the cells of simulated scenes: detail, and errors of the readings.

A cell is one of the defocus map; four points of it may differ in blur.
"""

import numpy as np
from numpy.typing import NDArray

from aif_ros.control.coverage import relative_sharpness
from aif_ros.control.expected_error import contrast_of, decibels, detail_loss, fused_error
from aif_ros.training.estimator_surrogate import EstimatorSurrogate
from aif_ros.training.scene_statistics import draw_detail, draw_distortions, draw_misreadings

Array = NDArray[np.floating]


class SceneCells:
    """The cells of a batch of B scenes with C cells each; each scene can be redrawn.

    Attributes:
        blank: (B, C) bool, cells without texture, whose focus cannot be seen.
        detail: (B, C) error of an image that has lost all detail there.
        fusion_error: (B, C, 4) logistic errors of fusion; constant, for they depend on the content.

    Args:
        scenes: size of the batch.
        cells: of each scene.
        surrogate: errors of the blur estimator.
        random: source of randomness.
    """

    def __init__(
        self, scenes: int, cells: int, surrogate: EstimatorSurrogate, random: np.random.Generator
    ) -> None:
        self._surrogate, self._random = surrogate, random
        # Constant part of the error of the estimator in each cell, standard normal.
        self._bias = np.zeros((scenes, cells), np.float32)
        self.blank = np.zeros((scenes, cells), bool)
        self.detail = np.zeros((scenes, cells))
        # Factor by which the measured contrast is wrong about the detail.
        self._detail_error = np.ones((scenes, cells))
        # Gradient energy of each point of a cell when sharp, relative to the cell's.
        self._energy = np.full((scenes, cells, 4), 0.25)
        self.fusion_error = np.zeros((scenes, cells, 4))
        # Per scene: factor of the readings, largest reading, largest blur that can be read.
        self._distortion = np.zeros((scenes, 3))
        # Constant wrong reading of a cell's blur, pixels; NaN: none.
        self._misread = np.full((scenes, cells), np.nan)

    def draw(self, which: NDArray[np.bool_]) -> None:
        """Replace the cells of the scenes marked in `which` (B,) by new ones."""
        random, number, cells = self._random, int(which.sum()), self._bias.shape[1]
        self._bias[which] = random.standard_normal((number, cells))
        # The blank share differs from scene to scene.
        share = self._surrogate.blank * random.gamma(1.0, 1.0, (number, 1))
        self.blank[which] = random.random((number, cells)) < share
        self.detail[which] = draw_detail(random, number, cells) * np.where(
            self.blank[which], 0.2, 1
        )
        energy = np.exp(random.normal(0, 1.0, (number, cells, 4)))
        self._energy[which] = energy / energy.sum(axis=2, keepdims=True)
        self._detail_error[which] = np.exp(random.normal(0, 0.5, (number, cells)))
        self.fusion_error[which] = random.logistic(size=(number, cells, 4))
        self._distortion[which] = draw_distortions(random, number)
        self._misread[which] = draw_misreadings(random, number, cells)

    def sharpness_energy(self, blur: Array) -> Array:
        """(B, C) gradient energy of each cell whose points have that blur (B, C, 4), pixels."""
        return np.asarray(self._weight(blur).sum(axis=2))

    def apparent_blur(self, blur: Array) -> Array:
        """(B, C) blur that cells appear to have, whose points have that blur (B, C, 4), pixels.

        Sharp points dominate: each is weighted by its gradient energy after blur.
        """
        weight = self._weight(blur)
        return np.asarray((weight * blur).sum(axis=2) / np.maximum(weight.sum(axis=2), 1e-9))

    def psnr(self, blur: Array) -> Array:
        """(B,) PSNR in dB of images with points of that blur (B, C, 4), pixels."""
        lost = (self.detail * detail_loss(blur).mean(axis=2)).mean(axis=1)
        return decibels(fused_error(self.detail.mean(axis=1), lost))

    def read(self, blur: Array) -> tuple[Array, Array, Array]:
        """Read points of that blur (B, C, 4), pixels, with the errors of the blur estimator.

        Returns:
            (B, C) each: radius and uncertainty, pixels, and in-focus probability; NaN: unknown.
        """
        factor, ceiling, largest = (self._distortion[:, column, None] for column in range(3))
        mean = self.apparent_blur(blur)
        seen = np.minimum(mean * factor, ceiling)
        seen = np.where(np.isnan(self._misread), seen, self._misread)
        unseen = self.blank | (mean > largest)
        drawn = self._surrogate.read(seen, self._bias, self._random)
        radius, uncertainty, in_focus = (
            np.where(unseen, np.nan, values).astype(np.float32) for values in drawn
        )
        return radius, uncertainty, in_focus

    def contrast(self, radius: Array) -> NDArray[np.float32]:
        """(B, C) contrast that is measured of cells of that blur radius (B, C), pixels."""
        return contrast_of(self.detail * self._detail_error, radius).astype(np.float32)

    def _weight(self, blur: Array) -> Array:
        """(B, C, 4) gradient energy of points of that blur, pixels."""
        return np.asarray(self._energy * np.square(relative_sharpness(blur)))
