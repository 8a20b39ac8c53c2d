"""A node that runs step by step: no threads, no deliveries by DDS, no passing of real time."""

import threading
from types import SimpleNamespace

from aif_ros.devices.clock import SimulatedClock
from aif_ros.nodes import (
    camera_node,
    capturing_node,
    focus_server,
    lens_node,
    outlets,
    sim_camera_node,
    watchdog,
)
from aif_ros.nodes.faults import EXPECTED
from aif_ros.nodes.outlets import Outlet
from aif_ros.nodes.workers import Workers
from aif_ros.pipeline.frame_joiner import FrameJoiner

START = 1_700_000_000 * 10**9


class SteppedNodes:
    """Makes such nodes.

    Args:
        bench: makes the nodes themselves.
        monkeypatch: undone when the last node has been removed.
    """

    def __init__(self, bench, monkeypatch):
        self._bench = bench
        self._bodies, self._published = [], []
        self._clock = SimulatedClock(START)
        clock = SimpleNamespace(
            monotonic=lambda: self._clock.now() * 1e-9, time_ns=lambda: self._clock.now()
        )
        for module in (focus_server, lens_node, outlets, watchdog):
            monkeypatch.setattr(module, "time", clock)
        for module in (capturing_node, lens_node):
            monkeypatch.setattr(module, "NodeClock", lambda node: self._clock)
        for module in (camera_node, sim_camera_node):
            # All lens states come before a capture, or none.
            monkeypatch.setattr(module, "LENS_TIMEOUT", 0.01)
        # Everything is published: as if each topic had a subscriber.
        monkeypatch.setattr(Outlet, "subscribers", 1)
        monkeypatch.setattr(Outlet, "publish", lambda outlet, value: self._note(outlet, value))
        monkeypatch.setattr(Workers, "repeat", lambda _, body, name: self._bodies.append(body))
        joined = FrameJoiner.next
        monkeypatch.setattr(FrameJoiner, "next", lambda joiner, timeout=0.0: joined(joiner))
        monkeypatch.setattr(Workers, "pause", lambda _, seconds: self._clock.sleep(seconds))

    def _note(self, outlet, value):
        if outlet.active:
            self._published.append((outlet.topic.name, outlet.topic.encode(value)))

    def run(self, node_type, script, **parameters):
        """Run a script on a new node.

        Args:
            node_type: of the node.
            script: called with a `SteppedNode` once it is active.
            parameters: of the node.

        Returns:
            Everything observed: the outcome of its configuration, its diagnostics, its messages.
        """
        self._bodies.clear()
        self._published.clear()
        self._clock = SimulatedClock(START)
        node = self._bench.make(node_type, **parameters)
        node.now = lambda: self._clock.now()
        try:
            outcome = [node.trigger_configure().name]
            if outcome == ["SUCCESS"]:
                assert node.trigger_activate().name == "SUCCESS"
                script(SteppedNode(node, self._clock, self._bodies, self._published))
            diagnostics = node.diagnostics
            status = [diagnostics.hardware_id, diagnostics._values, diagnostics._totals]
            faults = [str(text) for *_, text in diagnostics._faults.values()]
            return [*outcome, status, faults, *self._published]
        finally:
            self._bench.remove(node)


class SteppedNode:
    """A node under test, its time, and what it has published."""

    def __init__(self, node, clock, bodies, published):
        self.node, self.clock = node, clock
        self._bodies, self._published = bodies, published

    def step(self):
        """Let each worker of the node run once; expected errors are reported as the workers do."""
        for body in self._bodies:
            try:
                body()
            except EXPECTED as error:
                self.node.report(error, "")

    def feed(self, topic, value):
        """Deliver a message of a topic to the node's subscriptions."""
        message = topic.encode(value)
        for inlet in list(self.node._inlets):
            if inlet._topic.name == topic.name:
                inlet._take(message)

    def published(self, topic):
        """What was published on a topic so far."""
        return [topic.decode(message) for name, message in self._published if name == topic.name]


class PassingEvent(threading.Event):
    """An event that is never waited for: simulated time passes instead."""

    def __init__(self, clock):
        super().__init__()
        self._clock = clock

    def wait(self, timeout=None):
        self._clock.sleep(timeout)
        return self.is_set()
