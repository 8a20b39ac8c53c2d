"""Processes of nodes that the parent of this process, a launch file, has started."""

import os
import time

import psutil

from aif_ros.bringup.graph import Graph

# Seconds between two searches for the process of a node.
_SEARCH = 0.2


class SiblingProcesses:
    """Processes that the parent of this process has started, and starts again when they have ended.

    Args:
        graph: the nodes, by whose names they are recognised.
    """

    def __init__(self, graph: Graph) -> None:
        self._arguments = {
            node.name: {f"__node:={node.name}", f"__ns:={graph.namespace}"} - {"__ns:="}
            for node in graph.nodes
        }
        self._found: dict[str, psutil.Process] = {}
        self._next_search = 0.0

    def pid(self, name: str) -> int | None:
        """Search the parent's processes, unless the one found before still runs."""
        process = self._found.get(name)
        if process is not None and _runs(process):
            return int(process.pid)
        self._found.pop(name, None)
        if time.monotonic() < self._next_search:
            return None
        self._next_search = time.monotonic() + _SEARCH
        for child in psutil.Process(os.getppid()).children():
            for node, arguments in self._arguments.items():
                if arguments <= set(_command(child)) and _runs(child):
                    self._found[node] = child
        found = self._found.get(name)
        return None if found is None else int(found.pid)

    def ending(self, name: str) -> str:
        """Return nothing: the parent has logged it."""
        return ""

    def output(self, name: str) -> str:
        """Return nothing: the parent has shown it."""
        return ""

    def start(self, name: str) -> None:
        """Leave it to the parent."""


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []
