"""Joins values of several streams that belong to the same frame."""

from collections import deque
from typing import Any


class StampJoin:
    """Finds the newest stamp for which every stream has delivered its value.

    Args:
        streams: number of streams.
        capacity: values kept of each stream: the most frames that one may be ahead of another.

    Example:
        >>> join = StampJoin(streams=2)
        >>> join.add(0, 100, "maps of I") is None
        True
        >>> join.add(1, 100, "maps of J")
        ('maps of I', 'maps of J')
    """

    def __init__(self, streams: int, *, capacity: int = 8) -> None:
        self._values: list[deque[tuple[int, Any]]] = [
            deque(maxlen=capacity) for _ in range(streams)
        ]

    def add(self, stream: int, stamp: int, value: Any) -> tuple[Any, ...] | None:
        """Add a value; return those of all streams with this stamp if they are complete now.

        Args:
            stream: index of the stream.
            stamp: of the frame that the value belongs to, nanoseconds.
            value: anything.
        """
        self._values[stream].append((stamp, value))
        joined = [
            next((other for at, other in reversed(values) if at == stamp), None)
            for values in self._values
        ]
        return None if any(each is None for each in joined) else tuple(joined)
