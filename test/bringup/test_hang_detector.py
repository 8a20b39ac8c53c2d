import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from patience import PATIENCE

from aif_ros.bringup import hang_detector
from aif_ros.bringup.hang_detector import HangDetector, is_busy


@pytest.fixture
def member():
    return SimpleNamespace(name="lens", appeared=True, active=True, starting=False, answered=0.0)


@pytest.fixture
def process(monkeypatch):
    """What the threads of the node are found to do."""
    found = SimpleNamespace(busy=False)
    monkeypatch.setattr(hang_detector, "is_busy", lambda pid: found.busy)
    return found


def hangs(detector, member, now, checks=10):
    return [detector.hangs(member, 1, now) for _ in range(checks)][-1]


def test_an_idle_node_hangs_once_it_was_found_idle_several_times(member, process):
    detector = HangDetector([member])
    assert not hangs(detector, member, 3.0)
    assert not hangs(detector, member, 4.0, checks=4)
    assert hangs(detector, member, 4.0, checks=1)


def test_a_busy_node_is_given_more_time(member, process):
    detector, process.busy = HangDetector([member]), True
    assert not hangs(detector, member, 29.0)
    assert hangs(detector, member, 31.0)


def test_a_node_that_a_user_has_deactivated_does_not_hang(member, process):
    member.active = False
    assert not hangs(HangDetector([member]), member, 100.0)


def test_a_node_that_is_started_again_is_given_twice_the_time(member, process):
    detector, member.appeared = HangDetector([member]), False
    assert hangs(detector, member, 31.0)
    detector.unanswered_starts["lens"] = 1
    assert not hangs(detector, member, 59.0)
    assert hangs(detector, member, 61.0)
    member.appeared = True
    detector.hangs(member, 1, 0.0)
    assert detector.unanswered_starts == {"lens": 0}


@pytest.mark.parametrize(
    ("code", "busy"),
    [
        ("import time; print(flush=True); time.sleep(600)", False),
        ("print(flush=True)\nwhile 1: 1", True),
    ],
    ids=["sleeps", "computes"],
)
def test_a_process_that_computes_is_busy(code, busy):
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            deadline = time.monotonic() + PATIENCE
            while is_busy(process.pid) != busy:
                assert time.monotonic() < deadline
            process.send_signal(signal.SIGSTOP)
            while is_busy(process.pid):
                assert time.monotonic() < deadline
        finally:
            process.kill()
