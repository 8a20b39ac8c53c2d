import subprocess
import sys
import time

import pytest
from patience import PATIENCE

from aif_ros.bringup import sibling_processes
from aif_ros.bringup.graph import Graph, NodeSpec
from aif_ros.bringup.sibling_processes import SiblingProcesses

SLEEP = (sys.executable, "-c", "import time; print(flush=True); time.sleep(600)")


@pytest.fixture
def siblings(monkeypatch):
    """Those of a child of this process."""
    monkeypatch.setattr(sibling_processes.os, "getppid", sibling_processes.os.getpid)
    monkeypatch.setattr(sibling_processes, "_SEARCH", 0.0)
    return SiblingProcesses(Graph((NodeSpec("lens", "lens_node"),), "/left", ()))


def found(siblings, pid):
    """Whether the process is found, or no longer found, in the end."""
    deadline = time.monotonic() + PATIENCE
    while siblings.pid("lens") != pid:
        assert time.monotonic() < deadline
    return True


def test_a_node_is_found_by_its_name_and_namespace(siblings):
    assert siblings.pid("lens") is None
    names = ("__node:=lens", "__ns:=/right"), ("__node:=lens", "__ns:=/left")
    children = [subprocess.Popen([*SLEEP, *each], stdout=subprocess.PIPE) for each in names]
    try:
        for child in children:
            child.stdout.readline()
        assert found(siblings, children[1].pid)
    finally:
        for child in children:
            child.kill()
    # One that has ended and has not been waited for is no node any more.
    assert found(siblings, None)
    for child in children:
        child.communicate()
