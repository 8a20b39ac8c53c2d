"""What a way of running the loop costs: latency, rate, CPU time and memory of each process."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import psutil

from aif_ros.benchmarks.latency import textured_image
from aif_ros.control.agents import make_agent
from aif_ros.defocus.estimators import make_estimator
from aif_ros.devices.clock import SystemClock
from aif_ros.devices.image_files import write_image
from aif_ros.fusion.fuser import make_fuser
from aif_ros.pipeline.loop import AllInFocusPipeline, Step
from aif_ros.pipeline.rig import Rig
from aif_ros.pipeline.run_loop import run_loop
from aif_ros.settings.nodes import EXPOSURE_TIME
from aif_ros.settings.presets import Preset
from aif_ros.simulation.open_subject import open_subject
from aif_ros.simulation.simulated_devices import simulated_devices
from aif_ros.types.image import to_float

SLICES = 12
"""Slices of the focal stack: captures of one run with the agent `sweep`."""
# Standard deviation of the blur one slice away from focus, pixels: several slices are in use.
_BLUR = 1.5


@dataclass(frozen=True)
class LoopCost:
    """The cost of some runs of the loop.

    Attributes:
        latencies: from the middle of each exposure until J with it was there, milliseconds.
        rate: new fused images per second while the loop ran.
        cpu: share of one core that each process took, by its name.
        cpu_seconds: CPU time that all processes took.
        memory: largest proportional set size of each process, MB: what processes share is divided
            among them, so that their sum is the memory that they take together.
    """

    latencies: Sequence[float]
    rate: float
    cpu: Mapping[str, float]
    cpu_seconds: float
    memory: Mapping[str, float]

    def as_dict(self) -> dict[str, object]:
        """Return it ready for JSON."""
        median, p95, p99 = np.percentile(self.latencies, (50, 95, 99))
        return {
            "latency_ms": {"median": float(median), "p95": float(p95), "p99": float(p99)},
            "fused_images": len(self.latencies),
            "rate_hz": self.rate,
            "cpu": dict(self.cpu),
            # Not affected by what else runs on the computer, unlike the others.
            "cpu_ms_per_image": 1e3 * self.cpu_seconds / len(self.latencies),
            "memory_mb": dict(self.memory),
        }


class ProcessWatch:
    """CPU time and memory of processes, from now on.

    Args:
        pids: their numbers by name.
    """

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._begun = {name: self._seconds(name) for name in self._processes}
        self._start = time.monotonic()
        self._next = 0.0
        self.memory = dict.fromkeys(pids, 0.0)
        """Largest proportional set size so far, MB; see `LoopCost`."""

    def sample(self) -> None:
        """Measure the memory of all processes, a few times a second at most."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.2
        for name, process in self._processes.items():
            self.memory[name] = max(self.memory[name], process.memory_full_info().pss / 1e6)

    def cpu(self) -> dict[str, float]:
        """Return the share of one core that each process has taken."""
        wall = time.monotonic() - self._start
        return {name: taken / wall for name, taken in self._taken().items()}

    def cpu_seconds(self) -> float:
        """Return the CPU time that all processes have taken."""
        return sum(self._taken().values())

    def _taken(self) -> dict[str, float]:
        return {name: self._seconds(name) - self._begun[name] for name in self._processes}

    def _seconds(self, name: str) -> float:
        times = self._processes[name].cpu_times()
        return float(times.user + times.system)


def rate(stamps: Sequence[Sequence[int]]) -> float:
    """Return the images per second of some runs, each given by its stamps in nanoseconds."""
    intervals = [after - before for run in stamps for before, after in pairwise(run)]
    return 1e9 * len(intervals) / sum(intervals) if intervals else float("nan")


def write_stack(folder: Path, width: int, height: int) -> None:
    """Write a focal stack whose images take little time to replay.

    Args:
        folder: to be made.
        width: of its images, pixels.
        height: of its images, pixels.
    """
    folder.mkdir(parents=True)
    sharp = cv2.merge([textured_image(width, height, seed) for seed in range(3)])
    columns = np.linspace(0, width, SLICES + 1).astype(int)
    blurred = {0: sharp}
    for distance in range(1, SLICES):
        blurred[distance] = cv2.GaussianBlur(sharp, (0, 0), _BLUR * distance)
    for index in range(SLICES):
        bands = [
            blurred[abs(index - band)][:, left:right]
            for band, (left, right) in enumerate(pairwise(columns))
        ]
        write_image(folder / f"slice{index:02}.tif", to_float(np.hstack(bands)), sixteen_bit=False)


def core_cost(stack: Path, preset: Preset, agent: str, rounds: int, frame_rate: float) -> LoopCost:
    """Run the loop of the library in real time.

    Args:
        stack: folder of the focal stack that the loop runs on.
        preset: fusion method and blur estimator.
        agent: focus-control agent.
        rounds: number of runs that count; another one comes before them.
        frame_rate: of the camera, per second.
    """
    clock, opened = SystemClock(), open_subject(str(stack))
    model = opened.lens_model
    devices = simulated_devices(opened, clock, exposure_time=EXPOSURE_TIME, frame_rate=frame_rate)
    pipeline = AllInFocusPipeline(
        model,
        make_fuser(preset.fusion),
        make_estimator(preset.estimator, model),
        make_agent(agent, model),
    )
    latencies: list[float] = []
    stamps: list[list[int]] = []

    def note(step: Step) -> None:
        if step.unused is None:
            latencies.append((clock.now() - step.frame.stamp) * 1e-6)
            stamps[-1].append(step.frame.stamp)

    for index in range(rounds + 1):
        if index == 1:
            watch = ProcessWatch({"library": os.getpid()})
            latencies.clear()
            stamps.clear()
        stamps.append([])
        pipeline.reset()
        rig = Rig(devices.camera, devices.lens, clock, model, exposure_time=EXPOSURE_TIME)
        run_loop(rig, pipeline, note)
    watch.sample()
    return LoopCost(latencies, rate(stamps), watch.cpu(), watch.cpu_seconds(), watch.memory)
