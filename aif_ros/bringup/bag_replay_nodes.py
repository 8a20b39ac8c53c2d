"""Makes the decisions of a recorded bag again, with the nodes of the pipeline.

Fusion, autofocus and focus controller run in this process, in simulated time. They get the lens
states as recorded, and the frames that the recorded run used, at the time of the decision that
these led to.
"""

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rclpy.lifecycle import TransitionCallbackReturn
from rosgraph_msgs.msg import Clock

from aif_ros.bringup.bag_replay import Parts, RecordedRun, calibration_file, decode_message
from aif_ros.bringup.graph import BringupError, Graph, NodeSpec
from aif_ros.bringup.observer import RunningGraph, observe
from aif_ros.nodes.exchange import Exchange
from aif_ros.nodes.image_messages import to_time
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import CAMERA_IMAGE, CAMERA_INFO, DECISION, LENS_LIMITS, LENS_STATE
from aif_ros.pipeline.decision_record import DecisionRecord
from aif_ros.pipeline.replay import ReplayedDecision
from aif_ros.process.interrupts import uninterrupted
from aif_ros.types.frame import LensState

# Seconds after which a decision that the nodes do not make counts as not made.
_DECISION = 60.0
# Seconds until the clock has been discovered, and until it has come to all nodes.
_CLOCK = 10.0
# A busy computer must not lead to the state "waiting", seconds.
_PATIENCE = 3600.0


def replay_by_nodes(run: RecordedRun, parts: Parts | None = None) -> Iterator[ReplayedDecision]:
    """Make the decisions of the first run of the agent in a recording again.

    Args:
        run: the recorded one.
        parts: to use instead of the recorded ones.

    Yields:
        The decisions, in their order, up to the first one that the nodes do not make.

    Raises:
        BringupError: a node cannot be brought up, the recording lacks a camera info, or it shows a
            moving scene: there, the nodes skip frames that they have no time for.
    """
    if run.dynamic:
        raise BringupError(
            "in mode dynamic the nodes skip frames that they have no time for, so that they decide "
            "otherwise each time: replay the recording without --ros"
        )
    if run.info is None:
        raise BringupError("the recording holds no camera info, which the nodes need")
    with calibration_file(run.settings.calibration) as calibration:
        graph = _graph(run, parts or Parts(), calibration)
        with observe(graph) as running, _bring_up(running) as nodes:
            yield from _Player(run, running, nodes).play()


def _graph(run: RecordedRun, parts: Parts, calibration: Path) -> Graph:
    chosen: dict[str, dict[str, object]] = {
        "fusion": {"fusion_method": parts.fusion},
        "autofocus": {"estimator": parts.estimator},
        "focus_controller": {"agent": parts.agent, "patience": _PATIENCE},
    }
    common = {"calibration": str(calibration), "device": "auto", "use_sim_time": True}
    specs = []
    for name, parameters in run.settings.nodes.items():
        replaced = {key: value for key, value in chosen[name].items() if value}
        own = {key: value for key, value in parameters.items() if key != "save_path"}
        specs.append(NodeSpec(name, f"{name}_node", own | common | replaced))
    return Graph(tuple(specs), f"/replay_{os.getpid()}", ())


@dataclass
class _Nodes:
    """The nodes and the exchange that connects them."""

    nodes: list[PipelineNode]
    exchange: Exchange


@contextmanager
def _bring_up(running: RunningGraph) -> Iterator[_Nodes]:
    """Make and activate the nodes; camera and lens are what is put into their exchange."""
    graph, exchange = running.graph, Exchange()
    made = _Nodes([], exchange)
    for topic in (CAMERA_IMAGE, CAMERA_INFO, LENS_LIMITS, LENS_STATE):
        exchange.advertise(running.node.resolve_topic_name(topic.name))
    try:
        for spec in graph.nodes:
            # /clock is the same for all nodes of a ROS domain; this one is of this replay only.
            clock = ["-r", f"/clock:={graph.namespace}/clock"]
            with uninterrupted():
                node = spec.node_type(
                    exchange=exchange,
                    context=running.node.context,
                    cli_args=[*graph.ros_arguments(spec), *clock],
                    use_global_arguments=False,
                )
                made.nodes.append(node)
                running.executor.add_node(node)
        for node in made.nodes:
            for transition in (node.trigger_configure, node.trigger_activate):
                with uninterrupted():
                    state = transition()  # type: ignore[no-untyped-call]
                    if state != TransitionCallbackReturn.SUCCESS:
                        raise BringupError(f"{node.get_name()} does not start: see its message")
        yield made
    finally:
        with uninterrupted():
            for node in made.nodes:
                # Workers call the other nodes, which must not be destroyed meanwhile.
                node.workers.stop()
            for node in made.nodes:
                running.executor.remove_node(node)
                node.destroy_node()


class _Player:
    """Feeds the nodes.

    Messages of different topics were not recorded in the order of their stamps. The lens states
    come first up to the exposure of a frame, then the frame, and the decision is made at the time
    at which the lens was sent off.

    Args:
        run: the recorded one.
        running: spins the nodes.
        nodes: the nodes.
    """

    def __init__(self, run: RecordedRun, running: RunningGraph, nodes: _Nodes) -> None:
        self._run, self._running, self._nodes = run, running, nodes
        self._clock = running.node.create_publisher(Clock, "clock", 10)
        self._made: list[DecisionRecord] = []
        self._held: deque[StampedImage] = deque()
        self._states = deque(event for event in run.events() if isinstance(event, LensState))
        nodes.exchange.subscribe(running.node.resolve_topic_name(DECISION.name), self._made.append)
        exposure = run.settings.nodes["fusion"]["exposure_time"]
        # Until a state after the end of the exposure has come.
        self._after = round(0.5e9 * exposure) + 1

    def play(self) -> Iterator[ReplayedDecision]:
        """Feed the recording and yield the decisions."""
        run = self._run
        used = run.schedule.merged | {each.stamp for each in run.schedule.evidence}
        first = run.schedule.decisions[0]
        begun = False
        self._put(CAMERA_INFO.name, run.info)
        if run.limits is not None:
            self._put(LENS_LIMITS.name, run.limits)
        for message in run.bag.messages():
            name = message.topic.removeprefix(f"{run.namespace}/")
            if name == CAMERA_IMAGE.name:
                image = decode_message(CAMERA_IMAGE, message)
                if image is not None and image.stamp in used:
                    self._held.append(image)
            elif name == DECISION.name:
                recorded = decode_message(DECISION, message)
                if recorded is None or not (begun or recorded == first):
                    continue
                if begun and recorded.number == 1:
                    return
                begun = True
                decision = self._decide(recorded, message.stamp)
                if decision is None:
                    return
                yield decision

    def _decide(self, recorded: DecisionRecord, stamp: int) -> ReplayedDecision | None:
        """Pass on what a decision was based on; None: the nodes do not make it."""
        last = recorded.evidence[-1].stamp
        frames = [image for image in self._held if image.stamp <= last]
        self._held = deque(image for image in self._held if image.stamp > last)
        # Without a new frame, the agent was asked again once the lens had settled.
        self._pass_states(last + self._after if frames else stamp)
        self._set_time(self._sent_off(stamp, recorded.evidence[-1].position))
        for image in frames:
            self._put(CAMERA_IMAGE.name, image)
        if not self._running.spin_until(lambda: len(self._made) >= recorded.number, _DECISION):
            return None
        made = self._made[recorded.number - 1]
        return ReplayedDecision(recorded, made.target, made.reason)

    def _pass_states(self, end: int) -> None:
        """Pass on the lens states up to the first one not before `end` (nanoseconds)."""
        newest = 0
        while self._states and newest < end:
            state = self._states.popleft()
            newest = state.stamp
            self._set_time(newest)
            self._put(LENS_STATE.name, state)

    def _sent_off(self, stamp: int, position: float) -> int:
        """Return when the lens was sent off from `position`: before it moved, not after `stamp`."""
        resolution = self._run.lens_model.position_resolution
        for state in self._states:
            if state.stamp > stamp:
                break
            if state.moving or abs(state.position - position) > resolution:
                return state.stamp - 1
        return stamp

    def _put(self, name: str, value: object) -> None:
        self._nodes.exchange.publish(self._running.node.resolve_topic_name(name), value)

    def _set_time(self, now: int) -> None:
        deadline = time.monotonic() + _CLOCK
        while not all(node.now() == now for node in self._nodes.nodes):
            # Until the nodes have discovered the clock, it is lost.
            self._clock.publish(Clock(clock=to_time(now)))
            for _ in self._nodes.nodes:
                self._running.executor.spin_once(0.005)
            if time.monotonic() > deadline:
                raise BringupError("the simulated clock does not come to the nodes")
