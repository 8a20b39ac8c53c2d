"""Node health, on /diagnostics."""

import threading
import time
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from aif_ros.nodes.publishers import NO_EVENTS

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

# Seconds that a fault is shown after it has last occurred.
_MEMORY = 10.0


def make_status(
    name: str, hardware_id: str, level: bytes, message: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    """Return a status message; numbers are written with six digits."""
    return DiagnosticStatus(
        level=level,
        name=name,
        hardware_id=hardware_id,
        message=message,
        values=[
            KeyValue(key=key, value=f"{value:.6g}" if isinstance(value, float) else str(value))
            for key, value in values.items()
        ],
    )


class Diagnostics:
    """Collects events, values and faults, from any thread, until they are published.

    Args:
        node: that publishes them.
        name: whose health it is, in the node's namespace; None: the node's own.
    """

    def __init__(self, node: Node, name: str | None = None) -> None:
        self._node = node
        path = f"{node.get_namespace()}/{name or node.get_name()}"
        self._name = path.lstrip("/")
        self._publisher = node.create_publisher(
            DiagnosticArray, "/diagnostics", 10, event_callbacks=NO_EVENTS
        )
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self._counts: dict[str, int] = {}
        self._totals: dict[str, int] = {}
        self._values: dict[str, object] = {}
        self._faults: dict[str, tuple[float, bytes, str]] = {}
        self.hardware_id = ""

    def count(self, event: str, *, total: bool = False) -> None:
        """Count an event; shown as a rate per second, or as the total."""
        with self._lock:
            counts = self._totals if total else self._counts
            counts[event] = counts.get(event, 0) + 1

    def note(self, key: str, value: object) -> None:
        """Set a value to show."""
        with self._lock:
            self._values[key] = value

    def warn(self, message: str, about: str = "") -> None:
        """Note that something was refused or is late; shown for some time.

        Args:
            message: for people.
            about: what it concerns; replaces what was noted about the same before.
        """
        self._remember(WARN, message, about)

    def error(self, message: str, about: str = "") -> None:
        """Note that something failed; see `warn`."""
        self._remember(ERROR, message, about)

    def clear(self, about: str | None = None) -> None:
        """Show no fault any more; None: about nothing at all."""
        with self._lock:
            if about is None:
                self._faults.clear()
            else:
                self._faults.pop(about, None)

    def publish(self) -> None:
        """Publish what has been collected since the last time."""
        with self._lock:
            now = time.monotonic()
            seconds, self._since = max(now - self._since, 1e-3), now
            values = {
                **{f"{event} per second": n / seconds for event, n in self._counts.items()},
                **self._totals,
                **self._values,
            }
            self._counts = dict.fromkeys(self._counts, 0)
            level, message = self._shown(now)
        status = make_status(self._name, self.hardware_id, level, message or "running", values)
        stamp = self._node.get_clock().now().to_msg()
        array = DiagnosticArray(status=[status])
        array.header.stamp = stamp
        self._publisher.publish(array)

    def _shown(self, now: float) -> tuple[bytes, str]:
        """Return the highest level and the messages to show, while the lock is held."""
        shown = [each[1:] for each in self._faults.values() if now - each[0] < _MEMORY]
        if not shown:
            return OK, ""
        return max(level for level, _ in shown), "; ".join(message for _, message in shown)

    def _remember(self, level: bytes, message: str, about: str) -> None:
        with self._lock:
            self._faults[about] = (time.monotonic(), level, message)
