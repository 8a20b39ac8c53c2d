"""Finds topics that a node publishes and another one no longer receives.

Fast DDS can lose the connection between two processes of one computer when a third one is killed
(eProsima/Fast-DDS#5469, open): the publisher continues without an error, and new subscriptions hear
nothing either. Only a new process of the publisher helps.
"""

from aif_ros.nodes.node_traffic import NodeTraffic

# Seconds for which a publisher must have published, and a subscriber must have reported that it
# hears nothing, which it does after 3 s. One that was paused reports so once.
_PUBLISHES, _REPORTED = 4.0, 1.5


class SilentTopics:
    """Compares what nodes report to have published, and not to hear."""

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

    def take(self, traffic: NodeTraffic, now: float) -> None:
        """Take in what a node reports.

        Args:
            traffic: of the node.
            now: seconds of any clock.
        """
        node = traffic.node
        for topic in traffic.silent:
            key = node, topic
            self._silent[key] = self._silent.get(key, (now, now))[0], now
        for key in [key for key in self._silent if key[0] == node]:
            if key[1] not in traffic.silent:
                del self._silent[key]
        for topic, count in traffic.published.items():
            key = node, topic
            before, self._published[key] = self._published.get(key), count
            if before is None or before == count:
                self._publishes_since[key] = now

    def broken(self, now: float) -> tuple[str, str, str] | None:
        """Return publisher, topic and subscriber of a topic that is no longer received, if any."""
        for (publisher, topic), since in self._publishes_since.items():
            for (subscriber, heard), (first, last) in self._silent.items():
                if heard == topic and now - since > _PUBLISHES and last - first > _REPORTED:
                    return publisher, topic, subscriber
        return None
