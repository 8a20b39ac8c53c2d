"""Finds topics that a node publishes and another one no longer receives.

Fast DDS can lose the connection between two processes of one computer when a third one is killed
(eProsima/Fast-DDS#5469, open): the publisher continues without an error, and new subscriptions hear
nothing either. Only a new process of the publisher helps.
"""

from collections.abc import Mapping

from aif_ros.nodes.diagnostics import PUBLISHED, SILENT

# Seconds for which a publisher must have published, and a subscriber must have reported that it
# hears nothing, which it does after 3 s. One that was paused reports so once.
_PUBLISHES, _REPORTED = 4.0, 1.5


class SilentTopics:
    """Compares what nodes report in their diagnostics."""

    def __init__(self) -> None:
        # By node and topic.
        self._silent: dict[tuple[str, str], tuple[float, float]] = {}  # first and last report
        self._published: dict[tuple[str, str], int] = {}
        self._publishes_since: dict[tuple[str, str], float] = {}

    def forget(self, node: str) -> None:
        """Forget what a node has reported: it is started again."""
        for values in (self._silent, self._published, self._publishes_since):
            for key in [key for key in values if key[0] == node]:
                del values[key]

    def take(self, node: str, values: Mapping[str, str], now: float) -> None:
        """Take in the values of a node's diagnostics.

        Args:
            node: its name.
            values: by key; see `PUBLISHED` and `SILENT`.
            now: seconds of any clock.
        """
        silent = {key for key in self._silent if key[0] == node}
        for name, text in values.items():
            if name.endswith(SILENT):
                key = node, name.removesuffix(SILENT)
                self._silent[key] = self._silent.get(key, (now, now))[0], now
                silent.discard(key)
            elif name.endswith(PUBLISHED):
                key = node, name.removesuffix(PUBLISHED)
                before, self._published[key] = self._published.get(key), int(text)
                if before is None or before == int(text):
                    self._publishes_since[key] = now
        for key in silent:
            del self._silent[key]

    def broken(self, now: float) -> tuple[str, str, str] | None:
        """Return publisher, topic and subscriber of a topic that is no longer received, if any."""
        for (publisher, topic), since in self._publishes_since.items():
            for (subscriber, heard), (first, last) in self._silent.items():
                if heard == topic and now - since > _PUBLISHES and last - first > _REPORTED:
                    return publisher, topic, subscriber
        return None
