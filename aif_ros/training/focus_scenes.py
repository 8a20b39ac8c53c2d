"""Scenes for focus control: maps of focus positions, many at once, no images.

Objects at several depths, some of them thin or small, before a background that is plane, tilted,
stepped, hilly, a fence with something behind it, or taken from real depth maps. They are static or
move sideways and in depth. Still scenes fill a part of the lens's travel or all of it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

_OBJECTS = 8
"""Objects of a scene at most."""
_FILLS = (0.2, 0.85)
"""Least and largest share of the travel that a still scene is compressed to."""


@dataclass(frozen=True)
class SceneContent:
    """What a batch of B scenes shows at one moment, on a fine grid of H x W points.

    Attributes:
        focus: (B, H, W) float32, focus position as a share of the lens's travel, 0..1.
        content: (B, H, W) int, which thing is seen: changes where a thing covers or bares another.
        shift: (B, H, W) float32, sideways speed of what is seen, image widths per second.
    """

    focus: Array
    content: NDArray[np.integer]
    shift: Array


class SceneBatch:
    """A batch of random scenes, each of which can be redrawn.

    Args:
        scenes: how many.
        shape: (H, W) of the fine grid.
        moving: whether things move.
        random: source of randomness.
        backgrounds: (N, h, w) focus positions of real scenes as shares of the travel, at least
            as fine as `shape`; None for drawn scenes only.
    """

    def __init__(
        self,
        scenes: int,
        shape: tuple[int, int],
        *,
        moving: bool,
        random: np.random.Generator,
        backgrounds: Array | None = None,
    ) -> None:
        self._random = random
        self._moving = moving
        self._backgrounds = backgrounds
        y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        self._x, self._y = (x + 0.5) / shape[1], (y + 0.5) / shape[0]
        self._ground = np.zeros((scenes, *shape), np.float32)
        # Per object: centre x, y, focus; half width, height; slope; speeds x, y, focus; since.
        self._objects = np.zeros((scenes, _OBJECTS, 10), np.float32)
        self._round = np.zeros((scenes, _OBJECTS), bool)
        self._sway = np.zeros((scenes, 3), np.float32)
        # First focus position, and share of the travel that the scene fills.
        self._fill = np.tile(np.array([0, 1], np.float32), (scenes, 1))
        self.draw(np.ones(scenes, bool))

    def draw(self, which: NDArray[np.bool_]) -> None:
        """Replace the scenes marked in `which` (scenes,) by new ones."""
        for index in np.flatnonzero(which):
            self._ground[index] = self._new_ground()
            self._objects[index] = self._new_objects()
            self._round[index] = self._random.random(_OBJECTS) < 0.5
            if not self._moving and self._random.random() < 0.7:
                fill = self._random.uniform(*_FILLS)
                self._fill[index] = self._random.uniform(0, 1 - fill), fill
            else:
                self._fill[index] = 0, 1
            sway = self._random.random() < 0.3 if self._moving else False
            self._sway[index] = (
                (self._random.uniform(0, 0.1), self._random.uniform(0.5, 3), 6 * np.pi)
                if sway
                else 0
            )

    def at(self, seconds: Array) -> SceneContent:
        """Return every scene at its own time, `seconds` (B,) after it began."""
        t = seconds[:, None, None].astype(np.float32)
        focus = self._ground.copy()
        content = np.zeros(focus.shape, np.int64)
        shift = np.zeros(focus.shape, np.float32)
        for index in range(_OBJECTS):
            x, y, p, w, h, slope, vx, vy, vp, since = (
                self._objects[:, index, column, None, None] for column in range(10)
            )
            dx = self._x - _bounce(x + vx * t)
            dy = self._y - _bounce(y + vy * t)
            u, v = dx / np.maximum(w, 1e-6), dy / np.maximum(h, 1e-6)
            inside = np.where(
                self._round[:, index, None, None], u * u + v * v < 1, np.maximum(abs(u), abs(v)) < 1
            )
            own = _bounce(p + vp * t) + slope * dx
            # A near thing hides a far one: near things come into focus at higher positions.
            inside &= (w > 0) & (t >= since) & (own > focus)
            focus = np.where(inside, own, focus)
            content = np.where(inside, index + 1, content)
            shift = np.where(inside, np.hypot(vx, vy), shift)
        amplitude, rate, phase = (self._sway[:, column, None, None] for column in range(3))
        focus += amplitude * np.sin(rate * t + phase)
        first, fill = (self._fill[:, column, None, None] for column in range(2))
        return SceneContent(first + fill * np.clip(focus, 0, 1), content, shift)

    def _new_ground(self) -> Array:
        random = self._random
        if self._backgrounds is not None and random.random() < 0.6:
            return self._cut_background()
        kinds = ("plane", "tilted", "steps", "relief", "fence")
        shares = (0.15, 0.3, 0.15, 0.4, 0.0) if self._moving else (0.2, 0.25, 0.15, 0.3, 0.1)
        kind = random.choice(kinds, p=shares)
        level = random.uniform(0.05, 0.7)
        if kind == "plane":
            return np.full(self._x.shape, level, np.float32)
        if kind in ("tilted", "relief"):
            slope_x, slope_y = random.normal(0, 0.15), random.normal(0.1, 0.4)
            ground = level + slope_x * (self._x - 0.5) + slope_y * (self._y - 0.5)
            if kind == "relief":
                ground = ground + self._waves()
        elif kind == "fence":
            nearer = random.random(self._x.shape) < random.uniform(0.2, 0.5)
            ground = np.where(nearer, random.uniform(0.1, 0.95), level)
        else:
            levels = random.uniform(0.05, 0.9, random.integers(2, 6))
            along = self._x if random.random() < 0.7 else self._y
            edges = np.sort(random.random(len(levels) - 1))
            ground = levels[np.searchsorted(edges, along)]
        return np.asarray(np.clip(ground, 0.02, 0.98), np.float32)

    def _waves(self) -> Array:
        """Hills and hollows, which fill the travel as rooms and shelves full of things do."""
        random = self._random
        height = random.uniform(0.02, 0.2)
        waves = np.zeros_like(self._x)
        for _ in range(4):
            across, down = 2 * np.pi * random.normal(0, 2, 2)
            phase = random.uniform(0, 2 * np.pi)
            waves += height * np.cos(across * self._x + down * self._y + phase)
        return np.asarray(waves)

    def _cut_background(self) -> Array:
        assert self._backgrounds is not None
        random = self._random
        whole = self._backgrounds[random.integers(len(self._backgrounds))]
        share = random.uniform(0.6, 1.0)
        y = self._y * share + random.uniform(0, 1 - share)
        x = self._x * share + random.uniform(0, 1 - share)
        if random.random() < 0.5:
            x = 1 - x
        ground = whole[(y * whole.shape[0]).astype(int), (x * whole.shape[1]).astype(int)]
        stretch = random.uniform(0.5, 1.15)
        return np.asarray(np.clip(0.5 + (ground - 0.5) * stretch, 0, 1), np.float32)

    def _new_objects(self) -> Array:
        random = self._random
        objects = np.zeros((_OBJECTS, 10), np.float32)
        count = random.integers(1 if self._moving else 0, _OBJECTS + 1)
        levels = random.uniform(0.1, 0.95, random.integers(1, 5))
        for index in range(count):
            grouped = random.random() < 0.5
            objects[index, :6] = (
                *random.random(2),
                random.choice(levels) if grouped else random.uniform(0.1, 0.95),
                *np.exp(random.uniform(np.log(0.05), np.log(0.4), 2)),
                random.normal(0, 0.3) if random.random() < 0.3 else 0.0,
            )
            if not self._moving and random.random() < 0.4:
                # Thin, and half of them small in both directions.
                sides = [3, 4] if random.random() < 0.5 else [int(random.integers(3, 5))]
                objects[index, sides] = random.uniform(0.008, 0.02, len(sides))
            if self._moving and random.random() < 0.6:
                speed = random.choice((0.05, 0.15, 0.4))
                objects[index, 6:9] = random.normal(0, speed, 3) * (1, 0.4, 0.4)
                objects[index, 9] = random.uniform(0.2, 1.5) if random.random() < 0.2 else 0.0
        return objects


def _bounce(x: Array) -> Array:
    """Fold the line of numbers into 0..1, as something does that bounces off both ends."""
    return np.asarray(1 - np.abs(x % 2 - 1), np.float32)
