"""Records a running pipeline into a bag, with all that `bag_replay` needs to run it again."""

import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python
from rclpy.serialization import serialize_message
from std_msgs.msg import String

import aif_ros
from aif_ros.bringup.graph import BringupError
from aif_ros.bringup.observer import RunningGraph
from aif_ros.nodes.topic import Topic
from aif_ros.nodes.topics import (
    AUTOFOCUS_BUSY,
    CAMERA_IMAGE,
    CAMERA_INFO,
    CONTROL_STATUS,
    DECISION,
    DEFOCUS_MAPS,
    FOCUS_CURVE,
    FOCUS_WINDOW,
    FUSED_DEFOCUS_MAPS,
    FUSED_IMAGE,
    FUSION_EPOCH,
    IMAGE_DOUBT,
    IMAGE_FAULT,
    LEFT_OUT,
    LENS_COMMANDS,
    LENS_FAULT,
    LENS_LIMITS,
    LENS_STATE,
    LOOP_STATE,
    SOURCE_SAMPLES,
)
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION
from aif_ros.settings.declaration import declared
from aif_ros.settings.nodes import NODE_SETTINGS
from aif_ros.storage.bag import BagWriter

SETTINGS_TOPIC = "recording/settings"
"""Topic of the bag, in the pipeline's namespace, with a `RecordedSettings` as JSON."""

RECORDED: tuple[Topic[Any], ...] = (
    CAMERA_IMAGE,
    CAMERA_INFO,
    LENS_STATE,
    LENS_COMMANDS,
    LENS_FAULT,
    LENS_LIMITS,
    IMAGE_FAULT,
    IMAGE_DOUBT,
    FUSION_EPOCH,
    LEFT_OUT,
    SOURCE_SAMPLES,
    DEFOCUS_MAPS,
    FUSED_DEFOCUS_MAPS,
    FOCUS_WINDOW,
    FOCUS_CURVE,
    AUTOFOCUS_BUSY,
    DECISION,
    LOOP_STATE,
    CONTROL_STATUS,
)
"""Everything of the loop but the fused images."""

_NODES = {
    "fusion": "fusion_node",
    "autofocus": "autofocus_node",
    "focus_controller": "focus_controller_node",
}
# Seconds until the nodes of the pipeline must have been found and have answered.
_ANSWER = 10.0
# Bytes that wait to be written at most; more are dropped and counted.
_MOST_WAITING = 256_000_000
# Messages that DDS keeps for the recorder while Python is busy.
_DEPTH = 200


@dataclass(frozen=True)
class RecordedSettings:
    """How the recorded pipeline was set up.

    Attributes:
        version: of this package.
        nodes: parameters of the nodes by name.
        calibration: YAML text of the lens calibration.
    """

    version: str
    nodes: Mapping[str, Mapping[str, Any]]
    calibration: str


class BagRecorder:
    """Writes what is published into a bag; memory is bounded, what the disk cannot take is dropped.

    Args:
        running: observes the pipeline.
        writer: of the bag.
        fused: whether to record the fused images, too.
    """

    def __init__(self, running: RunningGraph, writer: BagWriter, *, fused: bool) -> None:
        self._node = running.node
        self._writer = writer
        self._queue: queue.SimpleQueue[tuple[str, int, bytes] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self.messages = 0
        """Number of messages taken."""
        self.dropped = 0
        """Number of messages lost because the disk is too slow."""
        self.error: OSError | None = None
        """Why nothing more can be written; None: no problem."""
        self._thread = threading.Thread(target=self._write, name="bag writer")
        self._thread.start()
        for topic in (*RECORDED, *((FUSED_IMAGE,) if fused else ())):
            self._listen(topic)

    def put(self, topic: str, data: bytes) -> None:
        """Record a serialised message on a declared topic."""
        self.messages += 1
        with self._lock:
            if self.error is not None or self._waiting + len(data) > _MOST_WAITING:
                self.dropped += 1
                return
            self._waiting += len(data)
        self._queue.put((topic, time.time_ns(), data))

    def close(self) -> None:
        """Write what still waits."""
        self._queue.put(None)
        self._thread.join()

    def _listen(self, topic: Topic[Any]) -> None:
        path = self._node.resolve_topic_name(topic.name)
        self._writer.add_topic(
            path,
            type_name(topic.message_type),
            depth=topic.publisher_qos.depth,
            latched=topic.latched,
        )
        self._node.create_subscription(
            topic.message_type,
            topic.name,
            partial(self.put, path),
            topic.subscription_qos(_DEPTH),
            raw=True,
        )

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            topic, stamp, data = item
            with self._lock:
                self._waiting -= len(data)
            if self.error is None:
                try:
                    self._writer.write(topic, stamp, data)
                except OSError as error:
                    self.error = error


def type_name(message_type: type) -> str:
    """Return the ROS name of a message type, such as sensor_msgs/msg/Image."""
    return f"{message_type.__module__.partition('.')[0]}/msg/{message_type.__name__}"


@contextmanager
def recording_bag(running: RunningGraph, path: Path, *, fused: bool) -> Iterator[BagRecorder]:
    """Record until the block is left.

    Args:
        running: observes a pipeline that is up.
        path: folder of the bag to make.
        fused: whether to record the fused images, too.

    Raises:
        BringupError: no pipeline runs.
        BagError: the bag cannot be written.
        OSError: the disk is full; what was written until then can be replayed.
    """
    settings = _settings(running)
    with BagWriter(path) as writer:
        topic = running.node.resolve_topic_name(SETTINGS_TOPIC)
        writer.add_topic(topic, type_name(String), depth=1, latched=True)
        recorder = BagRecorder(running, writer, fused=fused)
        try:
            recorder.put(topic, serialize_message(String(data=json.dumps(asdict(settings)))))
            yield recorder
        finally:
            recorder.close()
        if recorder.error is not None:
            raise recorder.error


def _settings(running: RunningGraph) -> RecordedSettings:
    """Ask the nodes for their parameters."""
    nodes = {name: _parameters(running, name, NODE_SETTINGS[kind]) for name, kind in _NODES.items()}
    path = Path(nodes["focus_controller"]["calibration"] or DEFAULT_CALIBRATION)
    try:
        calibration = path.read_text()
    except OSError as error:
        raise BringupError(
            f"cannot read the pipeline's calibration {path}: {error.strerror}; record on the "
            "computer that runs the pipeline"
        ) from error
    return RecordedSettings(aif_ros.__version__, nodes, calibration)


def _parameters(running: RunningGraph, node: str, settings: type) -> dict[str, Any]:
    names = [setting.name for setting in declared(settings)]
    client = running.node.create_client(GetParameters, f"{node}/get_parameters")
    try:
        future = None
        if running.spin_until(client.service_is_ready, _ANSWER):
            future = client.call_async(GetParameters.Request(names=names))
        if future is None or not running.spin_until(future.done, _ANSWER):
            raise BringupError(
                f"there is no node {running.graph.namespace}/{node}: start the pipeline first, and "
                "name its namespace and ROS domain (--namespace, ROS_DOMAIN_ID)"
            )
        values = map(parameter_value_to_python, future.result().values)
        return dict(zip(names, values, strict=True))
    finally:
        running.node.destroy_client(client)
