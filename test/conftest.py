"""What all tests rely on."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

ROS = (
    "nodes",
    "bringup",
    "launch",
    "reliability",
    "cli/benchmark/test_ros.py",
    "cli/test_demo.py",
)
"""Tests that start ROS nodes: run one after the other, on each ROS distribution."""
SLOW = (
    *ROS,
    "training",
    "benchmarks/test_autofocus.py",
    "benchmarks/test_control.py",
    "benchmarks/test_estimator.py",
    "benchmarks/test_fusion.py",
    "benchmarks/test_loop.py",
    "benchmarks/test_paper.py",
    "benchmarks/test_report.py",
    "benchmarks/test_stack_autofocus.py",
    "cli/test_devices.py::TestMicroscope::test_calibrate_then_run",
    "cli/test_stack.py::test_slices_of_megapixels_stay_within_memory",
    "test_package.py",
)
"""Folders, files and tests that start ROS nodes or take seconds; not in `-m "not slow"`."""

# Started in the background of a script, a process inherits that SIGINT is ignored, and so would
# the programs that tests interrupt. With a handler here they start with the default.
signal.signal(signal.SIGINT, signal.default_int_handler)

# An example may take any time on a loaded computer.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory):
    """What programs keep for later starts is kept for these tests only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def pytest_addoption(parser):
    parser.addoption(
        "--part",
        choices=("all", "core", "ros"),
        default="all",
        help="run only the tests without (core) or with ROS nodes (ros)",
    )


def pytest_collection_modifyitems(config, items):
    part = config.getoption("--part")
    here = Path(__file__).parent
    trials_wanted = "reliability" in config.option.markexpr
    kept, left_out = [], []
    for item in items:
        path = item.path.relative_to(here).as_posix()
        if f"{path}::{item.nodeid.partition('::')[2]}".startswith(SLOW):
            item.add_marker(pytest.mark.slow)
        belongs = part == "all" or (part == "ros") == path.startswith(ROS)
        if path.startswith("reliability"):
            item.add_marker(pytest.mark.reliability)
            belongs &= trials_wanted
        (kept if belongs else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept
