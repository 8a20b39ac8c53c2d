"""FocusStep: single-shot autofocus of one window, as a state machine, and its run on a rig."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from aif_ros.autofocus.search import Decision, FocusRun, FocusSearch
from aif_ros.devices.device import DeviceError
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.direction_watch import DirectionWatch
from aif_ros.pipeline.image_change import ImageChange
from aif_ros.pipeline.reference_frame import FrameStream
from aif_ros.pipeline.rest_watch import RestWatch
from aif_ros.pipeline.rig import Rig
from aif_ros.pipeline.settling import SettleDetector
from aif_ros.settings.nodes import WINDOW_SIZE
from aif_ros.types.frame import Frame, LensState, Window

# A lens that comes to rest farther than this from its target, in half depths of focus, has not
# arrived: blur would exceed what counts as in focus. Never less than the motor can resolve.
_TOLERANCE = 1.5
# Where a failed search tests whether the image changes, shares of the travel after which it must.
# A flat object looks the same at two positions on either side of its focus, so there are three. Two
# frames at each: see `image_change`.
_CHECKS = (0.0, 1.1, 1.1, 1.8, 1.8)


@dataclass(frozen=True)
class FocusOptions:
    """How a window is brought into focus.

    Attributes:
        limits: range of lens positions to search, metres; None: that of the lens.
        start: where to begin, metres; None: where the lens is.
        window_size: side of the square at the centre of the image that is focused where no window
            is given, pixels; at most the shorter side of the image.
        bits_per_sample: of the images, see `FrameStream`.
        recorded: whether the images are the slices of a recorded stack, see `ImageChange`.
    """

    limits: tuple[float, float] | None = None
    start: float | None = None
    window_size: int = WINDOW_SIZE
    bits_per_sample: int = 0
    recorded: bool = False


_DEFAULT = FocusOptions()


class FocusStep:
    """Brings one window into focus: takes lens states and frames, returns lens commands.

    Args:
        search: decides where the lens goes.
        lens_model: of the lens.
        window: pixels of the image; None: a square at its centre.
        options: how.
        reaction_timeout: see `SettleDetector`.
        on_frame: called with each frame that the search has used.
    """

    def __init__(
        self,
        search: FocusSearch,
        lens_model: LensModel,
        window: Window | None = None,
        options: FocusOptions = _DEFAULT,
        *,
        reaction_timeout: float = 0.0,
        on_frame: Callable[[Frame], None] = lambda frame: None,
    ) -> None:
        self._search = search
        self._lens_model = lens_model
        self._window = window
        self._limits = lens_model.limits if options.limits is None else options.limits
        self._start = options.start
        self._window_size = options.window_size
        self._on_frame = on_frame
        self._settling = SettleDetector(
            lens_model.position_resolution, reaction_timeout=reaction_timeout
        )
        self._stream = FrameStream(lens_model, options.bits_per_sample)
        self._direction = DirectionWatch(lens_model)
        self._begun = False
        self._decision: Decision | None = None
        self._via: float | None = None
        self._image_width = 0
        self._scale: float | None = None
        self._change = ImageChange(lens_model, recorded=options.recorded)
        self._checks: list[float] = []
        self._rest = RestWatch()
        self._failed: Decision | None = None
        self.run: FocusRun | None = None
        """The outcome; None while the search is in progress."""

    def observe(self, state: LensState) -> None:
        """Add a lens state."""
        self._settling.observe(state)

    def commanded(self, position: float, now: int) -> None:
        """Note that the lens was sent to `position` (metres) at `now` (nanoseconds)."""
        self._settling.command(position, now)

    def release(self) -> None:
        """Note that something else has moved the lens."""
        self._settling.release()

    def advance(self, frame: Frame | None = None) -> float | None:
        """Advance as far as possible; the caller then sends the lens to the position returned.

        Args:
            frame: the newest frame; None: only the lens states are new.

        Returns:
            Lens position, metres, within the limits of the lens; None: another frame is needed,
            the lens has not settled, or the search has ended (see `run`).

        Raises:
            ValueError: the window does not lie within the image.
            ImageError: the image is unusable, or the window too small for the search.
            DeviceError: the lens rests where it was not sent, moves during many exposures in a row
                though it reports to be at rest, or counts the other way than calibrated.
        """
        state, settled_at = self._settling.state, self._settling.settled_at
        if self.run is not None or state is None or settled_at is None:
            return None
        if not self._begun:
            self._begun = True
            low, high = self._limits
            if self._start is not None or not low <= state.position <= high:
                start = state.position if self._start is None else self._start
                return self._within_limits(min(max(start, low), high))
        if self._via is not None and self._decision is not None:
            self._check_arrival(self._via, state.position)
            self._via = None
            return self._within_limits(self._decision.position)
        if self._decision is not None:
            self._check_arrival(self._within_limits(self._decision.position), state.position)
            if self._decision.done:
                self._end(self._decision)
                return None
        if frame is None or frame.stamp < settled_at or not self._rest.at_rest(frame):
            return None
        self._decision = self._decide(frame)
        if self._decision.via is None:
            return self._within_limits(self._decision.position)
        self._via = self._within_limits(self._decision.via)
        return self._via

    def _decide(self, frame: Frame) -> Decision:
        window = self._window or Window.centred(frame.size, self._window_size)
        reference = self._stream.reference(frame)
        scale, before = reference.sixteen_bit_scale, self._scale
        self._scale = scale or before
        if self._decision is None or (scale is not None and before not in (None, scale)):
            # Images in samples of another full scale cannot be compared: the search starts again.
            self._image_width = frame.size[0]
            self._search.begin(frame.position, self._limits, self._image_width)
        self._change.add(frame.position, window.crop(frame.image), frame.size[0])
        self._direction.add(frame)
        if self._failed is None:
            decision = self._search.update(window.crop(reference.image), frame.position)
            self._on_frame(frame)
            if not decision.done or decision.focused:
                return decision
            self._failed = decision
            self._checks = self._where_to_check(frame.position)
        if self._checks and self._change.undecided:
            # Nearby images do not separate backlash from a lens that is stuck.
            return Decision(self._checks.pop(0), False, None, "does the image change?")
        return self._failed

    def _where_to_check(self, position: float) -> list[float]:
        """Positions from here on, towards the side with more range."""
        low, high = self._limits
        travel, room = self._change.visible_travel, max(high - position, position - low)
        side = 1 if high - position > position - low else -1
        return [position + side * min(share * travel, room) for share in _CHECKS]

    def _within_limits(self, position: float) -> float:
        return self._lens_model.within_limits(position)

    def _check_arrival(self, target: float, position: float) -> None:
        tolerance = max(
            _TOLERANCE * self._lens_model.half_depth_of_focus(self._image_width),
            self._lens_model.arrival_tolerance,
        )
        if not abs(position - target) <= tolerance:
            raise DeviceError(
                f"the lens was sent to {target:.6f} m but rests at {position:.6f} m: see that "
                "nothing blocks it and that its limits are right"
            )

    def _end(self, decision: Decision) -> None:
        if self._direction.fault:
            raise DeviceError(self._direction.fault)
        focused = bool(decision.focused)
        reason = decision.reason if focused else self._change.fault or decision.reason
        measurements = list(self._search.measurements)
        doubt = self._change.doubt
        self.run = FocusRun(decision.position, focused, reason, measurements, doubt)


def focus_window(
    rig: Rig,
    search: FocusSearch,
    window: Window | None = None,
    options: FocusOptions = _DEFAULT,
    *,
    on_frame: Callable[[Frame], None] = lambda frame: None,
) -> FocusRun:
    """Bring a window into focus and leave the lens there.

    Args:
        rig: camera and lens.
        search: decides where the lens goes.
        window: pixels of the camera's image; None: a square at its centre.
        options: how; without limits of its own, those of the rig hold.
        on_frame: called with each frame that the search has used.

    Raises:
        ValueError: the window does not lie within the image, or the limits are empty.
        ImageError: the image is unusable, or the window too small for the search.
        DeviceError: a device fails, or the lens does not reach its commanded position.
    """
    if options.limits is None:
        options = replace(options, limits=rig.limits)
    step = FocusStep(search, rig.lens_model, window, options, on_frame=on_frame)
    with rig.observed_by(step.observe):
        rig.settle()
        target = step.advance()
        while step.run is None:
            if target is None:
                target = step.advance(rig.frame())
            else:
                step.commanded(target, rig.send(target))
                rig.settle()
                target = step.advance()
    return step.run
