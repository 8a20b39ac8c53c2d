"""Bags of messages as rosbag2 has them: a folder with one MCAP file and its metadata.yaml.

Messages are serialised as CDR; the file holds the definition of each type, so that any MCAP reader
understands it. What has been written can be read after the writer was killed, too: the file is
then without its index, and the folder without metadata.yaml.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from zlib import error as ZlibError

from mcap.exceptions import McapError
from mcap.reader import NonSeekingReader
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.typesys import Stores, get_typestore

# What ROS 2 writes for a duration that is not limited.
_INFINITE = QosTime(2147483647, 4294967295)


class BagError(Exception):
    """A bag cannot be written or read; the message says why."""


@dataclass(frozen=True)
class BagMessage:
    """One message of a bag.

    Attributes:
        topic: its absolute name.
        message_type: such as sensor_msgs/msg/Image.
        stamp: when it was received, nanoseconds.
        data: serialised message (CDR).
    """

    topic: str
    message_type: str
    stamp: int
    data: bytes


class BagWriter:
    """Writes a new bag.

    Args:
        path: folder to make; it must not exist.

    Raises:
        BagError: it exists or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._types = get_typestore(Stores.ROS2_JAZZY)
        self._connections: dict[str, Connection] = {}
        try:
            self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except (WriterError, OSError) as error:
            raise BagError(f"cannot write the bag {path}: {error}") from error

    def add_topic(self, topic: str, message_type: str, *, depth: int, latched: bool) -> None:
        """Declare a topic before its first message.

        Args:
            topic: its absolute name.
            message_type: such as sensor_msgs/msg/Image.
            depth: of the publisher's queue; `ros2 bag play` offers the same.
            latched: whether the publisher is transient local.
        """
        durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
        qos = Qos(
            QosHistory.KEEP_LAST,
            depth,
            QosReliability.RELIABLE,
            durability,
            _INFINITE,
            _INFINITE,
            QosLiveliness.AUTOMATIC,
            _INFINITE,
            avoid_ros_namespace_conventions=False,
        )
        self._connections[topic] = self._writer.add_connection(
            topic, message_type, typestore=self._types, offered_qos_profiles=[qos]
        )

    def write(self, topic: str, stamp: int, data: bytes) -> None:
        """Append a message.

        Raises:
            OSError: the disk is full.
        """
        self._writer.write(self._connections[topic], stamp, data)

    def close(self) -> None:
        """Write the index and metadata.yaml."""
        self._writer.close()

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            self._writer.abort()  # a full disk has no room for the index, either
        else:
            self.close()


class Bag:
    """Reads a bag from its beginning, one message at a time.

    Args:
        path: folder of the bag, or its MCAP file.

    Raises:
        BagError: there is no such bag, or it is no MCAP bag.
    """

    def __init__(self, path: Path) -> None:
        self.truncated = False
        """Whether reading has come to an end that the writer had not finished."""
        self._files = [path] if path.is_file() else sorted(path.glob("*.mcap"))
        if not self._files:
            raise BagError(f"there is no MCAP file in {path}: name the folder of a recorded bag")

    def messages(self) -> Iterator[BagMessage]:
        """Yield the messages in the order in which they were written.

        Raises:
            BagError: it is no MCAP file.
        """
        for file in self._files:
            yield from self._read(file)

    def _read(self, file: Path) -> Iterator[BagMessage]:
        seen = False
        with file.open("rb") as stream:
            try:
                reader = NonSeekingReader(stream)
                for schema, channel, message in reader.iter_messages(log_time_order=False):
                    seen = True
                    yield BagMessage(
                        channel.topic,
                        schema.name if schema is not None else "",
                        message.log_time,
                        message.data,
                    )
            except (McapError, EOFError, struct.error, ZlibError) as error:
                if not seen:
                    raise BagError(f"{file} is no MCAP file, or an empty one: {error}") from error
                self.truncated = True
