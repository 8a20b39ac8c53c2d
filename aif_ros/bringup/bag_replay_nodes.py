"""Makes the decisions of a recorded bag again, with the nodes of the pipeline.

Fusion, autofocus and focus controller run in this process, step by step. They get the lens states
as recorded, and each node the frames that it used in the recorded run: fusion those that it merged
or followed, autofocus those that decisions were based on.
"""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rclpy.lifecycle import TransitionCallbackReturn

from aif_ros.bringup.bag_replay import Parts, RecordedRun, calibration_file, decode_message
from aif_ros.bringup.graph import BringupError, Graph, NodeSpec
from aif_ros.bringup.observer import RunningGraph, observe
from aif_ros.nodes.exchange import Exchange
from aif_ros.nodes.focus_controller_node import FocusControllerNode
from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.stepper import Stepper
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import (
    CAMERA_IMAGE,
    CAMERA_INFO,
    DECISION,
    FUSION_EPOCH,
    LENS_LIMITS,
    LENS_STATE,
)
from aif_ros.pipeline.decision_record import DecisionRecord, Evidence
from aif_ros.pipeline.replay import ReplayedDecision
from aif_ros.process.interrupts import uninterrupted
from aif_ros.types.frame import LensState

# A recording that is fed slowly must not lead to the state "waiting", seconds.
_PATIENCE = 3600.0
# The camera image as the autofocus gets it.
_ASSESSED = "replay/assessed"


def replay_by_nodes(run: RecordedRun, parts: Parts | None = None) -> Iterator[ReplayedDecision]:
    """Make every decision of a recording again.

    Args:
        run: the recorded one.
        parts: to use instead of the recorded ones.

    Yields:
        The decisions, in their order, up to the first one that the nodes do not make.

    Raises:
        BringupError: a node cannot be brought up, or the recording lacks a camera info.
    """
    if run.info is None:
        raise BringupError("the recording holds no camera info, which the nodes need")
    with calibration_file(run.settings.calibration) as calibration:
        graph = _graph(run, parts or Parts(), calibration)
        with observe(graph) as running:
            exchange = Exchange()
            stepper = Stepper(exchange)
            with _brought_up(running, exchange, stepper) as nodes:
                yield from _Player(run, nodes, exchange, stepper).play()


def _graph(run: RecordedRun, parts: Parts, calibration: Path) -> Graph:
    chosen: dict[str, dict[str, object]] = {
        "fusion": {"fusion_method": parts.fusion, "image_transport": "raw"},
        "autofocus": {"estimator": parts.estimator, "image_transport": "raw"},
        "focus_controller": {"agent": parts.agent, "patience": _PATIENCE, "autostart": True},
    }
    common = {"calibration": str(calibration), "device": "auto"}
    specs = []
    for name, parameters in run.settings.nodes.items():
        replaced = {key: value for key, value in chosen[name].items() if value}
        own = {key: value for key, value in parameters.items() if key != "save_path"}
        specs.append(NodeSpec(name, f"{name}_node", own | common | replaced))
    return Graph(tuple(specs), f"/replay_{os.getpid()}", ())


@contextmanager
def _brought_up(
    running: RunningGraph, exchange: Exchange, stepper: Stepper
) -> Iterator[list[PipelineNode]]:
    """Make and activate the nodes; camera and lens are what is put into the exchange."""
    graph = running.graph
    topics = (CAMERA_IMAGE, CAMERA_INFO, LENS_LIMITS, LENS_STATE)
    for name in (*(topic.name for topic in topics), _ASSESSED):
        exchange.advertise(running.node.resolve_topic_name(name))
    nodes: list[PipelineNode] = []
    try:
        for spec in graph.nodes:
            arguments = graph.ros_arguments(spec)
            if spec.name == "autofocus":
                arguments += ["-r", f"{CAMERA_IMAGE.name}:={_ASSESSED}"]
            with uninterrupted():
                node = spec.node_type(
                    exchange=exchange,
                    stepper=stepper,
                    context=running.node.context,
                    cli_args=arguments,
                    use_global_arguments=False,
                )
                nodes.append(node)
        for node in nodes:
            for transition in (node.trigger_configure, node.trigger_activate):
                with uninterrupted():
                    state = transition()  # type: ignore[no-untyped-call]
                    if state != TransitionCallbackReturn.SUCCESS:
                        raise BringupError(f"{node.get_name()} does not start: see its message")
        yield nodes
    finally:
        with uninterrupted():
            for node in nodes:
                node.destroy_node()


class _Player:
    """Feeds the nodes.

    Messages of different topics were not recorded in the order of their stamps. The lens states
    come first up to the exposure of a frame, then the frame, and the decision is made at its
    recorded time.

    Args:
        run: the recorded one.
        nodes: that are fed.
        exchange: of the nodes.
        stepper: runs the nodes.
    """

    def __init__(
        self, run: RecordedRun, nodes: list[PipelineNode], exchange: Exchange, stepper: Stepper
    ) -> None:
        self._run = run
        self._exchange, self._stepper = exchange, stepper
        (self._fusion,) = (node for node in nodes if isinstance(node, FusionNode))
        (self._controller,) = (node for node in nodes if isinstance(node, FocusControllerNode))
        self._made: list[DecisionRecord] = []
        self._started: list[int] = []
        exchange.subscribe(self._path(DECISION.name), self._made.append)
        exchange.subscribe(self._path(FUSION_EPOCH.name), self._started.append)
        self._known = len(self._started)
        schedule = run.schedule
        used = schedule.merged | {each.fused_stamp for each in schedule.evidence}
        self._to_fuse = deque(sorted(used))
        self._epochs = deque(schedule.epochs)
        self._needed = {*self._to_fuse, *(each.stamp for each in schedule.evidence)}
        self._images: dict[int, StampedImage] = {}
        self._assessed = 0
        self._states = deque(event for event in run.events() if isinstance(event, LensState))
        self._newest = 0
        exposure = run.settings.nodes["fusion"]["exposure_time"]
        # Until a state after the end of the exposure has come.
        self._after = round(0.5e9 * exposure) + 1

    def play(self) -> Iterator[ReplayedDecision]:
        """Feed the recording and yield the decisions."""
        run = self._run
        first = run.schedule.decisions[0]
        waiting: deque[DecisionRecord] = deque()
        begun = False
        self._put(CAMERA_INFO.name, run.info)
        self._put(LENS_LIMITS.name, run.limits)
        for message in run.bag.messages():
            name = message.topic.removeprefix(f"{run.namespace}/")
            if name == CAMERA_IMAGE.name:
                image = decode_message(CAMERA_IMAGE, message)
                if image is not None and image.stamp in self._needed:
                    self._images[image.stamp] = image
            elif name == DECISION.name:
                recorded = decode_message(DECISION, message)
                begun = begun or recorded == first
                if begun and recorded is not None:
                    waiting.append(recorded)
            while waiting and self._is_there(waiting[0]):
                decision = self._decide(waiting.popleft())
                if decision is None:
                    return
                yield decision
        # Frames that the recording lacks.
        for recorded in waiting:
            decision = self._decide(recorded)
            if decision is None:
                return
            yield decision

    def _is_there(self, recorded: DecisionRecord) -> bool:
        """Whether the frames that a decision was based on have come."""
        return all(
            each.stamp <= self._assessed or each.stamp in self._images for each in recorded.evidence
        ) and all(stamp in self._images for stamp in self._fused_until(recorded.evidence[-1]))

    def _fused_until(self, evidence: Evidence) -> list[int]:
        return [stamp for stamp in self._to_fuse if stamp <= evidence.fused_stamp]

    def _decide(self, recorded: DecisionRecord) -> ReplayedDecision | None:
        """Pass on what a decision was based on; None: the nodes do not make it."""
        made = len(self._made)
        fresh = [each for each in recorded.evidence if each.stamp > self._assessed]
        for evidence in fresh:
            # J first: a frame is seen together with the J of the time when its maps came.
            for each in self._fused_until(evidence):
                self._pass_states(each + self._after)
                self._restart(each)
                self._put(CAMERA_IMAGE.name, self._images.get(each))
                self._to_fuse.popleft()
            self._pass_states(evidence.stamp + self._after)
            if recorded.number == 1 and self._controller.state.frames_captured:
                # The agent was started again with the same J.
                with self._controller.lock:
                    self._controller.begin()
            if evidence is fresh[-1]:
                self._stepper.now = recorded.stamp
            self._put(_ASSESSED, self._images.get(evidence.stamp))
            self._assessed = evidence.stamp
        if not fresh:
            # The agent was asked again once the lens had settled.
            self._pass_states(recorded.stamp)
        done = min(self._assessed, recorded.evidence[-1].fused_stamp)
        self._images = {key: image for key, image in self._images.items() if key > done}
        if len(self._made) == made:
            return None
        last = self._made[-1]
        return ReplayedDecision(recorded, last.target, last.reason)

    def _restart(self, stamp: int) -> None:
        """Start a new J where the run did so before this frame."""
        while self._epochs and self._epochs[0] < stamp:
            started = self._epochs.popleft()
            # What fusion has started by itself was published as an epoch, too.
            if len(self._started) == self._known:
                self._stepper.now = started
                self._fusion.reset()
                self._stepper.settle()
            self._known = len(self._started)

    def _pass_states(self, end: int) -> None:
        """Pass on the lens states up to the first one not before `end` (nanoseconds)."""
        while self._states and self._newest < end:
            state = self._states.popleft()
            self._newest = self._stepper.now = state.stamp
            self._put(LENS_STATE.name, state)

    def _path(self, name: str) -> str:
        return str(self._fusion.resolve_topic_name(name))

    def _put(self, name: str, value: object | None) -> None:
        if value is None:
            return
        self._exchange.publish(self._path(name), value)
        self._stepper.settle()
