"""Intra-process transport by reference, between nodes that run in one process."""

import threading
from collections.abc import Callable
from typing import Any

Callback = Callable[[Any], None]


class Exchange:
    """Passes published values to the subscribers in the same process, without a copy.

    Callbacks run in the publisher's thread. They must be short, and a publisher must not hold a
    lock that a callback takes. Published values must not be changed afterwards.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[str, list[Callback]] = {}
        self._latched: dict[str, Any] = {}
        self.published = 0
        """Number of values passed so far."""

    def advertise(self, topic: str) -> None:
        """Declare that `topic` is published in this process."""
        with self._lock:
            self._callbacks.setdefault(topic, [])

    def offers(self, topic: str) -> bool:
        """Whether `topic` is published in this process."""
        with self._lock:
            return topic in self._callbacks

    def withdraw(self, topic: str) -> None:
        """Drop the latched value: later subscribers do not get it."""
        with self._lock:
            self._latched.pop(topic, None)

    def publish(self, topic: str, value: Any, *, latch: bool = False) -> None:
        """Pass `value` to all subscribers; if latched, also to later ones.

        Args:
            topic: full name.
            value: passed by reference.
            latch: whether those that subscribe later get it, too.
        """
        with self._lock:
            if latch:
                self._latched[topic] = value
            self.published += 1
            callbacks = tuple(self._callbacks[topic])
        for callback in callbacks:
            callback(value)

    def subscribe(self, topic: str, callback: Callback) -> None:
        """Call `callback` for each value from now on, and at once for a latched one."""
        with self._lock:
            self._callbacks[topic].append(callback)
            latched = (self._latched[topic],) if topic in self._latched else ()
        for value in latched:
            callback(value)

    def unsubscribe(self, topic: str, callback: Callback) -> None:
        """Undo `subscribe`."""
        with self._lock:
            self._callbacks[topic].remove(callback)
