"""Input of the policy network: features of a focus belief along the travel of the lens."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aif_ros.control.expected_error import decibels, detail_loss, fused_error
from aif_ros.control.focus_belief import CANDIDATES_PER_SWEEP_STEP, FocusBelief

Array = NDArray[np.floating]

FEATURES = 22
"""Rows of `policy_features`, of still and of moving scenes."""

GAIN, GAIN_RATIO, DYNAMIC = 0, 1, 2
"""Rows: expected gain of a frame, logarithm of its ratio to the least gain that justifies a frame,
and whether the scene may move, 0 or 1."""

LEAST_GAIN = 0.004
"""Still scenes: share of the cells that a frame must newly cover to be taken, before training; a
cell of a 640 x 480 image is 0.0033."""


@dataclass(frozen=True)
class MovingSettings:
    """How gains and features of moving scenes are scaled.

    Chosen with an earlier policy, on four moving scenes.

    Attributes:
        frame_cost: what another frame must gain, dB of J.
        usual_cost: that frame costs are compared with, dB.
        fresh: seconds for which what was captured counts as being sharp in J.
        old: seconds in which the age of a capture loses its meaning.
        blur_levels: blur radii, pixels, between which J's error is interpolated.
    """

    frame_cost: float = 0.17
    usual_cost: float = 0.2
    fresh: float = 0.35
    old: float = 0.7
    blur_levels: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0, 4.5, 7.0, 11.0, 20.0, 1e3)


_MOVING = MovingSettings()


def policy_features(belief: FocusBelief) -> NDArray[np.float32]:
    """Return (B, FEATURES, K) float32: the input of the policy network for B scenes."""
    per_candidate, per_scene = _moving_rows(belief) if belief.dynamic else _still_rows(belief)
    features = np.empty((len(belief.frames), FEATURES, len(belief.positions)), np.float32)
    for row, values in enumerate(per_candidate):
        features[:, row] = values
    for row, values in enumerate(per_scene, start=len(per_candidate)):
        features[:, row] = np.asarray(values)[:, None]
    return features


def _still_rows(belief: FocusBelief) -> tuple[list[Array], list[Array]]:
    known = belief.known.astype(np.float32)
    offset, here = _offset(belief)
    gain = belief.newly_covered()
    gain_ratio = np.log(np.maximum(gain, 1e-4) / LEAST_GAIN)
    best = gain_ratio.max(axis=1, keepdims=True)
    whole = belief.profile(known)
    certainty = np.square(belief.belief).sum(axis=-1)
    missing = whole * belief.uncovered
    count = len(belief.positions)
    sweep = np.arange(count) % CANDIDATES_PER_SWEEP_STEP == CANDIDATES_PER_SWEEP_STEP // 2
    per_candidate = [
        np.log1p(1000 * gain) / np.log(1001),
        np.clip(gain_ratio, -3, 3),
        np.zeros((len(gain), 1)),
        np.clip(gain_ratio - best, -6, 0) / 3,
        _log_share(missing),
        _log_share(_reach(belief, whole)),
        _log_share(_reach(belief, missing)),
        _log_share(_reach(belief, belief.profile(known * certainty) * belief.uncovered)),
        _log_share(_reach(belief, belief.profile(belief.lacking))),
        _log_share(_reach(belief, belief.profile(belief.unsharp * known))),
        _log_share(_passed(missing, here)),
        belief.uncovered.astype(np.float32),
        belief.barred.astype(np.float32),
        np.broadcast_to(sweep, gain.shape),
        np.exp(-np.abs(offset) / 2),
        np.abs(offset) / count,
    ]
    per_scene = [
        _log_share(belief.remaining),
        belief.known_share,
        (certainty * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1),
        np.clip(best[:, 0], -3, 3),
        np.minimum(belief.frames / 16, 2),
        (belief.unsharp * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1),
    ]
    return per_candidate, per_scene


def _moving_rows(belief: FocusBelief) -> tuple[list[Array], list[Array]]:
    lacking, known = belief.lacking, belief.known.astype(np.float32)
    certainty = np.square(belief.belief).sum(axis=-1)
    new = (belief.age > 0).astype(np.float32)
    whole, missing = belief.profile(known), belief.profile(lacking)
    shares = [
        _reach(belief, whole),
        _reach(belief, missing),
        _reach(belief, whole * new),
        _reach(belief, missing * new),
        _reach(belief, belief.profile(lacking * certainty) * new),
        _reach(belief, belief.profile(belief.unsharp * known) * new),
    ]
    offset, here = _offset(belief)
    gain = moving_gain(belief)
    gain_ratio = np.log(np.maximum(gain, 1e-3) / _MOVING.frame_cost)
    frames = len(belief.frames)
    per_candidate = [
        np.log1p(10 * gain) / 4,
        np.clip(gain_ratio, -3, 3),
        np.ones((frames, 1)),
        *(_log_share(share) for share in shares),
        _log_share(_passed(missing * _stale(belief), here)),
        _passed(gain, here) / 32,
        new,
        np.exp(-belief.age / _MOVING.old),
        np.exp(-np.abs(offset) / 2),
        np.abs(offset) / len(belief.positions),
    ]
    per_scene = [
        lacking.mean(axis=1),
        belief.known_share,
        (certainty * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1),
        gain_ratio.max(axis=1).clip(-3, 3),
        np.minimum(belief.frames / 16, 2),
        belief.passing.astype(float),
        np.full(frames, np.log(_MOVING.frame_cost / _MOVING.usual_cost)),
    ]
    return per_candidate, per_scene


def moving_gain(belief: FocusBelief) -> Array:
    """(B, K) what J of a moving scene is expected to gain by a frame there, dB.

    J is as sharp as it looks, and what was captured a moment ago is sharp in it whatever its map
    reads. Zero while nothing is known.
    """
    weight = belief.detail * belief.known
    levels = detail_loss(np.array(_MOVING.blur_levels)).astype(np.float32)
    loss = belief.unsharp * detail_loss(belief.blur)
    # Between which levels a loss lies, and how near to each: so that one table serves all.
    rank = np.interp(loss, levels, np.arange(len(levels)))
    share = np.maximum(1 - np.abs(rank[:, None, :] - np.arange(len(levels))[:, None]), 0)
    share = (share * weight[:, None, :]).astype(np.float32)
    profile = np.matmul(share, belief.belief)
    profile *= _stale(belief)[:, None, :]
    distance = np.abs(belief.positions[:, None] - belief.positions)
    loss_after = detail_loss(belief.blur_gain * distance).astype(np.float32)
    table = np.maximum(levels[:, None, None] - loss_after, 0)
    less = np.tensordot(profile, table, axes=((1, 2), (0, 1)))
    count = np.maximum(belief.known.sum(axis=1), 1)
    whole, lost = weight.sum(axis=1) / count, (loss * weight).sum(axis=1) / count
    # Rounding must not leave less than nothing.
    after = fused_error(whole[:, None], np.maximum(lost[:, None] - less / count[:, None], 0))
    return np.asarray(decibels(after) - decibels(fused_error(whole, lost))[:, None], np.float32)


def _stale(belief: FocusBelief) -> Array:
    """(B, K) how far what was captured there counts as blurred again, 0 to 1."""
    return np.asarray(1 - np.exp(-belief.age / _MOVING.fresh))


def _offset(belief: FocusBelief) -> tuple[Array, NDArray[np.intp]]:
    """(B, K) distance of each candidate from the lens, half depths of focus; (B,) the nearest."""
    offset = (belief.positions - belief.position[:, None]) / belief.half_depth_of_focus
    return np.asarray(offset), np.asarray(np.abs(offset).argmin(axis=1))


def _log_share(share: Array) -> Array:
    """Map a share, 0 to 1, to 0 to 1 with higher resolution for small ones."""
    return np.asarray(np.log1p(100 * share) / np.log(101))


def _reach(belief: FocusBelief, profile: Array) -> Array:
    """(B, K) sum of `profile` within half the depth of focus around each candidate."""
    step = belief.positions[1] - belief.positions[0]
    half = int(belief.half_depth_of_focus / step + 1e-3)
    padded = np.pad(profile, ((0, 0), (half + 1, half)))
    total = np.cumsum(padded, axis=1)
    return np.maximum(total[:, 2 * half + 1 :] - total[:, : -2 * half - 1], 0)


def _passed(profile: Array, here: NDArray[np.intp]) -> Array:
    """(B, K) sum of `profile` between the candidate `here` (B,) and each."""
    total = np.cumsum(profile, axis=1)
    return np.abs(total - np.take_along_axis(total, here[:, None], axis=1))
