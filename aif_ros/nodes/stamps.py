"""Times of ROS messages as integer nanoseconds, and back."""

from builtin_interfaces.msg import Time

_SECOND = 1_000_000_000


def to_time(stamp: int) -> Time:
    """Nanoseconds since the epoch as a ROS time."""
    return Time(sec=stamp // _SECOND, nanosec=stamp % _SECOND)


def to_stamp(time: Time) -> int:
    """A ROS time as nanoseconds since the epoch."""
    return int(time.sec) * _SECOND + int(time.nanosec)
