"""The focus-control task through Gymnasium's interface, for any learner."""

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from aif_ros.control.focus_belief import candidate_positions
from aif_ros.optics.lens_model import LensModel
from aif_ros.training.estimator_surrogate import EstimatorSurrogate
from aif_ros.training.focus_simulation import FocusSimulation
from aif_ros.training.focus_task import Task

Array = NDArray[np.floating]


class FocusEnvironment(gymnasium.Env[Any, np.int64]):
    """One episode at a time.

    Observation: the blur maps of I and J, (rows, columns) each, -1 where unknown (Gymnasium's
    spaces hold no NaN), the lens positions that four points of each cell of J come from, (rows,
    columns, 4), and the lens position. Action: index of the next lens position in
    `positions`, or one more to stop (in moving scenes: to stay). Reward as in
    `FocusSimulation.step`.

    Args:
        lens_model: the lens.
        image_width: of the images, pixels.
        task: parameters of the task.
        surrogate: errors of the blur estimator.
        backgrounds: real focus maps, see `SceneBatch`.
    """

    _MAPS = (
        "radius",
        "uncertainty",
        "fused_radius",
        "fused_uncertainty",
        "fused_in_focus",
        "fused_contrast",
    )

    def __init__(
        self,
        lens_model: LensModel,
        image_width: int = 640,
        task: Task | None = None,
        *,
        surrogate: EstimatorSurrogate | None = None,
        backgrounds: Array | None = None,
    ) -> None:
        self._lens_model = lens_model
        self._image_width = image_width
        self._task = task or Task()
        self._surrogate = surrogate
        self._backgrounds = backgrounds
        self.positions = candidate_positions(lens_model, image_width)
        grid = self._task.grid
        spaces: dict[str, gymnasium.Space[Any]] = {
            name: gymnasium.spaces.Box(-1, np.inf, grid, np.float32) for name in self._MAPS
        }
        low, high = lens_model.limits
        spaces["source"] = gymnasium.spaces.Box(low, high, (*grid, 4), np.float64)
        spaces["position"] = gymnasium.spaces.Box(low, high, (1,), np.float64)
        self.observation_space = gymnasium.spaces.Dict(spaces)
        self.action_space = gymnasium.spaces.Discrete(len(self.positions) + 1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Begin a new episode."""
        super().reset(seed=seed)
        self._simulation = FocusSimulation(
            self._lens_model,
            self._image_width,
            1,
            self._task,
            surrogate=self._surrogate,
            backgrounds=self._backgrounds,
            seed=int(self.np_random.integers(2**31)),
        )
        return self._observe(), self._info()

    def step(self, action: np.int64) -> tuple[dict[str, Array], float, bool, bool, dict[str, Any]]:
        """Move, capture, fuse; an episode is truncated by the frame limit or the horizon."""
        _, reward, done = self._simulation.step(np.array([action]))
        stopped = bool(action == len(self.positions) and not self._simulation.task.dynamic)
        truncated = bool(done[0]) and not stopped
        return self._observe(), float(reward[0]), stopped, truncated, self._info()

    def _observe(self) -> dict[str, Array]:
        readings, grid = self._simulation.readings, self._simulation.task.grid
        maps = {name: getattr(readings, name)[0].reshape(grid) for name in self._MAPS}
        observation = {
            name: np.nan_to_num(values, nan=-1).astype(np.float32) for name, values in maps.items()
        }
        source = readings.source[0].reshape(*grid, 4)
        return observation | {"source": source, "position": readings.position.copy()}

    def _info(self) -> dict[str, Any]:
        simulation = self._simulation
        return {
            "frames": int(simulation.frames[0]),
            "psnr": float(simulation.quality()[0]),
            "covered": float(simulation.covered()[0]),
        }
