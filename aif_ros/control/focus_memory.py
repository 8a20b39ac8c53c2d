"""What has been learned so far of where the scene's parts come into focus.

The memory of the learned agent. Every cell of the distance maps keeps a probability for each
candidate lens position to be the one that focuses it. One map tells the distance to focus but not
its sign; maps seen from several positions agree at one place only. All arrays carry a leading
batch axis, so that the trainer runs many scenes at once and the agent exactly one.
"""

import numpy as np
from numpy.typing import NDArray

from aif_ros.optics.lens_model import LensModel

Array = NDArray[np.floating]

FEATURES = 16
"""Rows of `FocusMemory.features`."""

FRAME_COST = 0.2
"""What another frame must gain, dB, where nothing else is said; the network is told others by their
ratio to it."""

_CANDIDATES_PER_DEPTH_OF_FIELD = 4
_OUTLIERS = 0.03
_FORGETTING = 0.08


def candidate_positions(lens_model: LensModel, image_width: int) -> NDArray[np.float64]:
    """Lens positions worth telling apart, metres, ascending: four per depth of field.

    They reach from one limit to the other, whatever the width of the image in pixels.
    """
    low, high = lens_model.limits
    spacing = 2 * lens_model.depth_of_field(image_width) / _CANDIDATES_PER_DEPTH_OF_FIELD
    return np.linspace(low, high, int(np.ceil((high - low) / spacing)) + 1)


class FocusMemory:
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
        self.depth_of_field = np.float32(lens_model.depth_of_field(image_width))
        self.dynamic = dynamic
        self._frame_cost = frame_cost
        self._gain = np.float32(lens_model.blur_gain(image_width))
        self._half_lost = 2 * self._gain * self.depth_of_field
        self._largest_blur = self._gain * (self.positions[-1] - self.positions[0])
        candidates = len(self.positions)
        self.belief = np.zeros((scenes, cells, candidates), np.float32)
        self._age = np.zeros((scenes, candidates), np.float32)
        self._captured = np.zeros((scenes, candidates), bool)
        self._known = np.zeros((scenes, cells), bool)
        self._blurred = np.zeros((scenes, cells), np.float32)
        self._unsharp = np.zeros((scenes, cells), np.float32)
        self._position = np.zeros(scenes, np.float32)
        self.frames = np.zeros(scenes, np.int64)
        self.forget(np.ones(scenes, bool))

    def forget(self, which: NDArray[np.bool_]) -> None:
        """Begin anew with the scenes marked in `which` (scenes,)."""
        self.belief[which] = 1.0 / len(self.positions)
        self._age[which] = np.inf
        self._captured[which] = False
        self._known[which] = False
        self._blurred[which] = 1.0
        self._unsharp[which] = 1.0
        self.frames[which] = 0

    def update(
        self,
        radius: Array,
        uncertainty: Array,
        fused_radius: Array,
        fused_in_focus: Array,
        position: Array,
    ) -> None:
        """Take in one frame of every scene.

        Args:
            radius: (scenes, cells) blur radius of I(t), pixels; NaN where unknown.
            uncertainty: (scenes, cells) its standard deviation, pixels.
            fused_radius: (scenes, cells) blur radius of J(t), pixels; NaN where unknown.
            fused_in_focus: (scenes, cells) probability that J(t) is in focus; NaN where unknown.
            position: (scenes,) lens position of I(t), metres.
        """
        position = np.asarray(position, np.float32)
        if self.dynamic:
            self.belief *= 1 - _FORGETTING
            self.belief += _FORGETTING / len(self.positions)
            self._age += 1
        known = np.isfinite(radius) & np.isfinite(uncertainty)
        expected = np.abs(self.positions - position[:, None]) * self._gain
        r = np.where(known, radius, 0).astype(np.float32)[..., None]
        # A reading finer than a quarter of the candidates' spacing would fall between them.
        finest = self._gain * (self.positions[1] - self.positions[0]) / 2
        s = np.where(known, np.maximum(uncertainty, finest), 1).astype(np.float32)[..., None]
        misfit = expected[:, None, :] - r
        misfit /= s
        np.square(misfit, out=misfit)
        misfit *= -0.5
        likelihood = np.exp(misfit, out=misfit)
        likelihood *= (1 - _OUTLIERS) / (s * np.float32(np.sqrt(2 * np.pi)))
        likelihood += _OUTLIERS / self._largest_blur
        likelihood[~known] = 1.0
        self.belief *= likelihood
        self.belief /= self.belief.sum(axis=-1, keepdims=True)
        self._known |= known
        # A cell of J that cannot be told is taken as it was.
        told = np.isfinite(fused_radius) & np.isfinite(fused_in_focus)
        square = np.square(fused_radius[told] / self._half_lost)
        self._blurred[told] = square / (1 + square)
        self._unsharp[told] = 1 - fused_in_focus[told]
        self._age[np.abs(self.positions - position[:, None]) <= self.depth_of_field] = 0
        if not self.dynamic:
            self._captured |= np.abs(self.positions - position[:, None]) < 0.75 * (
                self.depth_of_field
            )
        self._position = position
        self.frames += 1

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
        return self._blurred * self._known

    def gain(self) -> Array:
        """(scenes, candidates) share of the picture that a frame there would newly focus.

        What lies within the depth of field of an earlier frame is taken as gained already.
        """
        return self._reach(self._profile(self.lacking) * (self._age > 0))

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
        per_candidate = [
            *(np.log1p(100 * share) / np.log(101) for share in shares),
            new,
            np.exp(-np.minimum(self._age, 1e3) / 8),
            np.exp(-np.abs(offset) / 2),
            np.abs(offset) / len(self.positions),
        ]
        per_scene = [
            lacking.mean(axis=1),
            self.known_share,
            (sure * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1),
            np.minimum(self.frames / 16, 2),
            np.full(len(self.frames), float(self.dynamic)),
            np.full(len(self.frames), np.log(self._frame_cost / FRAME_COST)),
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
