"""The pipeline runs for a long time; memory, threads and descriptors must not grow."""

import random
import time
from pathlib import Path

import numpy as np
import psutil
from harness import NODES, pipeline, tracebacks
from trial import Outcome, Trial

# Share of the time after which the memory counts, and the least such time, seconds: freed memory
# is kept for later frames, so that it takes some of them to reach its size.
_WARM_UP, _LEAST_WARM_UP = 0.25, 60.0
# Seconds between two measurements.
_PERIOD = 5.0
# Growth that is allowed, as a share, and as bytes in trials too short for that share.
_GROWTH, _LEAST = 0.01, 2e6


def soak(count: int, numbers: random.Random, folder: Path) -> Outcome:
    """Let the learned preset follow a moving scene for so many minutes."""
    outcome = Outcome(count)
    choices = {"preset": "learned", "scene": "moving_planes", "mode": "dynamic", "agent": ""}
    measured: dict[str, list[tuple[float, int, int]]] = {name: [] for name in NODES}
    with pipeline(folder, width=320, **choices) as observed:
        begin = time.monotonic()
        warm_up = max(60.0 * count * _WARM_UP, _LEAST_WARM_UP)
        processes = {name: psutil.Process(pid) for name, pid in observed.running.pids.items()}
        while time.monotonic() - begin < 60.0 * count:
            observed.spin(_PERIOD)
            if observed.running.stopped:
                observed.reset()
            if time.monotonic() - begin < warm_up:
                continue
            for name, process in processes.items():
                if observed.running.pids.get(name) != process.pid:
                    outcome.failures.append(f"{name} was started again")
                    return outcome
                with process.oneshot():
                    memory = process.memory_info().rss
                    measured[name].append((memory, process.num_threads(), process.num_fds()))
    for name, values in measured.items():
        first = float(np.median([each[0] for each in values[: len(values) // 3]]))
        grown = steady_growth([each[0] for each in values])
        share = grown / first
        outcome.figures[name] = (
            f"{first / 1e6:.0f} MB {share:+.2%}, threads {values[0][1]} to {values[-1][1]}, "
            f"descriptors {values[0][2]} to {values[-1][2]}"
        )
        if share > _GROWTH and grown > _LEAST:
            outcome.failures.append(f"{name}: memory {share:+.2%}")
        for kind, column in (("threads", 1), ("descriptors", 2)):
            if values[-1][column] > max(each[column] for each in values[: len(values) // 2]):
                outcome.failures.append(f"{name}: more {kind}")
    outcome.failures += [f"traceback in {name}" for name in tracebacks(folder)]
    return outcome


def steady_growth(memory: list[int]) -> float:
    """Growth from the first third of the time to the last, bytes, as far as it is steady.

    A leak grows from each third to the next. A single step is none: the allocator takes some more
    where a frame needs a little more than all before, and keeps it.
    """
    thirds = [sorted(third) for third in np.array_split(memory, 3)]
    # No means, which would share a step in the middle between both differences.
    medians = [third[len(third) // 2] for third in thirds]
    return 2.0 * float(min(np.diff(medians)))


SOAK = Trial(
    "soak (minutes), learned preset, moving scene",
    "growth < 1 % after warm-up, no thread or descriptor more",
    60,
    2,
    soak,
)
