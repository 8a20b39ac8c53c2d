"""Nodes that run step by step: no threads, no deliveries by DDS, no passing of real time."""

import math
import threading
from types import SimpleNamespace

from recorded_loop import START

from aif_ros.devices.clock import SimulatedClock
from aif_ros.nodes import (
    autofocus_node,
    camera_node,
    capturing_node,
    focus_server,
    lens_node,
    publishers,
    sim_camera_node,
)
from aif_ros.nodes.faults import EXPECTED
from aif_ros.nodes.publishers import TopicPublisher
from aif_ros.nodes.workers import Workers
from aif_ros.pipeline.frame_joiner import FrameJoiner
from aif_ros.process.responsive_clock import ResponsiveClock


class SteppedNodes:
    """Makes such nodes, delivers messages to them, and records what they publish.

    Args:
        bench: makes the nodes themselves.
        monkeypatch: undone after the last use.
        viewers: number of subscribers that each topic seems to have; views are made for them.
    """

    def __init__(self, bench, monkeypatch, viewers=0):
        self._bench = bench
        self._bodies, self._nodes = [], []
        self._forwarded = 0
        self.published = []
        """(topic, message) in their order."""
        self.clock = SimulatedClock(START)
        clock = SimpleNamespace(
            monotonic=lambda: self.clock.now() * 1e-9, time_ns=lambda: self.clock.now()
        )
        for module in (focus_server, lens_node, publishers):
            monkeypatch.setattr(module, "time", clock)
        for module in (capturing_node, lens_node):
            monkeypatch.setattr(module, "NodeClock", lambda node: self.clock)
        for module in (camera_node, sim_camera_node):
            # All lens states come before a capture, or none.
            monkeypatch.setattr(module, "LENS_TIMEOUT", 0.01)
        monkeypatch.setattr(autofocus_node, "threading", SimpleNamespace(Event=UnwaitedEvent))
        monkeypatch.setattr(TopicPublisher, "subscribers", viewers)
        monkeypatch.setattr(
            TopicPublisher, "publish", lambda publisher, value: self._note(publisher, value)
        )
        monkeypatch.setattr(Workers, "repeat", lambda _, body, name: self._bodies.append(body))
        joined = FrameJoiner.next
        monkeypatch.setattr(FrameJoiner, "next", lambda joiner, timeout=0.0: joined(joiner))
        monkeypatch.setattr(Workers, "pause", lambda _, seconds: self.clock.sleep(seconds))

    def make(self, node_type, **parameters):
        """Make a node, active; returns it and whether it could be configured."""
        node = self._bench.make(node_type, **parameters)
        node.now = lambda: self.clock.now()
        node.listening = ResponsiveClock(math.inf, lambda: self.clock.now() * 1e-9)
        self._nodes.append(node)
        configured = node.trigger_configure().name == "SUCCESS"
        if configured:
            assert node.trigger_activate().name == "SUCCESS"
        return node, configured

    def clear(self):
        """Remove all nodes and begin again at the first instant."""
        while self._nodes:
            self._bench.remove(self._nodes.pop())
        self._bodies.clear()
        self.published = []
        self._forwarded = 0
        self.clock = SimulatedClock(START)

    def feed(self, topic, value):
        """Deliver a message of a topic to the subscriptions of all nodes."""
        self._deliver(topic.name, topic.encode(value))

    def step(self):
        """Let each worker of each node run once; expected errors are reported as workers do."""
        for body in list(self._bodies):
            try:
                body()
            except EXPECTED as error:
                self._nodes[-1].report(error, "")

    def settle(self):
        """Let the workers run and pass on what the nodes publish, until nothing more happens."""
        while True:
            self.step()
            if self._forwarded == len(self.published):
                return
            while self._forwarded < len(self.published):
                name, message = self.published[self._forwarded]
                self._forwarded += 1
                self._deliver(name, message)

    def published_on(self, topic):
        """What was published on a topic so far."""
        return [topic.decode(message) for name, message in self.published if name == topic.name]

    def _note(self, publisher, value):
        if publisher.active:
            self.published.append((publisher.topic.name, publisher.topic.encode(value)))

    def _deliver(self, name, message):
        for node in self._nodes:
            for subscription in list(node.connections.subscriptions):
                if subscription.topic.name == name:
                    subscription._take(message)


class UnwaitedEvent(threading.Event):
    """An event that is looked at, but never waited for."""

    def wait(self, timeout=None):
        return self.is_set()


class PassingEvent(threading.Event):
    """An event that is never waited for: simulated time passes instead."""

    def __init__(self, clock):
        super().__init__()
        self._clock = clock

    def wait(self, timeout=None):
        self._clock.sleep(timeout)
        return self.is_set()
