"""Simulation of the focus-control task without images: what `train policy` runs.

A scene is a map of focus positions and of how much detail there is; a frame blurs each point by its
distance to focus, which loses detail; J keeps for each point the sharpest frame since something
else became visible there. In still scenes an agent is rewarded for coverage (`FocusSimulation
.covered`), in moving scenes for the PSNR of J.

In moving scenes fusion compares two frames that do not match exactly, and errs the more, the more
both are blurred. J is warped to the moving scene, also while the lens moves, but loses parts of it;
what comes into view is as blurred in J as in the newest frame. Frames of a moving lens are fused
too, unless the lens is too fast. The agent gets readings of both with the errors of the blur
estimator, never the truth.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aif_ros.control.coverage import KEPT_SHARPNESS
from aif_ros.control.expected_error import decibels, fused_error
from aif_ros.control.focus_belief import DefocusReadings, candidate_positions
from aif_ros.control.sweep import sweep_positions
from aif_ros.optics.lens_model import LensModel
from aif_ros.training.estimator_surrogate import EstimatorSurrogate, assumed
from aif_ros.training.focus_scenes import SceneBatch, SceneContent
from aif_ros.training.focus_task import Task
from aif_ros.training.scene_cells import SceneCells

Array = NDArray[np.floating]


class FocusSimulation:
    """A batch of episodes.

    Args:
        lens_model: the lens.
        image_width: of the images, pixels.
        scenes: size of the batch.
        task: parameters of the task.
        surrogate: errors of the blur estimator.
        backgrounds: real focus maps, see `SceneBatch`.
        seed: of everything random.
    """

    def __init__(
        self,
        lens_model: LensModel,
        image_width: int,
        scenes: int,
        task: Task | None = None,
        *,
        surrogate: EstimatorSurrogate | None = None,
        backgrounds: Array | None = None,
        seed: int = 0,
    ) -> None:
        self.task = task or Task()
        self.positions = candidate_positions(lens_model, image_width)
        self.half_depth_of_focus = lens_model.half_depth_of_focus(image_width)
        self._limits = lens_model.limits
        self._image_width = image_width
        self._gain = lens_model.blur_gain(image_width)
        self._largest_blur = self._gain * (lens_model.limits[1] - lens_model.limits[0])
        self._sweep = np.asarray(sweep_positions(lens_model, image_width))
        self._random = np.random.default_rng(seed)
        rows, columns = self.task.grid
        self._scenes = SceneBatch(
            scenes,
            (2 * rows, 2 * columns),
            moving=self.task.dynamic,
            random=self._random,
            backgrounds=backgrounds,
        )
        cells = rows * columns
        self._cells = SceneCells(scenes, cells, surrogate or assumed(), self._random)
        self._position = np.zeros(scenes)
        self.seconds = np.zeros(scenes)
        self.periods = np.ones(scenes)
        self.shown: Array = np.zeros(scenes)
        self._focus = np.zeros((scenes, cells, 4))
        self._content = np.full((scenes, cells, 4), -1)
        self._fused_blur = np.full((scenes, cells, 4), np.inf)
        self._source = np.zeros((scenes, cells, 4))
        self.frames = np.zeros(scenes, np.int64)
        self.passed: list[tuple[DefocusReadings, NDArray[np.bool_]]] = []
        """Readings during the last move of the lens, and (B,) which of the scenes they are of."""
        self.readings = self.reset(np.ones(scenes, bool))

    @property
    def focus_positions(self) -> Array:
        """(B, C, 4) true focus positions, metres: four points of each cell. For scoring only."""
        return self._focus

    @property
    def visible(self) -> NDArray[np.bool_]:
        """(B, C) whether a cell has texture, so that its focus can be seen. For scoring only."""
        return ~self._cells.blank

    @property
    def fused_radius(self) -> Array:
        """(B, C) true blur radius of J, pixels. For scoring only."""
        return _middle(self._fused_blur)

    def covered(self) -> Array:
        """(B,) share of the cells with texture that J covers, by the truth (see `coverage`)."""
        swept = np.abs(self._focus[..., None] - self._sweep).min(axis=-1) * self._gain
        reached = self._cells.sharpness_energy(self._fused_blur)
        covered = reached >= KEPT_SHARPNESS**2 * self._cells.sharpness_energy(swept)
        return np.asarray((covered & self.visible).sum(axis=1) / np.maximum(self.visible.sum(1), 1))

    def quality(self) -> Array:
        """(B,) PSNR of J in dB, expected from the blur of its points."""
        return self._cells.psnr(self._fused_blur)

    def reset(self, which: NDArray[np.bool_]) -> DefocusReadings:
        """Begin new episodes where `which` (B,) is true: one frame from a random position."""
        self._scenes.draw(which)
        self._cells.draw(which)
        self._position[which] = self._random.uniform(*self._limits, int(which.sum()))
        self.seconds[which] = 0
        self._content[which] = -1
        self.frames[which] = 0
        self.passed = [(seen, passing & ~which) for seen, passing in self.passed]
        self._expose(which, 0.0)
        self.readings = self._read()
        return self.readings

    def step(self, action: NDArray[np.integer]) -> tuple[DefocusReadings, Array, NDArray[np.bool_]]:
        """Move, capture and fuse in all scenes.

        Args:
            action: (B,) index into `positions`, or their number to stop.

        Returns:
            Readings of the new frame (those of a moving lens are in `passed`); the reward (B,):
            still scenes, logarithm of the factor by which the frame reduced the uncovered share
            plus `tolerance`, less the costs of frame and travel; moving scenes, PSNR of J above
            that of `fair_loss`, in tens of dB, summed over the frame periods; and which episodes
            have ended (B,) (call `reset` for them).
        """
        task = self.task
        stop = action >= len(self.positions)
        target = self.positions[np.minimum(action, len(self.positions) - 1)]
        target = np.where(stop, self._position, target)
        duration = np.abs(target - self._position) / task.lens_speed + task.settling_time
        self.periods = np.maximum(1, np.ceil(duration * task.frame_rate))
        self.passed = []
        if task.dynamic:
            self.shown = self._move(target)
            whole = self._cells.detail.mean(axis=1)
            fair = decibels(fused_error(whole, task.fair_loss * whole))
            reward = (self.shown - fair) / 10 * self.periods
            done = self.seconds >= task.horizon
        else:
            before, travel = self.covered(), np.abs(target - self._position)
            self._position = target
            self._expose(~stop, 0.0)
            left, left_before = (1 - share + task.tolerance for share in (self.covered(), before))
            cost = task.frame_cost + task.travel_cost * travel / np.ptp(self._limits)
            reward = np.where(stop, 0.0, np.log(left_before / left) - cost)
            done = stop | (self.frames >= task.frame_limit)
        self.readings = self._read()
        return self.readings, reward, done

    def _move(self, target: Array) -> Array:
        """Move the lens to `target` (B,), metres, while the scenes move.

        Returns:
            (B,) mean PSNR of J in dB over the frame periods.
        """
        task, start = self.task, self._position
        period = 1 / task.frame_rate
        travel = np.abs(target - start)
        exposed = task.lens_speed * task.exposure_time
        slow = exposed <= self.half_depth_of_focus
        total = np.zeros(len(travel))
        for count in range(1, int(self.periods.max()) + 1):
            moving = count <= self.periods
            travelled = count * period * task.lens_speed
            reached = start + np.sign(target - start) * np.minimum(travelled, travel)
            self._position = np.where(moving, reached, self._position)
            passing = moving & (travelled + exposed / 2 <= travel) & slow
            self._expose(moving, period, fused=passing | (count == self.periods))
            total += np.where(moving, self.quality(), 0)
            if passing.any():
                self.passed.append((self._read(), passing))
        return total / self.periods

    def _followed(
        self, view: SceneContent, position: Array, elapsed: float
    ) -> tuple[Array, Array, NDArray[np.integer]]:
        """J after it has been warped to the scene for `elapsed` seconds.

        Args:
            view: the scene as it is then.
            position: (B,) of the lens then, metres.
            elapsed: since J's last frame.

        Returns:
            (B, C, 4) blur radius of J, pixels; the same of a frame; and what is seen.
        """
        rows, columns = self.task.grid
        focus = np.interp(_points(view.focus, rows, columns), (0, 1), self._limits)
        content, speed = (_points(each, rows, columns) for each in (view.content, view.shift))
        blur = np.abs(position[:, None, None] - focus) * self._gain
        known = content == self._content
        # What has moved here keeps its sharpness in J.
        brought = self._mean_blur(content)
        moved = ~known & (speed > 0) & np.isfinite(brought)
        fused = np.where(known, self._fused_blur, np.where(moved, brought, blur))
        lost = self._random.random(speed.shape) < self.task.lost * speed * elapsed
        return np.where(lost, blur, fused), blur, content

    def _mean_blur(self, content: NDArray[np.integer]) -> Array:
        """(B, C, 4) mean blur radius of J, pixels, of each thing in `content`; NaN: not in J."""
        scenes = len(content)
        things = 2 + max(int(content.max()), int(self._content.max()))
        first = things * np.arange(scenes)[:, None, None] + 1
        before = (first + self._content).ravel()
        blur = np.minimum(self._fused_blur, self._largest_blur).ravel()
        count = np.bincount(before, minlength=scenes * things)
        total = np.bincount(before, blur, minlength=scenes * things)
        mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
        return np.asarray(mean[first + content])

    def _expose(
        self, which: NDArray[np.bool_], elapsed: float, fused: NDArray[np.bool_] | None = None
    ) -> None:
        """Advance the scenes of `which` (B,) by `elapsed` seconds and take a frame.

        It is fused in the scenes of `fused` (B,); in the others J follows it. None: in all.
        """
        self.seconds = np.where(which, self.seconds + elapsed, self.seconds)
        view = self._scenes.at(self.seconds)
        rows, columns = self.task.grid
        self._focus = np.interp(_points(view.focus, rows, columns), (0, 1), self._limits)
        followed, blur, content = self._followed(view, self._position, elapsed)
        sharper, source = self._sharper(blur, followed)
        chosen = which[:, None, None]
        if fused is not None:
            sharper &= fused[:, None, None]
            source &= fused[:, None, None]
        source |= content != self._content
        self._source = np.where(chosen & source, self._position[:, None, None], self._source)
        self._fused_blur = np.where(chosen, np.where(sharper, blur, followed), self._fused_blur)
        self._content = np.where(chosen, content, self._content)
        self.frames += which if fused is None else which & fused

    def _sharper(self, blur: Array, fused: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Points that fusion takes from a frame, and points that the source map assigns to it.

        Args:
            blur: (B, C, 4) blur radius of the frame, pixels.
            fused: the same of J.

        Returns:
            (B, C, 4) bool each.
        """
        task = self.task
        lost, kept = (np.exp(-radius / task.decision_scale) for radius in (blur, fused))
        if task.dynamic:
            taken = np.asarray(task.decision * (lost - kept) > self._cells.fusion_error)
            return taken, taken.copy()
        # In a still scene fusion errs only where both are equally blurred.
        named = task.still_decision * (lost - kept) > self._cells.fusion_error
        return np.asarray(blur < fused), np.asarray(named)

    def _read(self) -> DefocusReadings:
        blur = np.abs(self._position[:, None, None] - self._focus) * self._gain
        radius, uncertainty, _ = self._cells.read(blur)
        return DefocusReadings(
            radius,
            uncertainty,
            *self._cells.read(self._fused_blur),
            self._cells.contrast(self.fused_radius),
            self._source.copy(),
            self._position.copy(),
            self.seconds.copy(),
        )


def _points(fine: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """(B, 2 rows, 2 columns) -> (B, rows * columns, 4): the four points of each cell."""
    blocks = fine.reshape(len(fine), rows, 2, columns, 2).transpose(0, 1, 3, 2, 4)
    return blocks.reshape(len(fine), rows * columns, 4)


def _middle(points: Array) -> Array:
    """Median of the four points of each cell (..., 4) -> (...)."""
    return np.asarray(np.sort(points, axis=-1)[..., 1:3].mean(axis=-1))
