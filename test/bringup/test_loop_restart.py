"""Restarting the loop on a stand-in for nodes that are up."""

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="calls a service of the nodes")

from aif_ros.bringup.graph import BringupError
from aif_ros.bringup.loop_restart import LoopRestart


class Running:
    """A graph whose focus controller is there and answers, or not."""

    def __init__(self, *, ready=True, answers=True):
        client = SimpleNamespace(service_is_ready=lambda: ready, call_async=self._call)
        self.node = SimpleNamespace(create_client=lambda kind, name: client)
        self._answers = answers
        self.calls, self.forgotten = 0, False

    def _call(self, request):
        self.calls += 1
        return SimpleNamespace(done=lambda: self._answers)

    def spin_until(self, condition, timeout=None):
        return condition()

    def forget(self):
        self.forgotten = True


def test_what_was_published_before_is_forgotten():
    running = Running()
    loop = LoopRestart(running)
    loop.restart()
    loop.restart()
    assert (running.calls, running.forgotten) == (2, True)


@pytest.mark.parametrize("state", [{"ready": False}, {"answers": False}])
def test_no_answer_is_an_error(state):
    running = Running(**state)
    with pytest.raises(BringupError, match="does not answer: is the pipeline active"):
        LoopRestart(running).restart()
    assert not running.forgotten
