"""Runs every node of the graph in a process of its own, without `launch`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.client import Client
from rclpy.task import Future

import aif_ros
from aif_ros.bringup.graph import BringupError, Graph
from aif_ros.bringup.runner import RunningGraph, check_names, listening
from aif_ros.process.interrupts import uninterrupted

# Seconds that a node may take to appear, for a transition (it may load networks), and to end.
_APPEARANCE, _TRANSITION, _END = 60.0, 120.0, 15.0
# Seconds after which an answer may have got lost, and the node is asked for its state.
_ANSWER = 5.0
# What leads to a state, and its name.
_TRANSITIONS = {
    State.PRIMARY_STATE_INACTIVE: (Transition.TRANSITION_CONFIGURE, "configured"),
    State.PRIMARY_STATE_ACTIVE: (Transition.TRANSITION_ACTIVATE, "activated"),
}


@contextmanager
def run_in_processes(graph: Graph, *, log_directory: Path | None = None) -> Iterator[RunningGraph]:
    """Bring the graph up; it is stopped, in order, when the block is left.

    Args:
        graph: what to run.
        log_directory: existing folder for what the nodes print; None: this process's output.

    Raises:
        BringupError: a node died, or could not be configured or activated; nodes of the same
            names run already.
    """
    with listening(graph) as running, ExitStack() as files:
        nodes = _Processes(graph, log_directory)
        try:
            with uninterrupted():
                nodes.start(files)
            running.check = nodes.check
            running.pids = {name: process.pid for name, process in nodes.processes.items()}
            nodes.bring_up(running)
            yield running
        finally:
            with uninterrupted():
                nodes.stop()


class _Processes:
    """The processes and their supervision."""

    def __init__(self, graph: Graph, log_directory: Path | None) -> None:
        self._graph = graph
        self._log_directory = log_directory
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, files: ExitStack) -> None:
        """Start all processes; their logs are closed by `files`."""
        # The nodes must find this very package, wherever they run.
        root = str(Path(aif_ros.__file__).parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        environment = os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
        for node in self._graph.nodes:
            log = None
            if self._log_directory is not None:
                log = files.enter_context((self._log_directory / f"{node.name}.log").open("wb"))
            self.processes[node.name] = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "aif_ros.nodes.start",
                    node.executable,
                    *self._graph.ros_arguments(node),
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=None if log is None else subprocess.STDOUT,
                # Ctrl-C comes to this process alone, which stops the nodes in order.
                start_new_session=True,
            )

    def bring_up(self, running: RunningGraph) -> None:
        """Configure all nodes at once, then activate them one after the other."""
        clients = {
            node.name: running.node.create_client(
                ChangeState, f"{self._graph.full_name(node)}/change_state"
            )
            for node in self._graph.nodes
        }
        try:
            if not running.spin_until(
                lambda: all(client.service_is_ready() for client in clients.values()), _APPEARANCE
            ):
                missing = [name for name, each in clients.items() if not each.service_is_ready()]
                raise BringupError(f"{', '.join(missing)} did not appear in {_APPEARANCE:g} s")
            futures = {
                name: _change(client, Transition.TRANSITION_CONFIGURE)
                for name, client in clients.items()
            }
            for name, future in futures.items():
                self._expect(running, name, future, clients[name], State.PRIMARY_STATE_INACTIVE)
            for name, client in clients.items():
                future = _change(client, Transition.TRANSITION_ACTIVATE)
                self._expect(running, name, future, client, State.PRIMARY_STATE_ACTIVE)
            # On a busy computer, others may have been found only by now.
            check_names(running, own=1)
        finally:
            for client in clients.values():
                running.node.destroy_client(client)

    def check(self) -> None:
        """Raise if a node has died."""
        for name, process in self.processes.items():
            code = process.poll()
            if code is not None:
                how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
                raise BringupError(f"node {name} has ended {how}{self._last_words(name)}")

    def stop(self) -> None:
        """End all nodes, the last activated first; what does not end in time is killed."""
        for process in reversed(self.processes.values()):
            process.terminate()
        deadline = time.monotonic() + _END
        for name, process in self.processes.items():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                print(f"node {name} does not end and is killed", file=sys.stderr)
                process.kill()
                process.wait()

    def _expect(
        self, running: RunningGraph, name: str, future: Future, client: Client, goal: int
    ) -> None:
        """Wait until the node has come to the state `goal`.

        On a busy computer an answer can get lost while the participants are still finding each
        other ("client will not receive response" in the node's log): then the state tells.
        """
        transition, what = _TRANSITIONS[goal]
        deadline = time.monotonic() + _TRANSITION
        states = running.node.create_client(GetState, client.srv_name.replace("change", "get"))
        try:
            while not running.spin_until(future.done, _ANSWER):
                state = states.call_async(GetState.Request())
                answered = running.spin_until(state.done, _ANSWER)
                if answered and state.result().current_state.id == goal:
                    return
                if time.monotonic() > deadline:
                    break
                if answered:
                    future = _change(client, transition)
        finally:
            running.node.destroy_client(states)
        if not future.done() or not future.result().success:
            raise BringupError(f"{name} could not be {what}{self._last_words(name)}")

    def _last_words(self, name: str) -> str:
        if self._log_directory is None:
            return ": see its message above"
        log = self._log_directory / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines()[-15:]
        return "; it said:\n" + "\n".join(lines)


def _change(client: Client, transition: int) -> Future:
    request = ChangeState.Request()
    request.transition.id = transition
    return client.call_async(request)
