"""A scene of cells with known focus positions, seen through an estimator of known errors."""

from dataclasses import dataclass, field

import numpy as np

from aif_ros.control.agent import Agent, Observation
from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.optics.lens_model import LensModel

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 3840)
SIZE = (640, 480)
REACH = LENS.half_depth_of_focus(SIZE[0])
GAIN = LENS.blur_gain(SIZE[0])
PERIOD = 50_000_000
"""Nanoseconds between two frames."""


@dataclass
class World:
    """Cells (rows, columns) in focus at `focus` (metres; NaN: no texture there)."""

    focus: np.ndarray
    response: object = staticmethod(lambda radius: radius)
    contrast: float | np.ndarray = 0.07
    captured: list[float] = field(default_factory=list)

    def observe(self, position: float) -> Observation:
        self.captured.append(position)
        distances = np.abs(np.asarray(self.captured)[:, None, None] - self.focus)
        maps = self.blur(distances[-1]), self.blur(distances.min(axis=0))
        nearest = np.asarray(self.captured)[distances.argmin(axis=0)]
        source = nearest.repeat(SIZE[1] // len(nearest), axis=0).repeat(32, axis=1)
        source = source.astype(np.float32)
        return Observation(*maps, source, position, PERIOD * len(self.captured))

    def blur(self, distance) -> DefocusMap:
        radius = self.response(distance * GAIN).astype(np.float32)
        in_focus = np.where(np.isfinite(radius), 0.5 - 0.5 * np.tanh(2 * (radius - 1.2)), np.nan)
        contrast = np.broadcast_to(np.float32(self.contrast), radius.shape)
        return DefocusMap(radius, 0.2 + 0.2 * radius, in_focus.astype(np.float32), contrast, SIZE)

    def run(self, agent: Agent, start: float = 0.0, limit: int = 100) -> str:
        """Drive the agent until it stops; return its reason."""
        position = start
        for _ in range(limit):
            action = agent.act(self.observe(position))
            if action.position is None:
                return action.reason
            position = action.position
        raise AssertionError(f"the agent has not stopped after {limit} captures")

    def share_in_focus(self, tolerance: float = 1.3) -> float:
        distances = np.abs(np.asarray(self.captured)[:, None, None] - self.focus).min(axis=0)
        return float((distances[np.isfinite(self.focus)] <= tolerance * REACH).mean())


def slope(low: float = 0.15e-3, high: float = 1.35e-3) -> np.ndarray:
    """A tilted plane."""
    rows, columns = np.mgrid[0:15, 0:20]
    return low + (high - low) * (columns / 19 * 0.7 + rows / 14 * 0.3)


def planes(*focus: float) -> np.ndarray:
    """Planes side by side."""
    return np.repeat(np.asarray(focus), 20 // len(focus))[None].repeat(15, axis=0)
