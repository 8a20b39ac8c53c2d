"""The state of the loop for people: its status message and what the diagnostics show of it."""

import math

from diagnostic_msgs.msg import DiagnosticStatus

from aif_ros.nodes.diagnostics import ERROR, OK, WARN, Diagnostics, make_status
from aif_ros.nodes.loop_state import FAULT, WAITING, LoopState

# Seconds after which waiting is an error instead of a warning.
_ERROR = 10.0
# Commands in a row that a lens may ignore: it may be where it can go already.
_IGNORED = 3


def diagnose_state(diagnostics: Diagnostics, state: LoopState, waiting: float) -> None:
    """Note the state of the loop.

    Args:
        diagnostics: of the node.
        state: of the loop.
        waiting: seconds since it has begun to wait, if it waits.
    """
    diagnostics.note("state", state.state)
    diagnostics.note("frames captured", state.frames_captured)
    if state.state == WAITING:
        report = diagnostics.error if waiting > _ERROR else diagnostics.warn
        report(state.reason)
    elif state.state == FAULT:
        diagnostics.error(state.reason)
    elif state.warnings:
        diagnostics.warn("; ".join(state.warnings))


def diagnose_lens(diagnostics: Diagnostics, ignored: int, target: float | None) -> None:
    """Note a lens that ignores commands.

    Args:
        diagnostics: of the node.
        ignored: commands in a row that the lens has ignored.
        target: the last of them, metres; None: there was none.
    """
    if ignored < _IGNORED or target is None:
        diagnostics.clear("lens")
        return
    text = f"the lens has ignored {ignored} commands in a row, the last to {target:g} m"
    diagnostics.error(text, "lens")


def readable_status(state: LoopState, name: str, hardware_id: str) -> DiagnosticStatus:
    """Return the state as a status message.

    Args:
        state: of the loop.
        name: of the node, with its namespace.
        hardware_id: of the lens.
    """
    window = state.window
    values = {
        "state": state.state,
        "frames_captured": state.frames_captured,
        "remaining_defocus": math.nan
        if state.remaining_defocus is None
        else state.remaining_defocus,
        "agent": state.agent,
        "target_m": "none" if state.target is None else state.target,
        "position_m": "none" if state.position is None else state.position,
        "stamp_ns": "none" if state.stamp is None else state.stamp,
        "window_px": f"{window.x} {window.y} {window.width} {window.height}" if window else "none",
    }
    level = {WAITING: WARN, FAULT: ERROR}.get(state.state, WARN if state.warnings else OK)
    return make_status(name, hardware_id, level, "; ".join([state.reason, *state.warnings]), values)
