"""Runs every node of the graph in a process of its own, without `launch`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aif_ros
from aif_ros.bringup.graph import BringupError, Graph, NodeSpec, check_processes
from aif_ros.bringup.lifecycle import TransitionError
from aif_ros.bringup.observer import RunningGraph, check_names, check_names_are_free, observe
from aif_ros.bringup.supervisor import Supervisor
from aif_ros.process.interrupts import uninterrupted
from aif_ros.process.parent import parent_environment
from aif_ros.process.threads import thread_environment

# Seconds that a node may take to end before it is killed.
_END = 15.0


@contextmanager
def run_in_processes(graph: Graph, *, log_directory: Path | None = None) -> Iterator[RunningGraph]:
    """Bring the graph up; it is stopped, in order, when the block is left.

    A node that ends or hangs later is started again, while the running graph is being spun. The
    nodes also end when this process ends, on whatever signal.

    Args:
        graph: what to run.
        log_directory: existing folder for the output of the nodes; None: this process's output.

    Raises:
        BringupError: a node ended, or could not be configured or activated; nodes of the same
            names run already, or two nodes must be in one process.
    """
    check_processes(graph)
    with observe(graph) as running, ExitStack() as files:
        check_names_are_free(running)
        nodes = _Processes(graph, log_directory, files)
        try:
            with uninterrupted():
                for spec in graph.nodes:
                    nodes.start(spec.name)
            supervisor = Supervisor(running, nodes)
            running.check = supervisor.step
            try:
                running.spin_until(lambda: supervisor.up)
            except TransitionError as error:
                raise BringupError(f"{error}{nodes.output(error.node)}") from error
            # On a busy computer, other nodes may be discovered only by now.
            check_names(running, own=1)
            yield running
        finally:
            with uninterrupted():
                nodes.stop()


def node_environment(graph: Graph, node: NodeSpec) -> Mapping[str, str]:
    """Return the variables to set for the process of a node, beside those of this process."""
    heavy = [each.name for each in graph.nodes if each.is_heavy]
    return {**thread_environment(node.is_heavy, max(1, len(heavy))), **parent_environment()}


class _Processes:
    """The processes.

    Args:
        graph: the nodes.
        log_directory: see `run_in_processes`.
        files: closes the logs.
    """

    def __init__(self, graph: Graph, log_directory: Path | None, files: ExitStack) -> None:
        self._graph = graph
        self._log_directory = log_directory
        self._files = files
        self._specs = {node.name: node for node in graph.nodes}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start the process of a node."""
        node = self._specs[name]
        # The nodes must find this very package, wherever they run.
        root = str(Path(aif_ros.__file__).parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        environment = os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
        log = None
        if self._log_directory is not None:
            log = self._files.enter_context((self._log_directory / f"{name}.log").open("ab"))
        self._processes[name] = subprocess.Popen(
            [
                *(sys.executable, "-m", "aif_ros.nodes.start", node.executable),
                *self._graph.ros_arguments(node),
            ],
            env=environment | dict(node_environment(self._graph, node)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=None if log is None else subprocess.STDOUT,
            # Ctrl-C is sent to this process alone, which stops the nodes in order.
            start_new_session=True,
        )

    def pid(self, name: str) -> int | None:
        """Return the process of a node; None: it has ended."""
        process = self._processes[name]
        return process.pid if process.poll() is None else None

    def ending(self, name: str) -> str:
        """Return how the process of a node has ended."""
        code = self._processes[name].poll()
        assert code is not None
        return f" by signal {signal.Signals(-code).name}" if code < 0 else f" with code {code}"

    def stop(self) -> None:
        """End all nodes, the last activated first; what does not end in time is killed."""
        for process in reversed(self._processes.values()):
            process.terminate()
        deadline = time.monotonic() + _END
        for name, process in self._processes.items():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                print(f"node {name} does not end and is killed", file=sys.stderr)
                process.kill()
                process.wait()

    def output(self, name: str) -> str:
        """Return where the output of a node is, or its last lines."""
        if self._log_directory is None:
            return ": see its message above"
        log = self._log_directory / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines()[-15:]
        return "; its output:\n" + "\n".join(lines)
