"""ControlStep: when focus control may decide, and on what."""

import math
from collections import deque
from dataclasses import replace
from enum import Enum
from functools import partial

from aif_ros.control.agent import Action, Agent, Observation
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.clock_jump import jumped_back
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.pipeline.settling import SettleDetector
from aif_ros.types.frame import LensState

# Observations during one move of the lens that are kept for the next decision.
_MOST_PASSED = 30
# Maps of frames that wait for those of J: autofocus may be ahead of fusion by as many frames.
_MOST_AHEAD = 8


class Missing(Enum):
    """What the next decision waits for."""

    SETTLED_LENS = "the lens has not settled"
    IMAGE_SIZE = "the size of the image is not known"
    FRAME_MAPS = "no maps of a frame exposed since the lens settled"
    FUSED_MAPS = "no maps of the fused image with such a frame"


class ControlStep:
    """Asks the agent once per lens position.

    A decision needs the maps of a frame exposed after the lens has settled, and those of J as of
    that frame or a later one. In a static scene J is as of any frame from there, because further
    ones are not merged; and a lens that rests where the last decision was made shows
    nothing new: the agent is then asked with the last observation at once.

    Args:
        agent: decides.
        lens_model: of the lens.
        dynamic: whether camera or scene may move. If so, every decision needs new maps, and the
            agent also gets what was seen while the lens moved.
        reaction_timeout: see `SettleDetector`.
    """

    def __init__(
        self,
        agent: Agent,
        lens_model: LensModel,
        *,
        dynamic: bool,
        reaction_timeout: float = 0.0,
    ) -> None:
        self.lens_model = lens_model
        """Lens in use; a change takes effect with `begin`."""
        self.dynamic = dynamic
        """Whether camera or scene may move; a change takes effect with `begin`."""
        self._states = LensStateBuffer()
        self._settling = SettleDetector(
            lens_model.position_resolution, reaction_timeout=reaction_timeout
        )
        self._waiting: deque[DefocusMaps] = deque(maxlen=_MOST_AHEAD)
        self._fused_maps: DefocusMaps | None = None
        self.image_size: tuple[int, int] | None = None
        """(width, height) of the images, pixels; None: not known yet."""
        self.begin(agent)

    def begin(self, agent: Agent, *, not_before: int = 0) -> None:
        """Discard all observations.

        Args:
            agent: decides from now on.
            not_before: maps of frames exposed earlier (nanoseconds) are not used.
        """
        self._agent = agent
        self._not_before = not_before
        self._passed: deque[Observation] = deque(maxlen=_MOST_PASSED)
        self.last: Observation | None = None
        """Last observation that the agent received."""
        self.frames = 0
        """Number of frames decided on."""
        self.decisions = 0
        """Number of decisions, those without a new frame included."""

    @property
    def target(self) -> float | None:
        """Last commanded lens position, metres; None if there is none."""
        return self._settling.target

    @property
    def ignored(self) -> int:
        """Number of commands in a row after which the lens neither moved nor arrived."""
        return self._settling.ignored

    def observe(self, state: LensState) -> None:
        """Add a lens state; observations are forgotten where the clock has jumped back."""
        newest = self._states.newest
        if newest is not None and jumped_back(newest.stamp, state.stamp):
            self._waiting.clear()
            self._fused_maps = None
            self._agent.reset()
            self.begin(self._agent)
        self._states.add(state)
        self._settling.observe(state)

    def add_frame_maps(self, maps: DefocusMaps) -> None:
        """Add the maps of I."""
        self._waiting.append(maps)

    def add_fused_maps(self, maps: DefocusMaps) -> None:
        """Add the maps of J, with its source positions."""
        self._fused_maps = maps

    def commanded(self, position: float, now: int) -> None:
        """Note that the lens was sent to `position` (metres) at `now` (nanoseconds)."""
        self._settling.command(position, now)

    def release(self) -> None:
        """Note that something else has moved the lens."""
        self._settling.release()

    def decide(self) -> Action | None:
        """Return what the agent decides, within the lens's limits; None if nothing is new."""
        if self.missing is not None:
            self._keep_passed()
            return None
        if not self._rests_where_it_was():
            self._take_observation()
        assert self.last is not None
        return self.decide_on(self.last)

    def decide_on(self, seen: Observation) -> Action:
        """Return what the agent decides on an observation, within the lens's limits."""
        self.last = seen
        self.decisions += 1
        action = self._agent.act(seen)
        if action.position is None:
            return action
        return replace(action, position=self.lens_model.within_limits(action.position))

    def observation(
        self, frame_maps: DefocusMaps, fused_maps: DefocusMaps, position: float
    ) -> Observation:
        """Return what the agent is shown; `image_size` must be known.

        Args:
            frame_maps: maps of I.
            fused_maps: maps of J.
            position: lens position of I, metres.
        """
        assert self.image_size is not None
        return Observation(
            frame_maps.blur(self.lens_model, self.image_size),
            fused_maps.blur(self.lens_model, self.image_size),
            fused_maps.source_position,
            position,
            frame_maps.stamp,
            fused_stamp=fused_maps.stamp,
        )

    @property
    def missing(self) -> Missing | None:
        """What the next decision waits for; None if it can be made."""
        settled_at = self._settling.settled_at
        if settled_at is None:
            return Missing.SETTLED_LENS
        if self.image_size is None:
            return Missing.IMAGE_SIZE
        if self._rests_where_it_was():
            return None
        needed = max(settled_at, self._not_before)
        seen = -1 if self.last is None else self.last.stamp

        def is_new(maps: DefocusMaps | None) -> bool:
            return maps is not None and maps.stamp >= needed and maps.stamp > seen

        if not self._waiting or not is_new(self._waiting[-1]):
            return Missing.FRAME_MAPS
        fused = self._fused_maps
        if fused is None or not is_new(self._frame_maps):
            return Missing.FUSED_MAPS
        if fused.stamp < needed and not self._is_from_here(fused):
            return Missing.FUSED_MAPS
        return None

    def _is_from_here(self, fused: DefocusMaps) -> bool:
        """Whether J has a frame from where the lens rests, though it was seen to settle later.

        That is so after a search by others, and where lens states were lost. In a static scene no
        further frame is merged there, and only frames of a lens at rest are.
        """
        state = self._settling.state
        if self.dynamic or state is None or fused.stamp < self._not_before:
            return False
        assert self.image_size is not None
        is_here = partial(
            self.lens_model.same_position, state.position, image_width=self.image_size[0]
        )
        if is_here(self._states.position(fused.stamp)):
            return True
        # What was merged since the last decision and command comes from another position; from
        # this one if the next state after it, before which others may be lost, is of a lens at
        # rest here.
        after = self._states.at_or_after(fused.stamp)
        before = self.last.fused_stamp if self.last is not None else math.inf
        return (
            self.target is not None
            and fused.stamp > max(before, self._settling.commanded_at)
            and after is not None
            and not after.moving
            and is_here(after.position)
        )

    @property
    def _frame_maps(self) -> DefocusMaps | None:
        """The newest maps of a frame that J is as of; None: none."""
        fused = self._fused_maps
        if fused is None:
            return None
        fitting = (
            maps
            for maps in reversed(self._waiting)
            if not self.dynamic or maps.stamp <= fused.stamp
        )
        return next(fitting, None)

    def _rests_where_it_was(self) -> bool:
        state = self._settling.state
        if self.dynamic or self.last is None or state is None:
            return False
        width = self.last.frame.image_size[0]
        return self.lens_model.same_position(state.position, self.last.position, width)

    def _take_observation(self) -> None:
        frame_maps = self._frame_maps
        assert frame_maps is not None
        passed = tuple(passed for passed in self._passed if passed.stamp < frame_maps.stamp)
        self.last = replace(self._observation(frame_maps), passed=passed)
        self._passed.clear()
        self.frames += 1

    def _observation(self, frame_maps: DefocusMaps) -> Observation:
        assert self._fused_maps is not None
        position = self._states.position(frame_maps.stamp)
        return self.observation(frame_maps, self._fused_maps, position)

    def _keep_passed(self) -> None:
        """In a dynamic scene, keep observations while the lens moves, for the next decision."""
        if not self.dynamic or self.last is None or self.image_size is None:
            return
        newest, frame_maps = self._states.newest, self._frame_maps
        settled = self._settling.settled_at is not None
        if settled or newest is None or frame_maps is None or newest.stamp < frame_maps.stamp:
            return
        before = self._passed[-1].stamp if self._passed else self.last.stamp
        if frame_maps.stamp > before:
            self._passed.append(self._observation(frame_maps))
