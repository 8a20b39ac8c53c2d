"""The executables of the nodes as processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from executables import EXECUTABLES
from patience import PATIENCE

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
    point = "import cv2" if when == "importing" else "SingleThreadedExecutor.spin_once"
    code = f"""
import sys
from aif_ros.nodes.start import start

def say():
    print("here", flush=True)

if {when == "importing"}:
    class Finder:
        def find_spec(self, name, path, target=None):
            if name == "cv2":
                sys.meta_path.remove(self)
                say()
                import time
                try:
                    time.sleep(0.5)
                except BaseException as error:
                    # As OpenCV does.
                    print("cannot import it")
                    raise ImportError from error
    sys.meta_path.insert(0, Finder())
else:
    from rclpy.executors import SingleThreadedExecutor
    spin_once = SingleThreadedExecutor.spin_once
    def telling_spin_once(self, timeout):
        say()
        SingleThreadedExecutor.spin_once = spin_once
        spin_once(self, timeout)
    SingleThreadedExecutor.spin_once = telling_spin_once
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
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert output == ""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ends_well_wherever_it_is_interrupted(how):
    # rclpy converts a signal's exception badly, wherever in its innards that is raised.
    code = """
import sys
from rclpy.executors import SingleThreadedExecutor
from aif_ros.nodes.start import start

wait = SingleThreadedExecutor._wait_for_ready_callbacks
def interrupted_wait(self, *args, **kwargs):
    import os
    import signal
    SingleThreadedExecutor._wait_for_ready_callbacks = wait
    print("here", flush=True)
    try:
        os.kill(os.getpid(), signal.SIGNAL)
        for _ in range(1000):
            pass
    except BaseException as error:
        raise RuntimeError("unable to convert") from error
    return wait(self, *args, **kwargs)
SingleThreadedExecutor._wait_for_ready_callbacks = interrupted_wait
sys.argv = ["fusion_node"]
sys.exit(start("fusion_node"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code.replace("SIGNAL", how.name)],
        cwd=ROOT,
        env=os.environ | {"ROS_DOMAIN_ID": str(40 + os.getpid() % 60)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "here\n", "")
