"""Makes the decisions of a recorded run again, from its frames and lens states.

The recorded decisions name the frames that they were based on, so that a replay does not depend on
the timing of the run: every step of the loop gets what it got then.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from aif_ros.control.agent import Action, Agent, Observation
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import AssessStep, DefocusMaps
from aif_ros.pipeline.control_step import ControlStep
from aif_ros.pipeline.decision_record import DecisionRecord, Evidence
from aif_ros.pipeline.frame_joiner import FrameJoiner, StampedCapture
from aif_ros.pipeline.fuse_step import FuseStep
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.pipeline.reference_frame import FrameStream
from aif_ros.types.frame import Frame, LensState

# Frames that may wait for their lens states; a state comes every 10 ms.
_WAITING = 30


@dataclass(frozen=True)
class ReplayedDecision:
    """A recorded decision and the same one made again.

    Attributes:
        recorded: what was decided then.
        target: lens position decided on now, metres; None: stop.
        reason: of the decision now.
    """

    recorded: DecisionRecord
    target: float | None
    reason: str

    def same(self, resolution: float) -> bool:
        """Whether both agree: to stop, or on a lens position within `resolution` (metres)."""
        then = self.recorded.target
        if then is None or self.target is None:
            return then is self.target
        return abs(then - self.target) <= resolution


@dataclass(frozen=True)
class Schedule:
    """What a recorded run has done with its frames.

    Attributes:
        merged: stamps of the frames as of which J was published, nanoseconds.
        epochs: when J was started, nanoseconds, in ascending order.
        decisions: in their order; the first one is number 1.
    """

    merged: frozenset[int]
    epochs: Sequence[int]
    decisions: Sequence[DecisionRecord]

    @property
    def evidence(self) -> Iterator[Evidence]:
        """All evidence of all decisions."""
        for decision in self.decisions:
            yield from decision.evidence


class Replay:
    """Runs the steps of the loop on recorded frames, which come one by one.

    Args:
        schedule: of the recorded run.
        lens_model: of its lens.
        fuse: step with the fusion method of the run.
        assess: step with its blur estimator.
        new_agent: makes its agent.
        dynamic: whether camera or scene may have moved.
        exposure_time: of its camera, seconds.
        bits_per_sample: of its camera, see `FrameStream`.
    """

    def __init__(
        self,
        schedule: Schedule,
        lens_model: LensModel,
        fuse: FuseStep,
        assess: AssessStep,
        new_agent: Callable[[], Agent],
        *,
        dynamic: bool,
        exposure_time: float,
        bits_per_sample: int = 0,
    ) -> None:
        self._fuse, self._assess = fuse, assess
        self._new_agent = new_agent
        self._control = ControlStep(new_agent(), lens_model, dynamic=dynamic)
        self._merged = schedule.merged | {each.fused_stamp for each in schedule.evidence}
        self._uses = Counter(each.stamp for each in schedule.evidence)
        self._fused_uses = Counter(each.fused_stamp for each in schedule.evidence)
        self._epochs = deque(schedule.epochs)
        self._epoch = fuse.epoch
        self._pending = deque(schedule.decisions)
        self._maps: dict[int, DefocusMaps] = {}
        self._fused_maps: dict[int, DefocusMaps] = {}
        self._frame_stream = FrameStream(lens_model, bits_per_sample)
        self._fused_stream = FrameStream(lens_model, bits_per_sample)
        self._frames = FrameJoiner(
            LensStateBuffer(exposure_time, lens_model.position_resolution),
            capacity=_WAITING,
            newest_first=False,
        )

    @property
    def remaining(self) -> int:
        """Number of recorded decisions not made again: their frames are not in the recording."""
        return len(self._pending)

    def needs(self, stamp: int) -> bool:
        """Whether the frame of that stamp was used."""
        return stamp in self._merged or stamp in self._uses

    def add_state(self, state: LensState) -> Iterator[ReplayedDecision]:
        """Add a lens state; yields the decisions that it makes possible."""
        self._frames.add_state(state)
        while (frame := self._frames.next()) is not None:
            self._take(frame)
            yield from self._decide()

    def add_image(self, image: StampedCapture) -> None:
        """Add an image of the camera; it is processed once its lens states have come."""
        if self.needs(image.stamp):
            self._frames.add_image(image)

    def _take(self, frame: Frame) -> None:
        self._control.image_size = frame.size
        if frame.stamp in self._uses:
            reference = self._frame_stream.reference(frame)
            maps = self._assess.frame(reference, repeat=True)
            if maps is not None:
                self._maps[frame.stamp] = maps
        if frame.stamp in self._merged:
            self._restart(frame.stamp)
            fusion = self._fuse.add(self._fused_stream.reference(frame))
            if fusion.image is not None and frame.stamp in self._fused_uses:
                self._fused_maps[frame.stamp] = self._assess.fused(fusion.image)

    def _restart(self, stamp: int) -> None:
        """Start a new J where the run did so before this frame."""
        while self._epochs and self._epochs[0] < stamp:
            started = self._epochs.popleft()
            # What the step has started by itself was published as an epoch, too.
            if self._fuse.epoch == self._epoch:
                self._fuse.reset(not_before=started)
            self._epoch = self._fuse.epoch

    def _decide(self) -> Iterator[ReplayedDecision]:
        while self._pending and all(map(self._is_there, self._pending[0].evidence)):
            recorded = self._pending.popleft()
            if recorded.number == 1:
                self._control.begin(self._new_agent())
            action = self._act(recorded.evidence)
            yield ReplayedDecision(recorded, action.position, action.reason)

    def _is_there(self, evidence: Evidence) -> bool:
        return evidence.stamp in self._maps and evidence.fused_stamp in self._fused_maps

    def _act(self, evidence: Sequence[Evidence]) -> Action:
        *passed, last = map(self._observation, evidence)
        action = self._control.decide_on(replace(last, passed=tuple(passed)))
        for each in evidence:
            _use(self._uses, self._maps, each.stamp)
            _use(self._fused_uses, self._fused_maps, each.fused_stamp)
        return action

    def _observation(self, evidence: Evidence) -> Observation:
        maps, fused = self._maps[evidence.stamp], self._fused_maps[evidence.fused_stamp]
        return self._control.observation(maps, fused, evidence.position)


def _use(uses: Counter[int], maps: dict[int, DefocusMaps], stamp: int) -> None:
    """Drop the maps after their last use."""
    uses[stamp] -= 1
    if not uses[stamp]:
        del maps[stamp]
