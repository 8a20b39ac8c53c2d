"""Runs the graph by `ros2 launch` in a process of its own, as a user would start it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aif_ros.bringup.graph import BringupError, Graph
from aif_ros.bringup.observer import RunningGraph, observe
from aif_ros.process.interrupts import uninterrupted
from aif_ros.process.parent import parent_environment
from aif_ros.settings.pipeline import PipelineSettings, launch_arguments


def check_launch() -> None:
    """Check that there is a `ros2`, before anything is done for `run_by_launch`.

    Raises:
        BringupError: there is none.
    """
    if shutil.which("ros2") is None:
        raise BringupError("there is no `ros2`, which has to start the nodes: source ROS 2 first")


@contextmanager
def run_by_launch(settings: PipelineSettings, graph: Graph, log: Path) -> Iterator[RunningGraph]:
    """Start the launch file; it is interrupted, and ends its nodes, when the block is left.

    The nodes are brought up and supervised by the launch file while the block runs.

    Args:
        settings: what to run.
        graph: of these settings.
        log: file for the output of launch and its nodes.

    Raises:
        BringupError: launch has ended.
    """
    with observe(graph) as running, log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "aif_ros.process.parent"),
                *("ros2", "launch", "aif_ros", "pipeline.launch.py", *launch_arguments(settings)),
            ],
            env=os.environ | parent_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C is sent to this process alone.
            start_new_session=True,
        )

        def check() -> None:
            if process.poll() is not None:
                raise BringupError(f"ros2 launch has ended: see {log}")

        running.check = check
        try:
            yield running
        finally:
            with uninterrupted():
                process.send_signal(signal.SIGINT)
                process.wait()
