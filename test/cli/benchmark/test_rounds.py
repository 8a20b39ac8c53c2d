"""Runs of the loop are measured on a stand-in for nodes that are up."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("std_srvs", reason="calls a service of the nodes")

from aif_ros.cli import CommandError
from aif_ros.cli.benchmark import _rounds
from aif_ros.cli.benchmark._rounds import measure_rounds
from aif_ros.nodes.exchange import Exchange
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import FUSED_IMAGE

MILLISECOND = 10**6


class Running:
    """A graph whose every reset publishes `images` fused images, 100 ms apart."""

    pids = None

    def __init__(self, images):
        self.images = images
        self.exchange = Exchange()
        self.exchange.advertise(FUSED_IMAGE.name)
        self.node = SimpleNamespace(
            resolve_topic_name=lambda name: name,
            create_client=lambda *_: SimpleNamespace(
                call_async=self._reset, service_is_ready=lambda: True
            ),
        )
        self.state = SimpleNamespace(reason="nothing left to focus")
        self.stopped = True
        self.resets = 0

    def forget(self):
        """The stand-in publishes no states."""

    def _reset(self, request):
        self.resets += 1
        now = time.time_ns() + 1
        # An image of the run before is not of this one.
        for stamp in (now - 10**9, *(now + i * 100 * MILLISECOND for i in range(self.images))):
            image = StampedImage(np.zeros((2, 2), np.uint8), stamp, "camera")
            self.exchange.publish(FUSED_IMAGE.name, image)
        return SimpleNamespace(done=lambda: True)

    def spin_until(self, condition, timeout=None):
        while not condition():
            pass
        return True


def test_each_run_counts_with_its_own_images():
    running = Running(images=4)
    cost = measure_rounds(running, 3, by_reference=True)
    assert running.resets == 3
    assert len(cost.latencies) == 3 * 4
    assert cost.rate == pytest.approx(10.0)
    assert cost.memory["all nodes"] > 0


def test_without_an_image_there_is_no_result():
    with pytest.raises(CommandError, match="no fused image"):
        measure_rounds(Running(images=0), 1, by_reference=True)


def test_a_loop_without_progress_is_given_up(monkeypatch):
    monkeypatch.setattr(_rounds, "STANDSTILL", 0.01)
    running = Running(images=4)
    running.stopped = False
    with pytest.raises(CommandError, match=r"no progress for 0\.01 s: nothing left"):
        measure_rounds(running, 1, by_reference=True)
