"""Single-shot autofocus: a search, a rig, and one window (no ROS, no files)."""

from collections.abc import Callable

from aif_ros.autofocus.search import FocusRun, FocusSearch
from aif_ros.devices.device import DeviceError
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.rig import Rig
from aif_ros.types.frame import Frame, Window
from aif_ros.types.image import to_float

# A lens that comes to rest farther than this from where it was sent, in half depths of field,
# does not do what it says.
_TOLERANCE = 1.5
# So many frames in a row may be exposed in motion before the search gives up.
_PATIENCE = 10


def focus_window(
    rig: Rig,
    search: FocusSearch,
    lens_model: LensModel,
    window: Window | None = None,
    *,
    limits: tuple[float, float] | None = None,
    start: float | None = None,
    window_size: int = 512,
    on_look: Callable[[Frame], None] = lambda frame: None,
) -> FocusRun:
    """Bring a window into focus and leave the lens there.

    Args:
        rig: camera and lens.
        search: looks and decides.
        lens_model: of the lens.
        window: pixels of the camera's image; default: a square at its centre.
        limits: range of lens positions to search, metres; default: all.
        start: where to begin, metres; default: where the lens is.
        window_size: side of the default window, pixels.
        on_look: called with each frame that the search has looked at.

    Raises:
        ValueError: the window does not lie within the image, or the limits are empty.
        DeviceError: a device fails, or the lens does not go where it is sent.
    """
    low, high = rig.limits if limits is None else limits
    state = rig.settle()
    if start is not None or not low <= state.position <= high:
        target = state.position if start is None else start
        state = rig.move_to(min(max(target, low), high))
    frame = _still_frame(rig)
    window = window or Window.centred(frame.size, window_size)
    search.begin(state.position, (low, high), frame.size[0])
    while True:
        decision = search.look(to_float(window.crop(frame.image)), frame.position)
        on_look(frame)
        state = rig.move_to(decision.position)
        check_arrival(lens_model, decision.position, state.position, frame.size[0])
        if decision.done:
            focused = bool(decision.focused)
            return FocusRun(decision.position, focused, decision.reason, list(search.looks))
        frame = _still_frame(rig)


def check_arrival(lens_model: LensModel, target: float, position: float, image_width: int) -> None:
    """See that a lens rests where it was sent.

    Args:
        lens_model: of the lens.
        target: where it was sent, metres.
        position: where it says it rests, metres.
        image_width: of the camera's images, pixels.

    Raises:
        DeviceError: it rests elsewhere.
    """
    tolerance = max(
        _TOLERANCE * lens_model.half_depth_of_focus(image_width), 0.75 * lens_model.metres_per_step
    )
    if not abs(position - target) <= tolerance:
        raise DeviceError(
            f"the lens was sent to {target:.6f} m but rests at {position:.6f} m: see that nothing "
            "blocks it and that its limits are right"
        )


def _still_frame(rig: Rig) -> Frame:
    for _ in range(_PATIENCE):
        frame = rig.frame()
        if not frame.moving:
            return frame
    raise DeviceError(f"the lens moved during {_PATIENCE} exposures in a row though it is at rest")
