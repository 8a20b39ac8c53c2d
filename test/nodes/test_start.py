"""The executables of the nodes as processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_parameters import EXECUTABLES

import aif_ros
from aif_ros.nodes import start

ROOT = Path(aif_ros.__file__).parents[1]


@pytest.mark.parametrize("executable", EXECUTABLES)
def test_entry_points_are_there(executable):
    assert callable(getattr(start, executable))


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute nonsense"):
        _ = start.nonsense


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("when", ["importing", "spinning"])
def test_ends_without_a_word(how, when):
    # What runs says when it has come to the point at which it shall be interrupted.
    point = "import cv2" if when == "importing" else "SingleThreadedExecutor.spin"
    code = f"""
import sys
from aif_ros.nodes.start import start

def say():
    print("here", flush=True)

if {when == "importing"}:
    class Finder:
        def find_spec(self, name, path, target=None):
            if name == "cv2":
                say()
                import time
                time.sleep(30)
    sys.meta_path.insert(0, Finder())
else:
    from rclpy.executors import SingleThreadedExecutor
    spin = SingleThreadedExecutor.spin
    def telling_spin(self):
        say()
        spin(self)
    SingleThreadedExecutor.spin = telling_spin
sys.argv = ["fusion_node"]
sys.exit(start("fusion_node"))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"ROS_DOMAIN_ID": str(40 + os.getpid() % 60)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout.readline() == "here\n", point
        process.send_signal(how)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert output == ""
