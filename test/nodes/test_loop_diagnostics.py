import pytest

from aif_ros.nodes.diagnostics import ERROR, OK, WARN
from aif_ros.nodes.loop_diagnostics import diagnose_lens, diagnose_state, readable_status
from aif_ros.nodes.loop_state import FAULT, RUNNING, STOPPED, WAITING, LoopState
from aif_ros.types.frame import Window


class Diagnostics:
    """Keeps what is noted."""

    def __init__(self):
        self.notes, self.warnings, self.errors, self.cleared = {}, [], [], []

    def note(self, key, value):
        self.notes[key] = value

    def warn(self, message, about=""):
        self.warnings.append(message)

    def error(self, message, about=""):
        self.errors.append(message)

    def clear(self, about=None):
        self.cleared.append(about)


@pytest.fixture
def diagnostics():
    return Diagnostics()


@pytest.mark.parametrize(
    ("state", "waiting", "warnings", "errors"),
    [
        (LoopState(RUNNING, "on", "sweep"), 0.0, [], []),
        (LoopState(WAITING, "late", "sweep"), 5.0, ["late"], []),
        (LoopState(WAITING, "late", "sweep"), 11.0, [], ["late"]),
        (LoopState(FAULT, "stuck", "sweep"), 0.0, [], ["stuck"]),
        (LoopState(STOPPED, "end", "sweep", doubt="too few"), 0.0, ["too few"], []),
    ],
    ids=str,
)
def test_the_health_of_the_loop(diagnostics, state, waiting, warnings, errors):
    diagnose_state(diagnostics, state, waiting)
    assert (diagnostics.warnings, diagnostics.errors) == (warnings, errors)
    assert diagnostics.notes["state"] == state.state


@pytest.mark.parametrize(
    ("ignored", "target", "errors"), [(2, 5e-4, 0), (3, 5e-4, 1), (3, None, 0)]
)
def test_a_lens_that_ignores_commands(diagnostics, ignored, target, errors):
    diagnose_lens(diagnostics, ignored, target)
    assert len(diagnostics.errors) == errors
    assert diagnostics.cleared == ([] if errors else ["lens"])


@pytest.mark.parametrize(
    ("state", "level"),
    [
        (LoopState(RUNNING, "on", "sweep"), OK),
        (LoopState(WAITING, "late", "sweep"), WARN),
        (LoopState(FAULT, "stuck", "sweep"), ERROR),
        (LoopState(STOPPED, "end", "sweep", doubt="too few"), WARN),
    ],
    ids=str,
)
def test_the_level_of_the_readable_status(state, level):
    assert readable_status(state, "ns/controller", "lens").level == level


def test_the_readable_status_holds_the_numbers():
    state = LoopState(RUNNING, "on", "sweep", 3, 0.25, 5e-4, 4e-4, 7, 6, Window(1, 2, 3, 4))
    status = readable_status(state, "ns/controller", "lens")
    values = {each.key: each.value for each in status.values}
    assert values["frames_captured"] == "3"
    assert values["target_m"] == "0.0005"
    assert values["window_px"] == "1 2 3 4"
    unknown = readable_status(LoopState(RUNNING, "on", "sweep"), "ns/controller", "lens")
    values = {each.key: each.value for each in unknown.values}
    assert {values[key] for key in ("target_m", "position_m", "stamp_ns", "window_px")} == {"none"}
