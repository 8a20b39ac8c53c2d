"""Ends a process when the one that started it has ended, however that one ended (Linux).

The starting process hands `parent_environment` to the started one, which calls `end_with_parent`.
For programs of others: ``python -m aif_ros.process.parent COMMAND...`` does so and then becomes
the command.
"""

import ctypes
import os
import signal
import sys

_PARENT = "AIF_ROS_PARENT"
# Option of prctl(2): the signal that this process gets when its parent ends.
_PR_SET_PDEATHSIG = 1


def parent_environment() -> dict[str, str]:
    """Return environment variables that make a child process end when this one ends."""
    return {_PARENT: str(os.getpid())}


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Let this process get a signal when its parent ends, if the parent asked for it.

    Args:
        number: of the signal.
    """
    parent = os.environ.pop(_PARENT, "")
    if not parent:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != int(parent):  # it ended before the call
        os.kill(os.getpid(), number)


if __name__ == "__main__":
    # SIGINT: what `ros2 launch` ends well on.
    end_with_parent(signal.SIGINT)
    os.execvp(sys.argv[1], sys.argv[1:])
