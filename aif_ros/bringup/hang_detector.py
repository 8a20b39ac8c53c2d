"""Finds nodes that do not respond and do nothing either."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from aif_ros.bringup.lifecycle import Member

# Seconds without a response after which an active node hangs: one whose threads all sleep or are
# stopped, and one that computes, waits for a core, or writes. nav2 waits 4 s for a bond.
_SILENCE_IDLE, _SILENCE_BUSY = 3.5, 30.0
# The same for a node that has been started and has not responded yet: at ten times the load that
# two cores can bear, a node takes 35 s to start. Where Fast DDS does not connect a new process with
# this one, only another new process helps (eProsima/Fast-DDS#5469). Twice as long with each start.
_APPEARANCE_IDLE, _APPEARANCE_BUSY = 30.0, 90.0
# Checks in a row at which no thread of the former may be found busy.
_IDLE_CHECKS = 5
# States of such threads in /proc: running or runnable, uninterruptible input or output.
_BUSY = ("R", "D")
# How the names of threads of Fast DDS begin.
_DDS = "dds."


class HangDetector:
    """Separates nodes that hang from those that a busy computer delays.

    Args:
        members: the nodes.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._idle_checks = {member.name: 0 for member in members}
        self.unanswered_starts = {member.name: 0 for member in members}
        """Starts of each node in a row to which it has not responded; counted by the caller."""

    def hangs(self, member: Member, pid: int, now: float) -> bool:
        """Whether a node that is active or has been started has not responded for too long.

        Args:
            member: the node.
            pid: its process.
            now: seconds of the clock of `Member.answered`.
        """
        name = member.name
        if member.appeared:
            self.unanswered_starts[name] = 0
            idle, busy = _SILENCE_IDLE, _SILENCE_BUSY
        else:
            patience = 2 ** self.unanswered_starts[name]
            idle, busy = patience * _APPEARANCE_IDLE, patience * _APPEARANCE_BUSY
        silence = now - member.answered
        if (member.appeared and (member.starting or not member.active)) or silence < idle:
            self._idle_checks[name] = 0
            return False
        self._idle_checks[name] = 0 if is_busy(pid) else self._idle_checks[name] + 1
        return silence > busy or self._idle_checks[name] >= _IDLE_CHECKS


def is_busy(pid: int) -> bool:
    """Whether a thread of a process computes, waits for a core, or reads or writes.

    Threads of Fast DDS do not count: after a pause of the process they may spin without a result.
    """
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):  # it has ended
            # ID, name in parentheses, state; the name can hold anything.
            before, _, after = stat.read_text(errors="replace").rpartition(")")
            name = before.partition("(")[2]
            if after.split()[0] in _BUSY and not name.startswith(_DDS):
                return True
    return False
