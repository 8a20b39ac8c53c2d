import os

import pytest

from aif_ros.process.threads import thread_environment


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)))
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENCV_FOR_THREADS_NUM"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("heavy", "processes", "threads"), [(True, 2, "2"), (True, 8, "1"), (False, 2, "1")]
)
def test_cores_are_divided_among_heavy_processes(heavy, processes, threads):
    environment = thread_environment(heavy, processes)
    assert environment["OMP_NUM_THREADS"] == environment["OPENCV_FOR_THREADS_NUM"] == threads
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS" not in thread_environment(True, 2)
