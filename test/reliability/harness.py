"""A small pipeline of processes under supervision, and the quality of its fused image."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from std_srvs.srv import Trigger

from aif_ros.bringup.graph import Graph, pipeline_graph
from aif_ros.bringup.observer import RunningGraph
from aif_ros.bringup.processes import run_in_processes
from aif_ros.nodes.topics import FUSED_IMAGE
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.settings.pipeline import PipelineSettings
from aif_ros.simulation.scenes.open_scene import open_scene
from aif_ros.simulation.truth import Truth

# Seconds without a further image after which J is taken for complete.
_QUIET = 2.0
NODES = ("lens", "fusion", "autofocus", "camera", "focus_controller")
SMALL = {"preset": "classical", "scene": "planes", "width": 160, "agent": "sweep"}
"""Settings of a pipeline that comes to its end within seconds."""


def domain(offset: int = 0) -> str:
    """ROS domain for trials of this process."""
    return str(40 + (os.getpid() + offset) % 60)


class Pipeline:
    """A graph that runs.

    Args:
        running: the graph.
        size: width of its images, pixels.
    """

    def __init__(self, running: RunningGraph, width: int) -> None:
        self.running = running
        self.image = None
        self._came = 0.0
        lens_model = LensModel.load(DEFAULT_CALIBRATION)
        scene = open_scene(SMALL["scene"], lens_model, width)
        self._truth = Truth(scene, lens_model).at(0.0)[0]
        self._reset = running.node.create_client(Trigger, "focus_controller/reset")
        running.node.create_subscription(
            FUSED_IMAGE.message_type, FUSED_IMAGE.name, self._take, FUSED_IMAGE.subscription_qos(10)
        )

    def _take(self, message) -> None:
        with suppress(ValueError):  # trials send such messages
            self.image = FUSED_IMAGE.decode(message).image
            self._came = time.monotonic()

    def reset(self) -> bool:
        """Begin anew; false if the focus controller does not respond."""
        self.running.state = None
        if not self.running.spin_until(self._reset.service_is_ready, 10.0):
            return False
        response = self._reset.call_async(Trigger.Request())
        responded = self.running.spin_until(response.done, 5.0)
        self._reset.remove_pending_request(response)
        return responded

    def stops(self, seconds: float) -> bool:
        """Whether the loop comes to its end within so many seconds; then J is complete."""
        if not self.running.spin_until(lambda: self.running.stopped, seconds):
            return False
        # The last image may come after the last state.
        return self.running.spin_until(lambda: seconds_since(self._came) > _QUIET, seconds)

    def spin(self, seconds: float) -> None:
        """Let time pass."""
        self.running.spin_until(lambda: False, seconds)

    def replaced(self, name: str, pid: int, seconds: float) -> bool:
        """Whether the supervisor notices within so many seconds that a process is no more."""
        pids = self.running.pids
        return self.running.spin_until(lambda: pids.get(name) != pid, seconds)

    def psnr(self) -> float:
        """Quality of J, dB."""
        if self.image is None:
            return float("-inf")
        error = self.image.astype(np.float64) / 255.0 - self._truth
        return float(-10.0 * np.log10(np.mean(error**2)))


@contextmanager
def pipeline(folder: Path, **choices) -> Iterator[Pipeline]:
    """Run the small pipeline in a domain and namespace of its own; logs go to `folder`."""
    os.environ["ROS_DOMAIN_ID"] = domain()
    settings = PipelineSettings(**{**SMALL, "namespace": f"trial{os.getpid()}", **choices})
    graph: Graph = pipeline_graph(settings)
    with run_in_processes(graph, log_directory=folder) as running:
        yield Pipeline(running, settings.width)


def active(pipeline: Pipeline) -> bool:
    """Whether all nodes are active, as far as the supervisor knows."""
    return all(member.active for member in pipeline.running.check.__self__.members)


def tracebacks(folder: Path) -> list[str]:
    """Names of the logs in which there is a traceback."""
    return [
        log.name for log in folder.glob("*.log") if "Traceback" in log.read_text("utf-8", "replace")
    ]


def seconds_since(begin: float) -> float:
    """Return the time since `begin` on the monotonic clock."""
    return time.monotonic() - begin
