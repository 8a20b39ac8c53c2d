"""Focus belief: a posterior over the focus position of each cell of the scene.

The state of the learned agents. One defocus map gives the distance to focus of a cell but not its
sign; maps taken at several lens positions agree at one focus position only. The fused image J gives
further evidence: its defocus map, and the source positions of its pixels. All arrays have a leading
batch axis, so that the trainer runs many scenes at once; an agent runs exactly one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aif_ros.control.coverage import covering
from aif_ros.control.expected_error import detail_error
from aif_ros.control.sweep import sweep_positions
from aif_ros.optics.lens_model import LensModel

Array = NDArray[np.floating]

CANDIDATES_PER_SWEEP_STEP = 4
"""Candidate lens positions per step of a full sweep, so about two per half depth of focus."""


@dataclass(frozen=True)
class ObservationModel:
    """How readings relate to the true focus position.

    A reading of the blur radius follows Student's t with three degrees of freedom, among outliers;
    since the errors of one cell are correlated from frame to frame, each reading counts as less
    than one. Chosen for the probability given to the true focus of eleven rendered scenes after two
    to eight frames.

    Attributes:
        outliers: share of readings that are independent of the true blur.
        least_error_px: standard deviation added to the estimator's uncertainty, pixels.
        least_error: the same as a share of the blur radius.
        weight: exponent of the likelihood of one reading.
        border: width of the border between two captures in the source map, in half depths of focus.
        source_error: share of the source map that is wrong.
        least_belief: probability mass spread evenly before the source map is used.
        forgetting: in a moving scene, rate at which the belief decays, 1 / s.
    """

    outliers: float = 0.15
    least_error_px: float = 0.5
    least_error: float = 0.1
    weight: float = 0.7
    border: float = 0.5
    source_error: float = 0.1
    least_belief: float = 1e-3
    forgetting: float = 1.0


@dataclass(frozen=True)
class DefocusReadings:
    """Measurements of one frame of each of B scenes with C cells.

    Attributes:
        radius: (B, C) blur radius of I(t), pixels; NaN where unknown.
        uncertainty: (B, C) its standard deviation, pixels.
        fused_radius: (B, C) blur radius of J(t), pixels.
        fused_uncertainty: (B, C) its standard deviation, pixels.
        fused_in_focus: (B, C) probability that J(t) is in focus; NaN where unknown.
        fused_contrast: (B, C) contrast of J(t).
        source: (B, C, P) lens positions of the frames that P points of each cell of J(t) come from,
            metres.
        position: (B,) lens position of I(t), metres.
        seconds: (B,) time of its exposure.
    """

    radius: Array
    uncertainty: Array
    fused_radius: Array
    fused_uncertainty: Array
    fused_in_focus: Array
    fused_contrast: Array
    source: Array
    position: Array
    seconds: Array

    def of(self, which: NDArray[np.intp]) -> "DefocusReadings":
        """Return those of the scenes `which` alone."""
        return DefocusReadings(*(values[which] for values in self.__dict__.values()))


def candidate_positions(lens_model: LensModel, image_width: int) -> NDArray[np.float64]:
    """Return the lens positions that agents choose from, metres, ascending.

    Four per step of a full sweep, from one limit to the other; every position of the sweep is one
    of them.
    """
    steps = len(sweep_positions(lens_model, image_width))
    return np.linspace(*lens_model.limits, CANDIDATES_PER_SWEEP_STEP * steps + 1)


class FocusBelief:
    """Posteriors of a batch of scenes, all seen through the same grid of cells.

    Args:
        lens_model: the lens.
        image_width: of the images, pixels.
        scenes: size of the batch, B.
        cells: number of cells of the defocus maps, C.
        dynamic: whether the scenes may move: then the belief decays.
        model: how readings relate to the true focus position.

    Attributes:
        positions: (K,) float32, candidate lens positions, metres.
        belief: (B, C, K) float32, probability of each candidate to be the focus position of a
            cell; of a cell with two depths, their shares.
        covers: (K, K) bool, [k, c]: a capture at c covers what is in focus at k.
        uncovered: (B, K) bool, what is in focus there is covered by no capture.
        known: (B, C) bool, cells of which any frame gave a reading.
        blur: (B, C) newest blur radius of J, pixels; inf before the first.
        unsharp: (B, C) probability that J is out of focus.
        detail: (B, C) error of an image that lost all detail of the cell, see `expected_error`.
        age: (B, K) seconds since a capture within half the depth of focus; inf: none.
        barred: (B, K) bool, still scenes: too close to a capture to be of use.
        position: (B,) lens position of the newest frame, metres.
        passing: (B,) bool, whether frames of a moving lens were used.
        frames: (B,) number of frames.
    """

    def __init__(
        self,
        lens_model: LensModel,
        image_width: int,
        scenes: int,
        cells: int,
        dynamic: bool = False,
        model: ObservationModel | None = None,
    ) -> None:
        self.positions = candidate_positions(lens_model, image_width).astype(np.float32)
        self.half_depth_of_focus = np.float32(lens_model.half_depth_of_focus(image_width))
        self.blur_gain = np.float32(lens_model.blur_gain(image_width))
        self.dynamic = dynamic
        self._model = model or ObservationModel()
        self._largest_blur = self.blur_gain * (self.positions[-1] - self.positions[0])
        candidates = len(self.positions)
        self.covers = covering(lens_model, image_width, self.positions, self.positions)
        self._posterior: Array = np.zeros((scenes, cells, candidates), np.float32)
        self.belief: Array = np.zeros_like(self._posterior)
        self.uncovered = np.ones((scenes, candidates), bool)
        self._nearest = np.zeros((scenes, candidates), np.float32)
        self.age: Array = np.zeros((scenes, candidates), np.float32)
        self.barred = np.zeros((scenes, candidates), bool)
        self._taken = np.zeros((scenes, candidates), bool)
        self.known = np.zeros((scenes, cells), bool)
        self.detail: Array = np.zeros((scenes, cells), np.float32)
        self.blur: Array = np.zeros((scenes, cells), np.float32)
        self.unsharp: Array = np.zeros((scenes, cells), np.float32)
        self.position: Array = np.zeros(scenes, np.float32)
        self._seconds = np.zeros(scenes)
        self.passing = np.zeros(scenes, bool)
        self.frames = np.zeros(scenes, np.int64)
        self._lens_model, self._image_width = lens_model, image_width
        self.reset(np.ones(scenes, bool))

    def reset(self, which: NDArray[np.bool_]) -> None:
        """Reset the scenes marked in `which` (B,)."""
        self._posterior[which] = 1.0 / len(self.positions)
        self.belief[which] = 1.0 / len(self.positions)
        self.uncovered[which] = True
        self._nearest[which] = np.inf
        self.age[which] = np.inf
        self.barred[which] = False
        self._taken[which] = False
        self.known[which] = False
        self.detail[which] = 0
        self.blur[which] = np.inf
        self.unsharp[which] = 1.0
        self._seconds[which] = 0
        self.passing[which] = False
        self.frames[which] = 0

    def update(
        self,
        readings: DefocusReadings,
        which: NDArray[np.bool_] | None = None,
        *,
        passing: bool = False,
    ) -> None:
        """Update with one frame of every scene, or of some.

        Args:
            readings: of that frame.
            which: (B,) the scenes that a frame was taken of; None: all.
            passing: whether the lens was in motion.
        """
        scenes = np.arange(len(self.frames))
        if which is not None:
            scenes = np.flatnonzero(which)
            readings = readings.of(scenes)
        posterior = self._posterior[scenes]
        if self.dynamic:
            elapsed = np.maximum(readings.seconds - self._seconds[scenes], 0)
            kept = np.exp(-self._model.forgetting * elapsed).astype(np.float32)[:, None, None]
            posterior = kept * posterior + (1 - kept) / len(self.positions)
            self.age[scenes] += elapsed[:, None].astype(np.float32)
            self.detail[scenes] *= kept[:, 0]
        position = np.asarray(readings.position, np.float32)
        away = np.abs(self.positions - position[:, None])
        posterior *= self._likelihood(readings.radius, readings.uncertainty, self.blur_gain * away)
        posterior /= posterior.sum(axis=-1, keepdims=True)
        self._posterior[scenes] = posterior
        self.known[scenes] |= np.isfinite(readings.radius) & np.isfinite(readings.uncertainty)
        self._update_fused(readings, scenes)
        self.age[scenes] = np.where(away <= self.half_depth_of_focus, 0, self.age[scenes])
        self.belief[scenes] = posterior
        if not self.dynamic:
            self._update_captures(readings, scenes, away)
        self.position[scenes] = position
        self._seconds[scenes] = readings.seconds
        self.passing[scenes] |= passing
        self.frames[scenes] += 1

    def _update_fused(self, readings: DefocusReadings, scenes: NDArray[np.intp]) -> None:
        """Update with the defocus map of J. A cell without a reading is unchanged."""
        valid = np.isfinite(readings.fused_radius) & np.isfinite(readings.fused_in_focus)
        self.blur[scenes] = np.where(valid, readings.fused_radius, self.blur[scenes])
        # The sharper J is, the more detail it shows.
        found = detail_error(readings.fused_contrast, np.where(valid, readings.fused_radius, 0))
        self.detail[scenes] = np.fmax(self.detail[scenes], found)
        self.unsharp[scenes] = np.where(valid, 1 - readings.fused_in_focus, self.unsharp[scenes])

    def _update_captures(
        self, readings: DefocusReadings, scenes: NDArray[np.intp], away: Array
    ) -> None:
        """Still scenes: note what the capture covers, and what J implies for the focus positions.

        Args:
            readings: of the newest frame.
            scenes: which scenes it is of.
            away: (scenes, K) distance of each candidate from its lens position, metres.
        """
        captures = covering(
            self._lens_model, self._image_width, self.positions, np.asarray(readings.position)
        )
        self.uncovered[scenes] &= ~captures.T
        self.barred[scenes] |= away < self.half_depth_of_focus / 2
        nearest = np.minimum(self._nearest[scenes], away)
        self._nearest[scenes] = nearest
        # J is as sharp as the nearest capture makes it. Not kept: the next J is no new evidence
        # but much the same image.
        belief = self._posterior[scenes] * self._likelihood(
            readings.fused_radius, readings.fused_uncertainty, self.blur_gain * nearest
        )
        belief /= belief.sum(axis=-1, keepdims=True)
        self._taken[scenes, away.argmin(axis=1)] = True
        self.belief[scenes] = self._by_sources(belief, readings.source, self._taken[scenes])

    def _likelihood(self, radius: Array, uncertainty: Array, expected: Array) -> Array:
        """Return (B, C, K) float32 likelihoods of readings, up to a factor per cell.

        Args:
            radius: (B, C) pixels; NaN: no reading.
            uncertainty: (B, C) its standard deviation, pixels.
            expected: (B, K) blur radius if that candidate is in focus, pixels.
        """
        model = self._model
        known = (np.isfinite(radius) & np.isfinite(uncertainty))[..., None]
        r = np.where(known, radius[..., None], 0).astype(np.float32)
        s = np.where(known, uncertainty[..., None], 1).astype(np.float32)
        least = np.square(model.least_error_px) + np.square(model.least_error * expected)
        variance = np.square(s) + least[:, None, :].astype(np.float32)
        misfit = np.square(r - expected[:, None, :]) / variance
        # The density of Student's t, whose constant is 2.72, as the power -2 = -(3 + 1) / 2.
        density = (1 - model.outliers) / (2.72 * np.sqrt(variance) * np.square(1 + misfit / 3))
        density += model.outliers / self._largest_blur
        density **= model.weight
        return np.where(known, density, 1).astype(np.float32)

    def _by_sources(self, belief: Array, source: Array, taken: NDArray[np.bool_]) -> Array:
        """Return the belief given which capture each part of a cell is sharpest in.

        Each part is sharpest in the capture nearest to its focus. A cell that comes from two
        captures holds two depths, of which the readings show one.

        Args:
            belief: (B, C, K) by the readings.
            source: (B, C, P) lens positions, metres.
            taken: (B, K) captures so far.
        """
        model = self._model
        scenes, cells, candidates = belief.shape
        away = np.abs(self.positions[:, None] - self.positions)
        away = away / (model.border * self.half_depth_of_focus)
        away = np.where(taken[:, :, None], away, np.float32(np.inf))
        # Source positions may be rounded differently: each is taken as the nearest capture.
        step = self.positions[1] - self.positions[0]
        index = np.rint((source - self.positions[0]) / step).astype(np.intp)
        index = away.argmin(axis=1)[np.arange(scenes)[:, None, None], index.clip(0, candidates - 1)]
        index += candidates * np.arange(scenes * cells).reshape(scenes, cells, 1)
        count = np.bincount(index.ravel(), minlength=belief.size)
        share = (count / source.shape[2]).astype(np.float32).reshape(belief.shape)
        # [s, i, k]: probability that what is in focus at k is sharpest in the capture at i.
        nearest = np.exp(away.min(axis=1, keepdims=True) - away)
        nearest /= nearest.sum(axis=1, keepdims=True)
        # One step of expectation maximisation for the mixture of depths in each cell.
        prior = (1 - model.least_belief) * belief + np.float32(model.least_belief / candidates)
        expected = np.matmul(prior, nearest.transpose(0, 2, 1))
        ratio = np.divide(share, expected, out=np.zeros_like(share), where=expected > 1e-12)
        given = prior * np.matmul(ratio, nearest)
        given /= np.maximum(given.sum(axis=-1, keepdims=True), 1e-12)
        return np.asarray(model.source_error * prior + (1 - model.source_error) * given)

    @property
    def known_share(self) -> Array:
        """(B,) share of the cells of which any frame gave a reading."""
        return np.asarray(self.known.mean(axis=1))

    @property
    def remaining(self) -> Array:
        """(B,) remaining defocus: share of the known cells that J is not expected to cover.

        1 while nothing is known. See `coverage` for what covered means.
        """
        mass = self.profile(self.known) * self.uncovered
        known = np.maximum(self.known_share, 1 / self.known.shape[1])
        return np.asarray(np.where(self.known.any(axis=1), mass.sum(axis=1) / known, 1.0))

    def newly_covered(self) -> Array:
        """(B, K) share of the known cells that a capture there is expected to cover in addition."""
        mass = self.profile(self.known) * self.uncovered
        known = np.maximum(self.known_share, 1 / self.known.shape[1])[:, None]
        return np.asarray((mass / known) @ self.covers.astype(np.float32))

    @property
    def lacking(self) -> Array:
        """(B, C) share of its detail that J lacks in each known cell, by J's own defocus map.

        Half where J is blurred by twice the depth of focus.
        """
        half_lost = 2 * self.blur_gain * self.half_depth_of_focus
        square = np.square(np.minimum(self.blur / half_lost, 1e3))
        return np.asarray(square / (1 + square) * self.known)

    def profile(self, weight: NDArray[Any]) -> Array:
        """(B, K) share of the image in focus at each candidate, by `weight` (B, C)."""
        weighted = np.matmul(weight[:, None, :].astype(np.float32), self.belief)[:, 0]
        return np.asarray(weighted / weight.shape[1])

    def window(self, candidate: NDArray[np.intp]) -> NDArray[np.intp]:
        """(B,) the cell that a frame at each scene's `candidate` (B,) gains most for."""
        near = np.abs(self.positions - self.positions[candidate][:, None])
        near = near <= self.half_depth_of_focus
        probability = np.einsum("sck,sk->sc", self.belief, near.astype(np.float32))
        return np.asarray((probability * (self.lacking + 1e-3 * self.known)).argmax(axis=1))
