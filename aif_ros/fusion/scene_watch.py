"""Frames that do not belong to the still scene of the others, found one frame after the other."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.scene_view import SceneView, scene_thumbnail
from aif_ros.optics.lens_model import LensModel

_NEAREST = 3
"""Frames of a scene that a new one is compared with: those from the nearest lens positions, and
besides them the one of most structure."""
_MOST = 64
"""Frames of a scene that are kept, the newest ones."""


class Scene(Enum):
    """What a frame shows."""

    SAME = "the scene of the others"
    OTHER = "another scene"
    NOTHING = "nothing: it is of one colour, or noise"
    NEW = "a scene that more frames show than that of the others"
    FIRST = "a scene, which all frames before do not: they show nothing"


@dataclass
class _Frames:
    """Frames of one scene, by lens position, metres."""

    shown: dict[float, SceneView] = field(default_factory=dict)

    @property
    def usual_deviation(self) -> float:
        return float(np.median([each.deviation for each in self.shown.values()]))

    @property
    def usual_contrast(self) -> float:
        return float(np.median([each.contrast for each in self.shown.values()]))

    @property
    def least_grain(self) -> float:
        return min(each.grain[1] for each in self.shown.values())

    def keep(self, frame: SceneView, position: float) -> None:
        self.shown.pop(position, None)
        self.shown[position] = frame
        if len(self.shown) > _MOST:
            del self.shown[next(iter(self.shown))]

    def show(self, frame: SceneView, position: float) -> bool:
        """Whether a frame from `position` shows the same as these."""
        nearest = sorted(self.shown, key=lambda other: abs(other - position))[:_NEAREST]
        richest = max(self.shown.values(), key=lambda each: each.contrast)
        return any(each.is_like(frame) for each in [*map(self.shown.get, nearest), richest] if each)


class SceneWatch:
    """Applies the rule of `match_scenes` to the frames of a loop, which come one by one.

    The scene is that which most frames show, each lens position counted once. Where it turns out to
    be another one than that of the first frames, these do not belong to it.

    Args:
        lens_model: of the lens; see `LensModel.same_position`.
    """

    def __init__(self, lens_model: LensModel) -> None:
        self._lens_model = lens_model
        self._width = 0
        self._scenes: list[_Frames] = []

    def add(self, image: NDArray[np.generic], position: float) -> Scene:
        """Take in a frame.

        Args:
            image: (H, W) or (H, W, 3), without focus breathing.
            position: its lens position, metres.
        """
        self._width = image.shape[1]
        position = self._known(position)
        frame = SceneView(scene_thumbnail(image))
        if not self._scenes:
            self._scenes = [_Frames({position: frame})]
            return Scene.SAME
        main = self._scenes[0]
        if frame.shows_nothing_beside(main.usual_deviation):
            return Scene.NOTHING
        if frame.shows_noise_beside(main.usual_contrast, main.least_grain):
            return Scene.NOTHING
        if all(
            each.shows_nothing_beside(frame.deviation)
            or each.shows_noise_beside(frame.contrast, frame.grain[1])
            for each in main.shown.values()
        ):
            self._scenes = [_Frames({position: frame})]
            return Scene.FIRST
        if not self._can_be_compared(frame, main):
            return Scene.SAME
        for scene in self._scenes:
            if scene.show(frame, position):
                break
        else:
            scene = _Frames()
            self._scenes.append(scene)
        scene.keep(frame, position)
        if scene is main:
            return Scene.SAME
        if len(scene.shown) <= len(main.shown):
            return Scene.OTHER
        self._scenes.remove(scene)
        self._scenes.insert(0, scene)
        return Scene.NEW

    def belongs(self, position: float) -> bool:
        """Whether the latest frame from a lens position, metres, shows the scene of the others."""
        return self._known(position) in self._scenes[0].shown

    def _known(self, position: float) -> float:
        """Return the position of an earlier frame that is the same, else `position`."""
        for scene in self._scenes:
            for known in scene.shown:
                if self._lens_model.same_position(known, position, self._width):
                    return known
        return position

    def _can_be_compared(self, frame: SceneView, main: _Frames) -> bool:
        """Whether both a frame and those of the scene have structure to be compared by."""
        return frame.has_structure_beside(main.usual_contrast) and any(
            each.has_structure_beside(frame.contrast) for each in main.shown.values()
        )
