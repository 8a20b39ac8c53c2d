"""A small pipeline of processes under supervision, and the quality of its fused image."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from std_srvs.srv import Trigger

from aif_ros.bringup.graph import Graph, pipeline_graph
from aif_ros.bringup.observer import RunningGraph
from aif_ros.bringup.processes import run_in_processes
from aif_ros.nodes.loop_state import STOPPED
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import FUSED_IMAGE, FUSION_EPOCH
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.settings.pipeline import PipelineSettings
from aif_ros.simulation.scenes.open_scene import open_scene
from aif_ros.simulation.truth import Truth

NODES = ("lens", "fusion", "autofocus", "camera", "focus_controller")
SMALL = {"preset": "classical", "scene": "planes", "width": 240, "agent": "sweep"}
"""Settings of a pipeline that comes to its end within seconds.

J hardly depends on where the lens was before: of sweeps that begin anywhere it is of 33.4 to 33.7
dB, but of 32.3 dB without the frame at one of the five positions. At 160 px, or with an agent that
chooses the positions by what it sees first, sweeps alone differ by 1 to 1.5 dB.
"""


def domain(offset: int = 0) -> str:
    """ROS domain for trials of this process."""
    return str(40 + (os.getpid() + offset) % 60)


class Pipeline:
    """A graph that runs.

    Args:
        running: the graph.
        width: of its images, pixels.
    """

    def __init__(self, running: RunningGraph, width: int) -> None:
        self.running = running
        self.image: StampedImage | None = None
        self._epoch: int | None = None
        lens_model = LensModel.load(DEFAULT_CALIBRATION)
        scene = open_scene(SMALL["scene"], lens_model, width)
        self._truth = Truth(scene, lens_model).at(0.0)[0]
        self._reset = running.node.create_client(Trigger, "focus_controller/reset")
        for topic, take in ((FUSED_IMAGE, self._take), (FUSION_EPOCH, self._take_epoch)):
            running.node.create_subscription(
                topic.message_type, topic.name, take, topic.subscription_qos(10)
            )

    def _take(self, message) -> None:
        with suppress(ValueError):  # trials send such messages
            self.image = FUSED_IMAGE.decode(message)

    def _take_epoch(self, message) -> None:
        self._epoch = FUSION_EPOCH.decode(message)

    def reset(self) -> bool:
        """Restart the loop; false if controller and fusion do not respond."""
        epoch = self._epoch
        if not self.running.spin_until(self._reset.service_is_ready, 10.0):
            return False
        response = self._reset.call_async(Trigger.Request())
        self.running.spin_until(response.done, 5.0)
        self._reset.remove_pending_request(response)
        return self.running.spin_until(lambda: self._epoch != epoch, 5.0)

    def kill(self, name: str) -> int:
        """Kill a node; return the ID of its process."""
        pid = self.running.pids[name]
        # What these two publish once when they are started.
        if name == "fusion":
            self._epoch = None
        elif name == "focus_controller":
            self.running.state = None
        os.kill(pid, signal.SIGKILL)
        return pid

    def restarted(self, seconds: float) -> bool:
        """Whether a node that was killed is active and has begun again within so many seconds."""
        return self.running.spin_until(
            lambda: active(self) and None not in (self._epoch, self.running.state), seconds
        )

    @property
    def complete(self) -> bool:
        """Whether the loop has ended, and J has come with all frames that it was ended on."""
        state = self.running.state
        if state is None or self.image is None or self._epoch is None:
            return False
        stamp = state.fused_stamp or 0
        return state.state == STOPPED and self.image.stamp >= stamp > self._epoch

    def stops(self, seconds: float) -> bool:
        """Whether the loop comes to its end within so many seconds; then J is complete."""
        return self.running.spin_until(lambda: self.complete, seconds)

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
        error = self.image.image.astype(np.float64) / 255.0 - self._truth
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
