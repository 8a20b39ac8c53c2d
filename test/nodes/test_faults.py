"""How a node reports errors."""

from types import SimpleNamespace

import pytest
from rclpy.exceptions import InvalidHandle

from aif_ros.devices.device import DeviceError
from aif_ros.nodes import faults
from aif_ros.nodes.autofocus_node import AutofocusNode
from aif_ros.nodes.faults import FaultReporter


class Node:
    """What a reporter needs of its node."""

    def __init__(self):
        self.running = True
        self.context = SimpleNamespace(ok=lambda: self.running)
        self.logged = []

    def get_logger(self):
        return SimpleNamespace(error=self.logged.append)

    def get_name(self):
        return "lens"


@pytest.fixture
def node():
    return Node()


@pytest.fixture
def shown():
    return []


@pytest.fixture
def reporter(node, shown):
    return FaultReporter(node, SimpleNamespace(error=shown.append))


def raised(error):
    try:
        raise error
    except Exception as caught:
        return caught


@pytest.mark.parametrize("kind", [ValueError, FileNotFoundError, DeviceError])
def test_expected_errors_are_one_line(reporter, node, shown, kind):
    reporter.report(raised(kind("the lens does not answer")), "cannot open: ")
    assert node.logged == shown == ["cannot open: the lens does not answer"]


def test_defects_are_logged_with_their_traceback(reporter, node, shown):
    reporter.report(raised(KeyError("width")))
    assert "in raised" in node.logged[0]
    assert shown == ["'width'"]


class TestThrottled:
    @pytest.fixture(autouse=True)
    def seconds(self, monkeypatch):
        clock = SimpleNamespace(now=100.0)
        monkeypatch.setattr(faults, "time", SimpleNamespace(monotonic=lambda: clock.now))
        return clock

    def test_an_error_that_persists_is_logged_every_ten_seconds(
        self, reporter, node, shown, seconds
    ):
        for _ in range(25):
            reporter.report_throttled(ValueError("no image"))
            seconds.now += 1.0
        assert node.logged == ["no image"] * 3
        assert shown == ["no image"] * 25

    def test_another_error_is_logged_at_once(self, reporter, node):
        for text in ("no image", "no image", "no lens", "no image"):
            reporter.report_throttled(ValueError(text))
        assert node.logged == ["no image", "no lens", "no image"]


def test_after_the_shutdown_errors_of_ros_are_silent_and_others_go_to_stderr(
    reporter, node, shown, capsys
):
    node.running = False
    reporter.report(raised(InvalidHandle("gone")))
    assert shown == []
    reporter.report(raised(ValueError("the disk is full")))
    assert node.logged == []
    assert capsys.readouterr().err == "[lens] the disk is full\n"


def test_weights_that_cannot_be_used_are_an_expected_error(bench):
    """A parameter names them: the node stays as it is, and can be configured again."""
    node = bench.make(AutofocusNode, estimator="none.safetensors")
    assert node.trigger_configure().name == "FAILURE"
