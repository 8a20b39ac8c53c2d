"""What all nodes have in common."""

import ast
import inspect
import textwrap
import threading
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from executables import EXECUTABLES, node_type
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode

from aif_ros.nodes.lens_node import LensNode
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.topics import LENS_STATE, TOPICS


@pytest.fixture
def options(tmp_path):
    """Parameters with which each node can be configured."""
    for index in range(2):
        picture = np.full((48, 64, 3), 100 * index, np.uint8)
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture)
    return {
        "sim_camera_node": {"scene": "planes", "width": 96},
        "camera_node": {"camera_source": str(tmp_path)},
    }


@pytest.mark.parametrize("executable", EXECUTABLES)
def test_up_and_down_and_up_again(bench, options, executable):
    threads = threading.active_count()
    node = bench.make(node_type(executable), **options.get(executable, {}))
    subscriptions = len(list(node.subscriptions))
    publishers = len(list(node.publishers))
    for _ in range(2):
        assert node.trigger_configure().name == "SUCCESS"
        assert threading.active_count() == threads
        configured = len(list(node.subscriptions))
        assert node.trigger_activate().name == "SUCCESS"
        bench.spin_for(0.05)
        assert node.trigger_deactivate().name == "SUCCESS"
        assert threading.active_count() == threads
        assert len(list(node.subscriptions)) == configured
        assert node.trigger_cleanup().name == "SUCCESS"
        assert len(list(node.subscriptions)) == subscriptions
        assert len(list(node.publishers)) == publishers
    assert node.trigger_configure().name == "SUCCESS"
    assert node.trigger_activate().name == "SUCCESS"
    assert node.trigger_shutdown().name == "SUCCESS"
    assert threading.active_count() == threads


@dataclass(frozen=True)
class NoSettings:
    """No parameters."""


class Breaking(PipelineNode):
    """Fails in the step that the test names."""

    NAME = "breaking"
    SETTINGS = NoSettings
    where = ""
    error = RuntimeError
    closed = 0

    def open(self):
        self._states = self.publisher(LENS_STATE)
        self._break("open")

    def start(self):
        self.subscribe(LENS_STATE, lambda state: self._break("callback"))
        self._break("start")

    def stop(self):
        self._break("stop")

    def close(self):
        self.closed += 1

    def _break(self, where):
        if where == self.where:
            raise self.error(f"broken in {where}")


@pytest.mark.parametrize(
    ("error", "result"), [(ValueError, "FAILURE"), (RuntimeError, "ERROR")], ids=str
)
@pytest.mark.parametrize("where", ["open", "start"])
def test_a_failure_is_reported_and_can_be_retried(bench, logged, where, error, result):
    node = bench.make(Breaking)
    node.where, node.error = where, error
    if where == "start":
        assert node.trigger_configure().name == "SUCCESS"
    outcome = node.trigger_configure() if where == "open" else node.trigger_activate()
    assert outcome.name == result
    bench.spin_until(lambda: logged.find("ERROR", f"broken in {where}"))
    # Unexpected errors are logged with a traceback, expected ones without.
    assert logged.find("ERROR", "Traceback") == (error is RuntimeError)
    assert len(list(node.subscriptions)) == 0
    node.where = ""
    if node._state_machine.current_state[1] == "unconfigured":
        assert node.closed == 1
        assert node.trigger_configure().name == "SUCCESS"
    assert node.trigger_activate().name == "SUCCESS"


def test_a_callback_that_breaks_does_not_end_the_node(bench, logged):
    node = bench.active(Breaking)
    node.where = "callback"
    heard = bench.listen(LENS_STATE)
    bench.active(LensNode)
    bench.spin_until(lambda: logged.find("ERROR", "broken in callback"))
    seen = len(heard)
    bench.spin_until(lambda: len(heard) > seen + 3)


class Looping(PipelineNode):
    """A loop that fails, at once or when the node is being stopped."""

    NAME = "looping"
    SETTINGS = NoSettings
    late = False

    def start(self):
        self.loop(self._fail)

    def _fail(self):
        if self.late:
            self._stopping.wait()
        raise ValueError("broken in the loop")


@pytest.mark.parametrize("late", [False, True])
def test_failures_while_a_node_stops_are_ignored(bench, logged, late):
    node = bench.make(Looping)
    node.late = late
    assert node.trigger_configure().name == "SUCCESS"
    assert node.trigger_activate().name == "SUCCESS"
    if not late:
        bench.spin_until(lambda: logged.find("ERROR", "broken in the loop"))
    assert node.trigger_deactivate().name == "SUCCESS"
    bench.spin_for(0.2)
    assert logged.find("ERROR", "broken in the loop") is not late


def test_no_attribute_hides_one_of_rclpy(bench):
    plain = LifecycleNode("plain", context=bench.context, namespace=bench.namespace)
    bench.executor.add_node(plain)
    taken = set(vars(plain)) | set(dir(plain))
    bench.executor.remove_node(plain)
    plain.destroy_node()
    overridden = {name for name in taken if name.startswith(("on_", "__"))} | {"destroy_node"}
    for executable in EXECUTABLES:
        for base in node_type(executable).__mro__:
            if base.__module__.startswith("aif_ros"):
                names = set(vars(base)) | set(assigned(base))
                assert not names & taken - overridden, base


def assigned(cls):
    """Names that the methods of a class assign on self."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            yield node.attr


def test_topics_are_relative_and_described():
    names = [topic.name for topic in TOPICS]
    assert len(names) == len(set(names)) > 15
    for topic in TOPICS:
        assert not topic.name.startswith(("/", "~"))
        assert topic.description.endswith(".")


def test_every_topic_is_published_or_heard_under_its_name(bench, options):
    for executable in EXECUTABLES:
        if executable != "camera_node":
            bench.active(node_type(executable), **options.get(executable, {}))

    def known():
        return {
            name.removeprefix(bench.namespace + "/")
            for name, _ in bench.node.get_topic_names_and_types()
            if name.startswith(bench.namespace)
        }

    described = {topic.name for topic in TOPICS}
    bench.spin_until(lambda: described <= known())
    assert {name.split("/")[-1] for name in known() - described} <= {"transition_event"}


# What leads to a state, and the transitions that it does not have.
STATES = {
    "unconfigured": ((), ("activate", "deactivate", "cleanup")),
    "inactive": (("configure",), ("configure", "deactivate")),
    "active": (("configure", "activate"), ("configure", "activate", "cleanup")),
}
IDS = {"configure": 1, "cleanup": 2, "activate": 3, "deactivate": 4}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("executable", EXECUTABLES)
def test_a_transition_that_a_state_does_not_have_is_refused_and_nothing_else(
    bench, options, logged, executable, state
):
    node = bench.make(node_type(executable), **options.get(executable, {}))
    way, invalid = STATES[state]
    for step in way:
        assert getattr(node, f"trigger_{step}")().name == "SUCCESS"
    service = f"{node.get_name()}/change_state"
    requests = [Transition(id=IDS[name]) for name in invalid]
    requests += [Transition(id=200), Transition(label="fly"), Transition(id=10)]
    for request in requests:
        assert not bench.call(ChangeState, service, transition=request).success
        assert node._state_machine.current_state[1] == state
    # Kilted says so itself.
    words = "refused|Unable to start transition"
    bench.spin_until(
        lambda: logged.count("WARN", words) + logged.count("ERROR", words) >= len(invalid)
    )
    assert bench.call(ChangeState, service, transition=Transition(label="shutdown")).success
