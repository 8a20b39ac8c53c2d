"""Makes the decisions of a recorded bag again, with the steps of the library loop."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import String

from aif_ros.bringup.bag_recording import SETTINGS_TOPIC, RecordedSettings
from aif_ros.control.agents import make_agent
from aif_ros.defocus.estimators import make_estimator
from aif_ros.fusion.fuser import make_fuser
from aif_ros.nodes.topic import StampedImage, Topic
from aif_ros.nodes.topics import (
    CAMERA_IMAGE,
    CAMERA_INFO,
    DECISION,
    FUSION_EPOCH,
    LENS_LIMITS,
    SOURCE_SAMPLES,
    lens_states_of,
)
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import AssessStep
from aif_ros.pipeline.decision_record import DecisionRecord
from aif_ros.pipeline.fuse_step import FuseStep
from aif_ros.pipeline.replay import Replay, ReplayedDecision, Schedule
from aif_ros.storage.bag import Bag, BagError, BagMessage
from aif_ros.types.frame import LensState

Event = StampedImage | LensState


@dataclass
class RecordedRun:
    """A bag of `aif record`, read once for everything but its images.

    Attributes:
        bag: to read again.
        namespace: of the recorded pipeline, absolute; empty: none.
        settings: of the recorded pipeline.
        lens_model: its lens.
        schedule: what it did with its frames.
        info: a camera info of its camera; None: none was recorded.
        limits: of the lens, metres; None: none were recorded, those of the calibration hold.
        unknown: number of decisions before the first complete run of the agent.
    """

    bag: Bag
    namespace: str
    settings: RecordedSettings
    lens_model: LensModel
    schedule: Schedule
    info: CameraInfo | None = None
    limits: tuple[float, float] | None = None
    unknown: int = 0

    @property
    def controller(self) -> Mapping[str, Any]:
        """Parameters of the focus controller."""
        return self.settings.nodes["focus_controller"]

    @property
    def dynamic(self) -> bool:
        """Whether the scene was to be taken as moving."""
        return bool(self.controller["mode"] == "dynamic")

    def events(self) -> Iterator[Event]:
        """Yield images and lens states, as they were received."""
        states = lens_states_of(self.controller["lens_joint"], self.lens_model.position_resolution)
        for message in self.bag.messages():
            for topic in (CAMERA_IMAGE, states):
                if message.topic == f"{self.namespace}/{topic.name}":
                    value = decode_message(topic, message)
                    if value is not None:
                        yield value


@dataclass(frozen=True)
class Parts:
    """Parts to replay with instead of the recorded ones; empty: the recorded one.

    Attributes:
        agent: focus-control agent.
        fusion: fusion method.
        estimator: blur estimator.
    """

    agent: str = ""
    fusion: str = ""
    estimator: str = ""


@dataclass
class _Reading:
    """What the first reading of a bag collects."""

    settings: RecordedSettings | None = None
    namespace: str = ""
    merged: set[int] = field(default_factory=set)
    epochs: list[int] = field(default_factory=list)
    decisions: list[DecisionRecord] = field(default_factory=list)
    info: CameraInfo | None = None
    limits: tuple[float, float] | None = None

    def take(self, message: BagMessage) -> None:
        if self.settings is None:
            # It comes first.
            if message.topic.endswith(f"/{SETTINGS_TOPIC}"):
                text = deserialize_message(message.data, String).data
                self.settings = RecordedSettings(**json.loads(text))
                self.namespace = message.topic.removesuffix(f"/{SETTINGS_TOPIC}")
            return
        name = message.topic.removeprefix(f"{self.namespace}/")
        if name == SOURCE_SAMPLES.name:
            samples = decode_message(SOURCE_SAMPLES, message)
            self.merged |= set() if samples is None else {samples.stamp}
        elif name == FUSION_EPOCH.name:
            epoch = decode_message(FUSION_EPOCH, message)
            self.epochs += [] if epoch is None else [epoch]
        elif name == DECISION.name:
            decision = decode_message(DECISION, message)
            self.decisions += [] if decision is None else [decision]
        elif name == CAMERA_INFO.name and self.info is None:
            self.info = decode_message(CAMERA_INFO, message)
        elif name == LENS_LIMITS.name and self.limits is None:
            self.limits = decode_message(LENS_LIMITS, message)


def read_run(path: Path) -> RecordedRun:
    """Read a bag that `recording_bag` has written, also one that was interrupted.

    Raises:
        BagError: it is no such bag, or holds no complete run of the agent.
    """
    bag, reading = Bag(path), _Reading()
    for message in bag.messages():
        reading.take(message)
    if reading.settings is None:
        raise BagError(f"{path} was not recorded by aif record: it lacks {SETTINGS_TOPIC}")
    decisions = reading.decisions
    first = next((i for i, each in enumerate(decisions) if each.number == 1), None)
    if first is None:
        raise BagError(
            f"{path} holds no decision since the loop began: record with --restart, or start "
            "recording before the pipeline"
        )
    return RecordedRun(
        bag,
        reading.namespace,
        reading.settings,
        _lens_model(reading.settings.calibration),
        Schedule(frozenset(reading.merged), sorted(set(reading.epochs)), decisions[first:]),
        reading.info,
        reading.limits,
        first,
    )


def replay_by_library(run: RecordedRun, parts: Parts | None = None) -> Iterator[ReplayedDecision]:
    """Make every decision of a run again with the steps of the library loop.

    Args:
        run: the recorded one.
        parts: to use instead of the recorded ones.

    Yields:
        The decisions, in their order.
    """
    parts = parts or Parts()
    fusion, autofocus = run.settings.nodes["fusion"], run.settings.nodes["autofocus"]
    model, dynamic = run.lens_model, run.dynamic
    # The geometry of all frames is that of the calibration; only the agent keeps to the limits.
    limited = model if run.limits is None else model.narrowed(run.limits)
    fuser = make_fuser(parts.fusion or fusion["fusion_method"], model if dynamic else None)
    estimator = make_estimator(parts.estimator or autofocus["estimator"], model)
    replay = Replay(
        run.schedule,
        model,
        FuseStep(fuser, model, dynamic=dynamic),
        AssessStep(estimator, model, dynamic=dynamic),
        lambda: make_agent(
            parts.agent or run.controller["agent"],
            limited,
            dynamic=dynamic,
            max_captures=run.controller["max_captures"],
        ),
        dynamic=dynamic,
        exposure_time=fusion["exposure_time"],
        bits_per_sample=fusion["bits_per_sample"],
    )
    for event in run.events():
        if isinstance(event, LensState):
            yield from replay.add_state(event)
        else:
            replay.add_image(event)


@contextmanager
def calibration_file(calibration: str) -> Iterator[Path]:
    """Write the recorded calibration to a temporary file."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(calibration)
        file.flush()
        yield Path(file.name)


def _lens_model(calibration: str) -> LensModel:
    with calibration_file(calibration) as path:
        return LensModel.load(path)


def decode_message(topic: Topic[Any], message: BagMessage) -> Any:
    """Return what a message holds; None: nothing that the nodes could use, either.

    Args:
        topic: that it was recorded from.
        message: as recorded.
    """
    try:
        return topic.decode(deserialize_message(message.data, topic.message_type))
    except ValueError:
        return None
