"""What a topic is: name, message type, quality of service; and what is sent on those of images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from aif_ros.pipeline.assess_step import DefocusMaps

T = TypeVar("T")


@dataclass(frozen=True)
class StampedImage:
    """An image or map and the time of the exposure that it comes from.

    Attributes:
        image: (H, W) mono, (H, W, 3) RGB, or (H, W) float32 map.
        stamp: nanoseconds since the epoch.
        frame_id: coordinate frame.
    """

    image: NDArray[Any]
    stamp: int
    frame_id: str


@dataclass(frozen=True)
class StampedMaps:
    """The defocus maps of one image.

    Attributes:
        maps: with their stamp.
        frame_id: coordinate frame of the image.
    """

    maps: DefocusMaps
    frame_id: str


@dataclass(frozen=True)
class Topic(Generic[T]):
    """One topic.

    Attributes:
        name: relative, the namespace comes from launch.
        message_type: ROS message type.
        description: what it carries, for people.
        encode: makes the message.
        decode: reads the message.
        latched: whether late subscribers get the last message.
        depth: messages kept for a subscriber that cannot keep up.
        continuous: whether messages keep coming as long as its publisher works.
    """

    name: str
    message_type: type
    description: str
    encode: Callable[[T], Any]
    decode: Callable[[Any], T]
    latched: bool = False
    depth: int = 2
    continuous: bool = False

    @property
    def publisher_qos(self) -> QoSProfile:
        """Reliable: a reliable subscriber never matches a best-effort publisher."""
        return QoSProfile(
            depth=1 if self.latched else self.depth,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL
            if self.latched
            else DurabilityPolicy.VOLATILE,
        )

    def subscription_qos(self, depth: int) -> QoSProfile:
        """Whatever the publishers offer, keeping the newest `depth` messages.

        Best effort would lose every frame larger than the shared-memory segment of Fast DDS
        (512 KB) [rmw_fastrtps#739]; reliable never matches a driver that publishes best effort.
        """
        return QoSProfile(
            depth=depth,
            reliability=ReliabilityPolicy.BEST_AVAILABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL
            if self.latched
            else DurabilityPolicy.VOLATILE,
        )
