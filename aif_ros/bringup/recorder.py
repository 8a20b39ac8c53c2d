"""Watches a running pipeline by its topics and keeps what a report needs."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import numpy as np
from rclpy.node import Node

from aif_ros.bringup.background_node import background_node
from aif_ros.bringup.graph import BringupError
from aif_ros.bringup.listening import listen
from aif_ros.nodes.loop_state import ENDED, LoopState
from aif_ros.nodes.topic import StampedImage, StampedMaps
from aif_ros.nodes.topics import (
    CAMERA_IMAGE,
    DECISION,
    DEFOCUS_MAPS,
    FUSED_DEFOCUS_MAPS,
    FUSED_IMAGE,
    LENS_STATE,
    LOOP_STATE,
)
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.decision_record import DecisionRecord
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.pipeline.recording import LoopRecording, RecordedFrame
from aif_ros.types.frame import LensState

T = TypeVar("T")

# Frames that wait for the fused image of the same stamp; fusion takes less than a second.
_FRAMES_KEPT = 60
# Seconds that the last decision may come after the state that it has led to.
_LAST_DECISION = 1.0
_UNKNOWN = DefocusMaps(np.full((1, 1, 4), np.nan, np.float32), 0)


def _ignore(decision: DecisionRecord) -> None:
    """Do nothing."""


class Recorder:
    """Listens to every frame, fused image, distance map, lens state and decision.

    Args:
        node: to listen with, in the pipeline's namespace.
        decided: called with each decision, in their order, by the thread that spins the node.
    """

    def __init__(self, node: Node, decided: Callable[[DecisionRecord], object] = _ignore) -> None:
        self._node = node
        self._decided = decided
        self.stopped = threading.Event()
        """Set once the focus controller has ended the loop."""
        self._decided_to_stop = threading.Event()
        self.decisions: list[DecisionRecord] = []
        """Each decision, in their order: states of the loop that follow each other fast are not
        all received."""
        self._state: LoopState | None = None
        self._recent: OrderedDict[int, StampedImage] = OrderedDict()
        self._frames: dict[int, StampedImage] = {}
        self._fused: dict[int, StampedImage] = {}
        self._maps: dict[int, DefocusMaps] = {}
        self._fused_maps: dict[int, DefocusMaps] = {}
        self._states: list[LensState] = []
        listen(node, CAMERA_IMAGE, self._take_frame, depth=20)
        listen(node, FUSED_IMAGE, self._take_fused, depth=20)
        listen(node, DEFOCUS_MAPS, partial(_keep, self._maps), depth=10)
        listen(node, FUSED_DEFOCUS_MAPS, partial(_keep, self._fused_maps), depth=10)
        listen(node, LENS_STATE, self._states.append, depth=200)
        listen(node, LOOP_STATE, self._take_state, depth=10)
        listen(node, DECISION, self._take_decision, depth=DECISION.depth)

    @property
    def anything(self) -> bool:
        """Whether a fused image and its frame have been seen."""
        return not self._fused.keys().isdisjoint(self._frames)

    @property
    def complete(self) -> bool:
        """Whether the loop has ended and what belongs to its last fused image has come."""
        last = max(self._fused, default=0)
        return self.stopped.is_set() and last in self._fused_maps

    def _take_frame(self, image: StampedImage) -> None:
        self._recent[image.stamp] = image
        if image.stamp in self._fused:
            self._frames[image.stamp] = image
        if len(self._recent) > _FRAMES_KEPT:
            self._recent.popitem(last=False)

    def _take_fused(self, image: StampedImage) -> None:
        self._fused[image.stamp] = image
        if image.stamp in self._recent:
            self._frames[image.stamp] = self._recent[image.stamp]

    def wait_for_last_decision(self) -> None:
        """Where the loop has ended by itself, wait a moment for the decision to stop.

        States and decisions are topics of their own: their order is not that of publication.
        """
        if self.stopped.is_set():
            self._decided_to_stop.wait(_LAST_DECISION)

    def _take_decision(self, decision: DecisionRecord) -> None:
        self.decisions.append(decision)
        self._decided(decision)
        if decision.target is None:
            self._decided_to_stop.set()

    def _take_state(self, state: LoopState) -> None:
        self._state = state
        if state.state in ENDED:
            self.stopped.set()

    def recording(self, scene: str, lens_model: LensModel) -> LoopRecording:
        """Put together what was seen.

        Args:
            scene: its name.
            lens_model: of the pipeline's lens.

        Raises:
            BringupError: no fused image and its frame were seen.
        """
        if self._state is None or not self.anything:
            silent = "the focus controller has published nothing"
            reason = silent if self._state is None else self._state.reason
            raise BringupError(f"no frame has been fused: {reason}")
        return LoopRecording(
            scene,
            self._state.agent,
            lens_model,
            list(self._recorded_frames()),
            self._states,
            self._state.reason,
            self._state.doubt,
            self._state.left_out,
        )

    def _recorded_frames(self) -> Iterator[RecordedFrame]:
        """Yield the frames that were fused, each with what was derived from it."""
        stamps = sorted(self._fused.keys() & self._frames.keys())
        timeline = LensStateBuffer(capacity=len(self._states))
        for state in self._states:
            timeline.add(state)
        for stamp, end in zip(stamps, [*stamps[1:], np.inf], strict=True):
            # Autofocus may have looked at a later frame of the same rest than fusion has used.
            maps = _first(self._maps, stamp, end)
            fused_maps = _first(self._fused_maps, stamp, end)
            decisions = [each for each in self.decisions if stamp <= each.evidence[-1].stamp < end]
            yield RecordedFrame(
                stamp=stamp,
                position=timeline.position(stamp),
                image=self._frames[stamp].image,
                fused=self._fused[stamp].image,
                distance=maps.distance,
                fused_distance=fused_maps.distance,
                in_focus=maps.in_focus,
                fused_in_focus=fused_maps.in_focus,
                window=decisions[-1].window if decisions else None,
                reason=decisions[-1].reason if decisions else "",
            )


def _keep(maps: dict[int, DefocusMaps], stamped: StampedMaps) -> None:
    maps[stamped.maps.stamp] = stamped.maps


def _first(seen: dict[int, DefocusMaps], begin: int, end: float) -> DefocusMaps:
    """Return the maps with the first stamp from `begin` to `end`."""
    stamps = [stamp for stamp in seen if begin <= stamp < end]
    return seen[min(stamps)] if stamps else _UNKNOWN


@contextmanager
def recording(
    namespace: str = "", decided: Callable[[DecisionRecord], object] = _ignore
) -> Iterator[Recorder]:
    """Record in the background; to be entered before the pipeline is started.

    Args:
        namespace: of the pipeline; empty: none.
        decided: see `Recorder`.
    """

    def attach(node: Node) -> Recorder:
        return Recorder(node, decided)

    with background_node("recorder", namespace, attach, use_global_arguments=False) as recorder:
        yield recorder
