"""The programs of the launch file as processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE

import aif_ros

ROOT = Path(aif_ros.__file__).parents[1]

# Runs a program as `python -m` does; interrupts it where it imports rclpy.
CODE = """
import os, runpy, signal, sys

class Finder:
    def find_spec(self, name, path, target=None):
        if name == "rclpy":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.{signal})
            print("here", flush=True)

sys.meta_path.insert(0, Finder())
sys.argv = ["start", *{arguments}]
runpy.run_module("aif_ros.bringup.start", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "arguments", [["one_process", "scene:=planes"], ["supervisor", "", "lens"]]
)
def test_ends_without_a_word_while_it_imports(how, arguments):
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(signal=how.name, arguments=arguments)],
        cwd=ROOT,
        env=os.environ | {"ROS_DOMAIN_ID": str(40 + os.getpid() % 60)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "here\n", "")
