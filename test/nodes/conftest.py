import re

import pytest
from bench import Bench
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import Log as RosoutMessage

from aif_ros.nodes.pipeline_node import PipelineNode

DIAGNOSED = {
    DiagnosticStatus.OK: "OK",
    DiagnosticStatus.WARN: "WARN",
    DiagnosticStatus.ERROR: "ERROR",
}
LOGGED = {"INFO": 20, "WARN": 30, "ERROR": 40}


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def diagnostics(bench, monkeypatch):
    monkeypatch.setattr(PipelineNode, "DIAGNOSTICS_PERIOD", 0.1)
    return Diagnostics(bench)


@pytest.fixture
def logged(bench):
    return Log(bench)


class Diagnostics:
    """What comes on /diagnostics from the nodes of this test."""

    def __init__(self, bench):
        self._prefix = bench.namespace.lstrip("/") + "/"
        self._heard = []
        bench.node.create_subscription(DiagnosticArray, "/diagnostics", self._take, 100)

    def _take(self, message):
        self._heard += [each for each in message.status if each.name.startswith(self._prefix)]

    def _of(self, node):
        return [each for each in self._heard if each.name == self._prefix + node]

    def find(self, node, level, words):
        return any(
            DIAGNOSED[each.level] == level and re.search(words, each.message)
            for each in self._of(node)
        )

    def find_fault(self, node, words):
        """Whether there was such a warning or, where that was long ago, an error."""
        return any(self.find(node, level, words) for level in ("WARN", "ERROR"))

    def last(self, node):
        statuses = self._of(node)
        return {pair.key: pair.value for pair in statuses[-1].values} if statuses else {}

    def newest(self, node):
        """Level of the newest status; None before the first."""
        statuses = self._of(node)
        return DIAGNOSED[statuses[-1].level] if statuses else None

    def hardware(self, node):
        return self._of(node)[-1].hardware_id


class Log:
    """What the nodes of this test log."""

    def __init__(self, bench):
        self._prefix = bench.namespace.strip("/") + "."
        self._heard = []
        bench.node.create_subscription(RosoutMessage, "/rosout", self._take, 100)

    def _take(self, message):
        if message.name.startswith(self._prefix):
            self._heard.append(message)

    def count(self, level, words):
        return sum(
            each.level == LOGGED[level] and re.search(words, each.msg) is not None
            for each in self._heard
        )

    def find(self, level, words):
        return self.count(level, words) > 0
