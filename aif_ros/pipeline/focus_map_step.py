"""FocusMapStep: which frames of the loop enter the focus map."""

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.focus_map import FocusMapper
from aif_ros.types.frame import Frame

if TYPE_CHECKING:
    from aif_ros.pipeline.loop import Step

_MOST_KEPT = 100
"""Frames whose maps are kept, so that the focus map can be made again without some of them: as many
as a loop captures at most."""


@dataclass(frozen=True)
class _Entry:
    maps: DefocusMaps
    position: float


class FocusMapStep:
    """Combines the defocus maps of those frames that show where a static scene is in focus.

    These are the frames of a static scene captured with the lens at rest, of one size, that belong
    to the scene of J. Whether a frame does may turn out later: the map is then made again.

    Args:
        lens_model: of the lens.
        memory: see `FocusMapper`.
    """

    def __init__(self, lens_model: LensModel, memory: float = math.inf) -> None:
        self._lens_model = lens_model
        self._memory = memory
        self._left_out: tuple[float, ...] = ()
        self.reset()

    def reset(self) -> None:
        """Begin a new map, of all frames that follow."""
        self._size = 0, 0
        self._entries: deque[_Entry] = deque(maxlen=_MOST_KEPT)
        self.mapper: FocusMapper | None = None
        """Combines the frames of use so far; None: there is none."""

    def add(self, maps: DefocusMaps, frame: Frame, *, dynamic: bool) -> None:
        """Take in the defocus maps of a frame; a new map begins where the size changes.

        Args:
            maps: of the frame.
            frame: as captured.
            dynamic: whether camera or scene may move: there is no focus map then.
        """
        if dynamic or frame.size != self._size:
            self.reset()
            self._size = frame.size
        if dynamic or frame.moving:
            return
        entry = _Entry(maps, frame.position)
        if self._belongs(entry):
            self._entries.append(entry)
            self._map(entry)

    def leave_out(self, positions: tuple[float, ...]) -> None:
        """Drop the frames from these lens positions, and use none from there from now on.

        Args:
            positions: of the frames that do not belong to the scene, metres; see `LeftOut`.
        """
        self._left_out = positions
        entries = [entry for entry in self._entries if self._belongs(entry)]
        if len(entries) < len(self._entries):
            self._entries = deque(entries, _MOST_KEPT)
            self.mapper = None
            for entry in entries:
                self._map(entry)

    def follow(self, step: "Step", *, dynamic: bool) -> None:
        """Take in what a step of the loop has found.

        Args:
            step: of the loop.
            dynamic: see `add`.
        """
        self.leave_out(step.fusion.left_out.positions)
        if step.maps is not None:
            self.add(step.maps, step.frame, dynamic=dynamic)

    def _belongs(self, entry: _Entry) -> bool:
        return not any(
            self._lens_model.same_position(entry.position, position, self._size[0])
            for position in self._left_out
        )

    def _map(self, entry: _Entry) -> None:
        if self.mapper is None:
            self.mapper = FocusMapper(self._lens_model, self._size[0], self._memory)
        self.mapper.add(entry.maps, entry.position)
