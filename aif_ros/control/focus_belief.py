"""What has been learned so far of where the scene's parts come into focus.

The memory of the learned agent. Every cell of the distance maps keeps a probability for each
candidate lens position to be the one that focuses it. One map tells the distance to focus but not
its sign; maps seen from several positions agree at one place only. All arrays carry a leading
batch axis, so that the trainer runs many scenes at once and the agent exactly one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aif_ros.control.expected_error import blur_loss, decibels, detail, fused_error
from aif_ros.optics.lens_model import LensModel

Array = NDArray[np.floating]

FEATURES = 22
"""Rows of `FocusBelief.features`."""

GAIN, WORTH, DYNAMIC = 0, 1, 2
"""Which of them grow with the expected gain of a frame, and with its ratio to what a frame costs,
and which tells whether the scene may move, 0 or 1."""

FRAME_COST = 0.17
"""What another frame must gain, dB, where nothing else is said."""

# By its ratio to this cost, dB, the network is told the one that counts.
_USUAL_COST = 0.2

_CANDIDATES_PER_DEPTH_OF_FIELD = 4
# In a moving scene: share of what is known that is forgotten in a second, as a rate.
_FORGETTING = 1.0

# What a reading tells: Student's t of three degrees of freedom, wider than the estimator says by
# what it cannot know, among outliers; and since one cell is misread alike from look to look, each
# counts for less than one. Chosen for the probability given to the true focus of eleven rendered
# scenes after two to eight looks.
_OUTLIERS = 0.15
_LEAST_ERROR_PX = 0.5
_LEAST_ERROR = 0.1
_WORTH_OF_A_LOOK = 0.7
# What J's sources tell of the focus: the nearest capture, with a border so wide, in depths of
# field; where they err, what the readings say stands.
_BORDER = 0.5
_SOURCE_ERRS = 0.1
_LEAST_BELIEF = 1e-3

# In a moving scene: seconds for which what was captured counts as being sharp in J, and in which
# the age of a capture loses its meaning.
_FRESH, _OLD = 0.35, 0.7
# Blur radii, pixels, between which J's error is interpolated.
_BLUR_LEVELS = (0.0, 1.0, 2.0, 3.0, 4.5, 7.0, 11.0, 20.0, 1e3)


@dataclass(frozen=True)
class Readings:
    """What is told of a batch of B scenes with C cells each, by one frame of every scene.

    Attributes:
        radius: (B, C) blur radius of I(t), pixels; NaN where unknown.
        uncertainty: (B, C) its standard deviation, pixels.
        fused_radius, fused_uncertainty: (B, C) the same of J(t).
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

    def of(self, which: NDArray[np.intp]) -> "Readings":
        """Return those of the scenes `which` alone."""
        return Readings(*(values[which] for values in self.__dict__.values()))


def candidate_positions(lens_model: LensModel, image_width: int) -> NDArray[np.float64]:
    """Lens positions worth telling apart, metres, ascending: four per depth of field.

    They reach from one limit to the other, whatever the width of the image in pixels.
    """
    low, high = lens_model.limits
    spacing = 2 * lens_model.half_depth_of_focus(image_width) / _CANDIDATES_PER_DEPTH_OF_FIELD
    return np.linspace(low, high, int(np.ceil((high - low) / spacing)) + 1)


class FocusBelief:
    """Beliefs about a batch of scenes, each seen through the same grid of cells.

    Args:
        lens_model: the lens.
        image_width: of the images, pixels.
        scenes: size of the batch.
        cells: number of cells of the blur maps.
        dynamic: whether the scenes may move: what was learned then fades.
        frame_cost: what another frame of a still scene must gain to be worth it, dB of J.
    """

    def __init__(
        self,
        lens_model: LensModel,
        image_width: int,
        scenes: int,
        cells: int,
        dynamic: bool = False,
        frame_cost: float = FRAME_COST,
    ) -> None:
        self.positions = candidate_positions(lens_model, image_width).astype(np.float32)
        self.depth_of_field = np.float32(lens_model.half_depth_of_focus(image_width))
        self.dynamic = dynamic
        self._frame_cost = frame_cost
        self._gain = np.float32(lens_model.blur_gain(image_width))
        self._half_lost = 2 * self._gain * self.depth_of_field
        self._largest_blur = self._gain * (self.positions[-1] - self.positions[0])
        candidates = len(self.positions)
        # [k, c]: what a frame captured at c loses of the detail in focus at k.
        self._loss_after = blur_loss(
            self._gain * np.abs(self.positions[:, None] - self.positions)
        ).astype(np.float32)
        self._belief: Array = np.zeros((scenes, cells, candidates), np.float32)
        self.belief = np.zeros_like(self._belief)
        self._nearest = np.zeros((scenes, candidates), np.float32)
        self._age = np.zeros((scenes, candidates), np.float32)
        self._captured = np.zeros((scenes, candidates), bool)
        self._taken = np.zeros((scenes, candidates), bool)
        self._known = np.zeros((scenes, cells), bool)
        self._detail = np.zeros((scenes, cells), np.float32)
        self._blur = np.zeros((scenes, cells), np.float32)
        self._unsharp = np.zeros((scenes, cells), np.float32)
        self._position = np.zeros(scenes, np.float32)
        self._seconds = np.zeros(scenes)
        self._passing = np.zeros(scenes, bool)
        self.frames = np.zeros(scenes, np.int64)
        self.forget(np.ones(scenes, bool))

    def forget(self, which: NDArray[np.bool_]) -> None:
        """Begin anew with the scenes marked in `which` (scenes,)."""
        self._belief[which] = 1.0 / len(self.positions)
        self.belief[which] = 1.0 / len(self.positions)
        self._nearest[which] = np.inf
        self._age[which] = np.inf
        self._captured[which] = False
        self._taken[which] = False
        self._known[which] = False
        self._detail[which] = 0
        self._blur[which] = np.inf
        self._unsharp[which] = 1.0
        self._seconds[which] = 0
        self._passing[which] = False
        self.frames[which] = 0

    def update(
        self, seen: Readings, which: NDArray[np.bool_] | None = None, *, passing: bool = False
    ) -> None:
        """Take in one frame of every scene, or of some.

        Args:
            seen: what it tells.
            which: (scenes,) those that a frame was taken of; None: all.
            passing: whether the lens was on its way.
        """
        scenes = np.arange(len(self.frames))
        if which is not None:
            scenes = np.flatnonzero(which)
            seen = seen.of(scenes)
        belief = self._belief[scenes]
        if self.dynamic:
            elapsed = np.maximum(seen.seconds - self._seconds[scenes], 0)
            kept = np.exp(-_FORGETTING * elapsed).astype(np.float32)[:, None, None]
            belief = kept * belief + (1 - kept) / len(self.positions)
            self._age[scenes] += elapsed[:, None].astype(np.float32)
            self._detail[scenes] *= kept[:, 0]
        position = np.asarray(seen.position, np.float32)
        away = np.abs(self.positions - position[:, None])
        belief *= self._likelihood(seen.radius, seen.uncertainty, self._gain * away)
        belief /= belief.sum(axis=-1, keepdims=True)
        self._belief[scenes] = belief
        self._known[scenes] |= np.isfinite(seen.radius) & np.isfinite(seen.uncertainty)
        # A cell of J that cannot be told is taken as it was.
        told = np.isfinite(seen.fused_radius) & np.isfinite(seen.fused_in_focus)
        self._blur[scenes] = np.where(told, seen.fused_radius, self._blur[scenes])
        # The sharper J is, the more detail it shows.
        found = detail(seen.fused_contrast, np.where(told, seen.fused_radius, 0))
        self._detail[scenes] = np.fmax(self._detail[scenes], found)
        unsharp = np.where(told, 1 - seen.fused_in_focus, self._unsharp[scenes])
        self._unsharp[scenes] = unsharp
        self._age[scenes] = np.where(away <= self.depth_of_field, 0, self._age[scenes])
        if not self.dynamic:
            self._captured[scenes] |= away < 0.75 * self.depth_of_field
            nearest = np.minimum(self._nearest[scenes], away)
            self._nearest[scenes] = nearest
            # J is as sharp as the nearest capture makes it: that, too, tells where focus is. Not
            # kept: the next J is no new look but much the same one.
            belief = belief * self._likelihood(
                seen.fused_radius, seen.fused_uncertainty, self._gain * nearest
            )
            belief /= belief.sum(axis=-1, keepdims=True)
            self._taken[scenes, away.argmin(axis=1)] = True
            belief = self._by_sources(belief, seen.source, self._taken[scenes])
        self.belief[scenes] = belief
        self._position[scenes] = position
        self._seconds[scenes] = seen.seconds
        self._passing[scenes] |= passing
        self.frames[scenes] += 1

    def _likelihood(self, radius: Array, uncertainty: Array, expected: Array) -> Array:
        """(scenes, cells, candidates) float32: how well readings fit, up to a factor per cell.

        Args:
            radius: (scenes, cells) pixels; NaN tells nothing.
            uncertainty: (scenes, cells) its standard deviation, pixels.
            expected: (scenes, candidates) radius if that candidate is in focus, pixels.
        """
        known = (np.isfinite(radius) & np.isfinite(uncertainty))[..., None]
        r = np.where(known, radius[..., None], 0).astype(np.float32)
        s = np.where(known, uncertainty[..., None], 1).astype(np.float32)
        least = np.square(_LEAST_ERROR_PX) + np.square(_LEAST_ERROR * expected)
        variance = np.square(s) + least[:, None, :].astype(np.float32)
        misfit = np.square(r - expected[:, None, :]) / variance
        # The density of Student's t, whose constant is 2.72, as the power -2 = -(3 + 1) / 2.
        density = (1 - _OUTLIERS) / (2.72 * np.sqrt(variance) * np.square(1 + misfit / 3))
        density += _OUTLIERS / self._largest_blur
        density **= _WORTH_OF_A_LOOK
        return np.where(known, density, 1).astype(np.float32)

    def _by_sources(self, belief: Array, source: Array, taken: NDArray[np.bool_]) -> Array:
        """Beliefs once it is known which capture each part of a cell is sharpest in.

        Of each part that is the capture nearest to its focus. A cell that comes from two captures
        holds two depths, of which the readings show one.

        Args:
            belief: (scenes, cells, candidates) by the readings.
            source: (scenes, cells, points) lens positions, metres.
            taken: (scenes, candidates) captures so far.
        """
        scenes, cells, candidates = belief.shape
        away = np.abs(self.positions[:, None] - self.positions) / (_BORDER * self.depth_of_field)
        away = np.where(taken[:, :, None], away, np.float32(np.inf))
        # Those who tell the sources may know the lens a little differently: any is a capture.
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
        prior = (1 - _LEAST_BELIEF) * belief + np.float32(_LEAST_BELIEF / candidates)
        expected = np.matmul(prior, nearest.transpose(0, 2, 1))
        ratio = np.divide(share, expected, out=np.zeros_like(share), where=expected > 1e-12)
        told = prior * np.matmul(ratio, nearest)
        told /= np.maximum(told.sum(axis=-1, keepdims=True), 1e-12)
        return np.asarray(_SOURCE_ERRS * prior + (1 - _SOURCE_ERRS) * told)

    @property
    def barred(self) -> NDArray[np.bool_]:
        """(scenes, candidates) where another frame is of little use: close to one already taken.

        In still scenes only.
        """
        return self._captured

    @property
    def known_share(self) -> Array:
        """(scenes,) share of the cells that anything was ever told of."""
        return self._known.mean(axis=1)

    @property
    def lacking(self) -> Array:
        """(scenes, cells) how much J still lacks of a cell that is known of, 0 to 1.

        Half where it is blurred by twice the depth of field.
        """
        square = np.square(np.minimum(self._blur / self._half_lost, 1e3))
        return np.asarray(square / (1 + square) * self._known)

    def gain(self) -> Array:
        """(scenes, candidates) what J is expected to gain by a frame there, dB.

        Zero while nothing is known.
        """
        weight = self._detail * self._known
        lost, less = self._fading_losses(weight) if self.dynamic else self._lasting_losses(weight)
        count = np.maximum(self._known.sum(axis=1), 1)
        whole, lost, less = weight.sum(axis=1) / count, lost / count, less / count[:, None]
        # Rounding must not leave less than nothing.
        after = fused_error(whole[:, None], np.maximum(lost[:, None] - less, 0))
        return np.asarray(decibels(after) - decibels(fused_error(whole, lost))[:, None], np.float32)

    def _lasting_losses(self, weight: Array) -> tuple[Array, Array]:
        """Return J's loss (scenes,), and what a frame would take of it (scenes, candidates).

        Sums over the cells. In a still scene J is as sharp as the nearest capture makes it.
        """
        profile = np.matmul(weight[:, None, :], self.belief)[:, 0]
        loss = blur_loss(self._gain * self._nearest).astype(np.float32)
        less = np.maximum(loss[:, :, None] - self._loss_after, 0)
        return (profile * loss).sum(axis=1), np.matmul(profile[:, None, :], less)[:, 0]

    def _fading_losses(self, weight: Array) -> tuple[Array, Array]:
        """Return the same for a scene that moves: there J is as sharp as it looks.

        What was captured a moment ago is sharp in J, whatever is read of it.
        """
        levels = blur_loss(np.array(_BLUR_LEVELS)).astype(np.float32)
        loss = self._unsharp * blur_loss(self._blur)
        # Between which levels a loss lies, and how near to each: so that one table serves all.
        rank = np.interp(loss, levels, np.arange(len(levels)))
        share = np.maximum(1 - np.abs(rank[:, None, :] - np.arange(len(levels))[:, None]), 0)
        share = (share * weight[:, None, :]).astype(np.float32)
        profile = np.matmul(share, self.belief)
        profile *= self._stale[:, None, :]
        table = np.maximum(levels[:, None, None] - self._loss_after, 0)
        less = np.tensordot(profile, table, axes=((1, 2), (0, 1)))
        return np.asarray((loss * weight).sum(axis=1)), np.asarray(less)

    @property
    def _stale(self) -> Array:
        """(scenes, candidates) how far what was captured there counts as blurred again, 0 to 1."""
        return np.asarray(1 - np.exp(-self._age / _FRESH))

    def features(self) -> Array:
        """(scenes, FEATURES, candidates) float32: what the policy network sees."""
        lacking, known = self.lacking, self._known.astype(np.float32)
        sure = np.square(self.belief).sum(axis=-1)
        new = (self._age > 0).astype(np.float32)
        whole, missing = self._profile(known), self._profile(lacking)
        shares = [
            self._reach(whole),
            self._reach(missing),
            self._reach(whole * new),
            self._reach(missing * new),
            self._reach(self._profile(lacking * sure) * new),
            self._reach(self._profile(self._unsharp * known) * new),
        ]
        offset = (self.positions - self._position[:, None]) / self.depth_of_field
        here = np.abs(offset).argmin(axis=1)
        gain = self.gain()
        worth = np.log(np.maximum(gain, 1e-3) / self._frame_cost)
        per_candidate = [
            np.log1p(10 * gain) / 4,
            np.clip(worth, -3, 3),
            np.full((len(gain), 1), float(self.dynamic)),
            *(np.log1p(100 * share) / np.log(101) for share in shares),
            np.log1p(100 * _passed(missing * self._stale, here)) / np.log(101),
            _passed(gain, here) / 32,
            new,
            np.exp(-self._age / _OLD),
            np.exp(-np.abs(offset) / 2),
            np.abs(offset) / len(self.positions),
        ]
        per_scene = [
            lacking.mean(axis=1),
            self.known_share,
            (sure * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1),
            worth.max(axis=1).clip(-3, 3),
            np.minimum(self.frames / 16, 2),
            self._passing.astype(float),
            np.full(len(self.frames), np.log(self._frame_cost / _USUAL_COST)),
        ]
        features = np.empty((len(self.frames), FEATURES, len(self.positions)), np.float32)
        for row, values in enumerate(per_candidate):
            features[:, row] = values
        for row, values in enumerate(per_scene, start=len(per_candidate)):
            features[:, row] = np.asarray(values)[:, None]
        return features

    def window(self, candidate: NDArray[np.intp]) -> NDArray[np.intp]:
        """(scenes,) the cell that a frame at each scene's `candidate` (scenes,) gains most for."""
        near = np.abs(self.positions - self.positions[candidate][:, None]) <= self.depth_of_field
        probability = np.einsum("sck,sk->sc", self.belief, near.astype(np.float32))
        return np.asarray((probability * (self.lacking + 1e-3 * self._known)).argmax(axis=1))

    def _profile(self, weight: Array) -> Array:
        """(scenes, candidates) share of the picture focused at each candidate, by `weight`."""
        profile: Array = np.matmul(weight[:, None, :].astype(np.float32), self.belief)[:, 0]
        return profile / weight.shape[1]

    def _reach(self, profile: Array) -> Array:
        """Sum of `profile` within the depth of field around each candidate."""
        half = _CANDIDATES_PER_DEPTH_OF_FIELD // 2
        padded = np.pad(profile, ((0, 0), (half + 1, half)))
        total = np.cumsum(padded, axis=1)
        return np.maximum(total[:, 2 * half + 1 :] - total[:, : -2 * half - 1], 0)


def _passed(profile: Array, here: NDArray[np.intp]) -> Array:
    """(scenes, candidates) sum of `profile` between the candidate `here` (scenes,) and each."""
    total = np.cumsum(profile, axis=1)
    return np.abs(total - np.take_along_axis(total, here[:, None], axis=1))
