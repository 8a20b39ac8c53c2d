"""The supervisor with processes that the test ends, and members that it lets respond."""

import signal
from types import SimpleNamespace

import pytest
from lifecycle_msgs.msg import State
from std_msgs.msg import String

from aif_ros.bringup import supervisor
from aif_ros.bringup.graph import BringupError, Graph, NodeSpec
from aif_ros.bringup.supervisor import Supervisor
from aif_ros.nodes.node_traffic import NodeTraffic
from aif_ros.nodes.topics import NODE_TRAFFIC


class Node:
    """Makes publishers and clients that lead nowhere; logs into a list."""

    def __init__(self):
        self.log = []

    def get_namespace(self):
        return "/ns"

    def get_name(self):
        return "bringup"

    def get_logger(self):
        return SimpleNamespace(warning=self.log.append)

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=lambda: None))

    def create_publisher(self, *arguments, **options):
        return SimpleNamespace(publish=lambda message: None)

    def create_subscription(self, message_type, name, callback, qos):
        assert name == NODE_TRAFFIC.name
        self.take = callback

    def create_client(self, *arguments):
        return SimpleNamespace(service_is_ready=lambda: False)


class Processes:
    """Processes by name; what has ended is None."""

    def __init__(self, **pids):
        self.pids = pids
        self.started = []

    def pid(self, name):
        return self.pids[name]

    def ending(self, name):
        return " by signal SIGKILL"

    def output(self, name):
        return ""

    def start(self, name):
        self.started.append(name)


@pytest.fixture
def processes():
    return Processes(lens=10, camera=11)


@pytest.fixture
def running():
    nodes = tuple(NodeSpec(name, f"{name}_node") for name in ("lens", "camera"))
    return SimpleNamespace(node=Node(), graph=Graph(nodes, "/ns", ()), pids={})


@pytest.fixture
def killed(monkeypatch):
    killed = []
    monkeypatch.setattr(
        supervisor, "os", SimpleNamespace(kill=lambda pid, number: killed.append((pid, number)))
    )
    return killed


@pytest.fixture
def supervising(running, processes, monkeypatch):
    """A supervisor of nodes that are active and respond."""
    monkeypatch.setattr(supervisor.Diagnostics, "publish", lambda diagnostics: None)
    supervising = Supervisor(running, processes)
    supervising.step()
    for member in supervising.members:
        respond(supervising, member)
    supervising.step()
    assert supervising.up
    return supervising


def respond(supervising, member):
    member._enter(State.PRIMARY_STATE_ACTIVE, supervising._clock())


def test_a_node_that_has_ended_is_started_again(supervising, running, processes):
    processes.pids["camera"] = None
    supervising.step()
    assert processes.started == ["camera"]
    assert "camera has ended by signal SIGKILL: it is started again" in running.node.log[-1]
    assert not supervising.up
    processes.pids["camera"] = 12
    supervising.step()
    respond(supervising, supervising.members[1])
    supervising.step()
    assert supervising.up
    assert running.pids == {"lens": 10, "camera": 12}


def test_a_node_that_ends_before_all_are_active_ends_the_bring_up(running, processes):
    supervising = Supervisor(running, processes)
    supervising.step()
    processes.pids["lens"] = None
    with pytest.raises(BringupError, match="node lens has ended by signal SIGKILL"):
        supervising.step()


def test_a_node_that_ends_again_and_again_is_given_up(supervising, processes):
    with pytest.raises(BringupError, match="again and again"):
        for pid in range(20, 30):
            processes.pids["lens"] = None
            supervising.step()
            processes.pids["lens"] = pid
            supervising.step()
    assert len(processes.started) == supervisor._MOST_RESTARTS


def test_a_node_that_hangs_is_killed(supervising, running, killed, monkeypatch):
    def hangs(detector, member, pid, now):
        return member.name == "camera"

    monkeypatch.setattr(supervisor.HangDetector, "hangs", hangs)
    supervising.step()
    assert killed == [(11, signal.SIGKILL)]
    assert "camera does not respond" in running.node.log[-1]


def test_a_node_that_never_responds_is_given_up(running, processes, killed, monkeypatch):
    monkeypatch.setattr(supervisor.HangDetector, "hangs", lambda *arguments: True)
    supervising = Supervisor(running, processes)
    with pytest.raises(BringupError, match="lens did not respond, started 3 times"):
        for _ in range(supervisor._MOST_STARTS):
            supervising.step()
    assert killed.count((10, signal.SIGKILL)) == supervisor._MOST_STARTS - 1


def test_a_node_that_reports_does_not_hang(supervising, running):
    lens, camera = supervising.members
    lens.answered = camera.answered = -100.0
    running.node.take(String(data="{}"))  # of another program
    running.node.take(NODE_TRAFFIC.encode(NodeTraffic("lens")))
    assert lens.answered >= 0.0
    assert camera.answered == -100.0


def test_a_node_that_is_not_heard_is_killed_once(supervising, running, killed, monkeypatch):
    monkeypatch.setattr(
        supervisor.SilentTopics, "broken", lambda topics, now: ("camera", "image", "fusion")
    )
    supervising.step()
    supervising.step()  # it has not helped
    assert killed == [(11, signal.SIGKILL)]
    assert "what node camera publishes on image does not reach fusion" in running.node.log[-1]
