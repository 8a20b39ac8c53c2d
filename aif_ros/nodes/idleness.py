"""Reports nodes that get data but cannot use them."""

from aif_ros.nodes.diagnostics import Diagnostics
from aif_ros.pipeline.frame_joiner import FrameJoiner

# Seconds after which idleness is an error instead of a warning.
_ERROR = 10.0


def report_frames(diagnostics: Diagnostics, frames: FrameJoiner) -> None:
    """Note the state of a node's frames: drops, clock offset, images that come in vain."""
    diagnostics.note("frames dropped", frames.dropped)
    if frames.offset is not None:
        diagnostics.note("camera stamps ahead of lens states s", frames.offset)
    idle = frames.idle()
    if idle is not None:
        text = f"{idle.images} images came, none usable for {idle.seconds:.0f} s: {idle.reason}"
        (diagnostics.error if idle.seconds >= _ERROR else diagnostics.warn)(text)
