"""Divides the processor cores among processes that run at the same time."""

import os
from collections.abc import Mapping


def thread_environment(heavy: bool, heavy_processes: int) -> Mapping[str, str]:
    """Return the variables that limit the threads of a process to be started.

    Without them every process would start as many threads as there are cores, and those of
    OpenMP would wait in a busy loop: several such processes slow each other down. What the user
    has set stays.

    Args:
        heavy: whether the process computes much; the others get one thread.
        heavy_processes: number of processes that do.
    """
    cores = len(os.sched_getaffinity(0))
    threads = str(max(1, cores // heavy_processes) if heavy else 1)
    wanted = {
        "OMP_NUM_THREADS": threads,  # PyTorch, OpenBLAS
        "OMP_WAIT_POLICY": "PASSIVE",
        "OPENCV_FOR_THREADS_NUM": threads,
    }
    return {name: value for name, value in wanted.items() if name not in os.environ}
