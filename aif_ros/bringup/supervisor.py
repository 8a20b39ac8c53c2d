"""Supervises a graph in processes: brings it up, and starts again what has ended or hangs.

As a program it is the supervisor of the launch file, which starts processes that have ended again:
``python -m aif_ros.bringup.start supervisor NAMESPACE NODE...``. It ends with code 1 and a line
where a node cannot be configured or activated, or ends again and again.
"""

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from aif_ros.bringup.graph import BringupError, Graph, NodeSpec
from aif_ros.bringup.hang_detector import HangDetector
from aif_ros.bringup.lifecycle import Member
from aif_ros.bringup.listening import listen
from aif_ros.bringup.observer import RunningGraph, check_names, observe
from aif_ros.bringup.sibling_processes import SiblingProcesses
from aif_ros.bringup.silent_topics import SilentTopics
from aif_ros.nodes.diagnostics import Diagnostics
from aif_ros.nodes.node_traffic import NodeTraffic
from aif_ros.nodes.topics import NODE_TRAFFIC
from aif_ros.process.responsive_clock import ResponsiveClock

# A node that has not responded after so many starts is given up.
_MOST_STARTS = 3
# Longest step of the supervisor's clock, seconds: when the whole computer is late or suspended,
# the nodes do not hang.
_LONGEST_STEP = 0.2
# If messages are lost again within this time, seconds, after a node was killed because of that, the
# restart has not helped: the network or the computer is too slow for them.
_NOT_HELPED = 60.0
# A node that is restarted more often than this within this period, seconds, is given up.
_MOST_RESTARTS, _PERIOD = 5, 60.0
# Seconds between two diagnostic messages.
_DIAGNOSTICS = 1.0


class NodeProcesses(Protocol):
    """The processes of the nodes."""

    def pid(self, name: str) -> int | None:
        """Return the process of a node; None: it has ended, or has not been started."""
        ...

    def ending(self, name: str) -> str:
        """Return how the last process of a node ended, for people; begins with a space."""
        ...

    def output(self, name: str) -> str:
        """Return the last output of a node, or where it is, as the end of an error message."""
        ...

    def start(self, name: str) -> None:
        """Start a node again that has ended."""
        ...


class Supervisor:
    """Brings the nodes up in order, and supervises them from then on.

    Args:
        running: the graph; its node is used for services and diagnostics.
        processes: of the graph's nodes.

    Attributes:
        members: the nodes, in the order of activation.
    """

    def __init__(self, running: RunningGraph, processes: NodeProcesses) -> None:
        self._running = running
        self._processes = processes
        self.members = [
            Member(running.node, running.graph.full_name(spec)) for spec in running.graph.nodes
        ]
        self._diagnostics = Diagnostics(running.node, "supervisor")
        self._next_diagnostics = 0.0
        self._clock = ResponsiveClock(_LONGEST_STEP)
        self._restarts = {
            member.name: deque[float](maxlen=_MOST_RESTARTS) for member in self.members
        }
        self._silent_topics = SilentTopics()
        self._unheard_at = dict.fromkeys(self._restarts, -_NOT_HELPED)
        listen(running.node, NODE_TRAFFIC, self._take_traffic)
        self._hang_detector = HangDetector(self.members)
        self._brought_up = False

    @property
    def up(self) -> bool:
        """Whether all nodes have been activated."""
        return not any(member.starting for member in self.members)

    def step(self) -> None:
        """Check all nodes and do what is due; to be called several times a second.

        Raises:
            BringupError: a node could not be configured or activated, has ended before all were
                active, ends again and again, or does not respond however often it is started.
        """
        now = self._clock.tick()
        may_activate = True
        for member in self.members:
            self._follow_process(member, now)
            starting = member.starting
            member.step(now, may_activate=may_activate)
            may_activate &= member.active
            if starting and member.active and self._restarts[member.name]:
                self._diagnostics.clear(member.name)
                self._report(f"node {member.name} is active again")
            pid = self._running.pids.get(member.name)
            if pid is not None and self._hang_detector.hangs(member, pid, now):
                self._kill_hanging(member, pid, now)
        self._kill_unheard(now)
        self._brought_up = self._brought_up or self.up
        self._diagnose()

    def _kill_hanging(self, member: Member, pid: int, now: float) -> None:
        unanswered_starts = self._hang_detector.unanswered_starts
        if not member.appeared:
            unanswered_starts[member.name] += 1
        if unanswered_starts[member.name] >= _MOST_STARTS:
            raise BringupError(
                f"node {member.name} did not respond, started {_MOST_STARTS} times"
                f"{self._processes.output(member.name)}"
            )
        self._report(f"node {member.name} does not respond: it is killed")
        os.kill(pid, signal.SIGKILL)
        member.begin(now)

    def _take_traffic(self, traffic: NodeTraffic) -> None:
        for member in self.members:
            if member.active and member.name == traffic.node:
                # A node that reports does not hang.
                member.answered = max(member.answered, self._clock())
                self._silent_topics.take(traffic, self._clock())

    def _kill_unheard(self, now: float) -> None:
        """Kill a node whose messages do not arrive any more at another one."""
        if (broken := self._silent_topics.broken(now)) is None:
            return
        publisher, topic, subscriber = broken
        pid = self._running.pids.get(publisher)
        before, self._unheard_at[publisher] = self._unheard_at[publisher], now
        if pid is None or now - before < _NOT_HELPED:
            return
        self._report(
            f"what node {publisher} publishes on {topic} does not reach {subscriber} any more: "
            f"{publisher} is killed"
        )
        os.kill(pid, signal.SIGKILL)

    def _follow_process(self, member: Member, now: float) -> None:
        """Notice that the process of a node has ended or is a new one."""
        known, pid = self._running.pids.get(member.name), self._processes.pid(member.name)
        if pid == known:
            return
        if known is not None:
            self._silent_topics.forget(member.name)
            self._ended(member, now)
            member.begin(now)
        if pid is None:
            del self._running.pids[member.name]
            self._processes.start(member.name)
        else:
            self._running.pids[member.name] = pid

    def _ended(self, member: Member, now: float) -> None:
        how = f"node {member.name} has ended{self._processes.ending(member.name)}"
        restarts = self._restarts[member.name]
        output = self._processes.output(member.name)
        if not self._brought_up and not self._hang_detector.unanswered_starts[member.name]:
            raise BringupError(f"{how}{output}")
        if len(restarts) == _MOST_RESTARTS and now - restarts[0] < _PERIOD:
            raise BringupError(f"{how} again and again, and is not started any more{output}")
        restarts.append(now)
        self._diagnostics.count(f"{member.name} restarts", total=True)
        self._report(f"{how}: it is started again")

    def _report(self, text: str) -> None:
        self._running.node.get_logger().warning(text)
        self._diagnostics.warn(text)

    def _diagnose(self) -> None:
        if time.monotonic() < self._next_diagnostics:
            return
        self._next_diagnostics = time.monotonic() + _DIAGNOSTICS
        for member in self.members:
            state = "starting" if member.starting else "active" if member.active else "not active"
            self._diagnostics.note(member.name, state)
            if member.starting and self._brought_up:
                self._diagnostics.error(f"node {member.name} is being started again", member.name)
        self._diagnostics.publish()


def main(arguments: Sequence[str]) -> int:
    """Supervise the nodes that a launch file has started, until interrupted.

    Args:
        arguments: namespace (may be empty) and names of the nodes, in the order of activation.

    Returns:
        The exit code.

    Raises:
        KeyboardInterrupt: within `raising_interrupts`.
    """
    namespace, *names = arguments
    graph = Graph(tuple(NodeSpec(name, "") for name in names), namespace, ())
    try:
        with observe(graph) as running:
            supervisor = Supervisor(running, SiblingProcesses(graph))
            running.check = supervisor.step
            running.spin_until(lambda: supervisor.up)
            # On a busy computer, other nodes may be discovered only by now.
            check_names(running, own=1)
            print(f"{', '.join(names)} are active", flush=True)
            running.spin_until(lambda: False)
    except BringupError as error:
        print(f"{error}: see its message above", file=sys.stderr)
        return 1
    return 0
