"""Starts the executable of a node, ready for Ctrl-C from the first moment on.

Importing a node takes a second or two, in which Python would answer Ctrl-C with a traceback.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType


def start(executable: str) -> int:
    """Import and run a node.

    Args:
        executable: module of `aif_ros.nodes`.

    Returns:
        Its exit code.
    """
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _leave)
    return int(importlib.import_module(f"aif_ros.nodes.{executable}").main())


def _leave(number: int, frame: FrameType | None) -> None:
    # Nothing has been opened yet; and an exception would be caught by modules that explain at
    # length why they cannot be imported, as OpenCV and NumPy do.
    os._exit(0)


def __getattr__(name: str) -> Callable[[], int]:
    """Entry points are looked up here by the executable's name."""
    if name.endswith("_node"):
        return partial(start, name)
    raise AttributeError(f"module {__name__} has no attribute {name}")


if __name__ == "__main__":
    sys.argv.pop(0)
    sys.exit(start(sys.argv[0]))
