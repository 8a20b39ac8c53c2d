"""Processes that end with their parent."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

PARENT = """
import os, subprocess, sys
from aif_ros.process.parent import parent_environment
child = subprocess.Popen(
    [sys.executable, "-m", "aif_ros.process.parent", "sleep", "60"],
    env=os.environ | parent_environment(),
    start_new_session=True,
)
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_child_ends_with_its_parent_on_any_signal(number):
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        wait_until(lambda: child.name() == "sleep")
        parent.send_signal(number)
        parent.wait()
    child.wait(30)


def test_an_unrelated_process_continues():
    code = "import os; from aif_ros.process.parent import end_with_parent; end_with_parent()"
    environment = {name: value for name, value in os.environ.items() if name != "AIF_ROS_PARENT"}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


def test_a_process_whose_parent_has_ended_already_ends_at_once():
    code = "from aif_ros.process.parent import end_with_parent; end_with_parent(); print('alive')"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"AIF_ROS_PARENT": "1"},
        capture_output=True,
    )
    assert (result.returncode, result.stdout) == (-signal.SIGTERM, b"")


def wait_until(condition, timeout=30.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
