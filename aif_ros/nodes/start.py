"""Starts the executable of a node, which can be interrupted from the first moment on.

Importing a node takes a second or two, in which Python would answer Ctrl-C with a traceback.
"""

import importlib
import sys
from collections.abc import Callable
from functools import partial

from aif_ros.process.interrupts import ignore_interrupts, note_interrupts
from aif_ros.process.memory import keep_freed_memory
from aif_ros.process.parent import end_with_parent


def start(executable: str) -> int:
    """Import and run a node.

    Args:
        executable: module of `aif_ros.nodes`.

    Returns:
        Its exit code.
    """
    interrupts = note_interrupts()
    end_with_parent()
    keep_freed_memory()
    try:
        module = importlib.import_module(f"aif_ros.nodes.{executable}")
        return 0 if interrupts else int(module.main())
    finally:
        ignore_interrupts()


def __getattr__(name: str) -> Callable[[], int]:
    """Return the entry point of an executable, by its name."""
    if name.endswith("_node"):
        return partial(start, name)
    raise AttributeError(f"module {__name__} has no attribute {name}")


if __name__ == "__main__":
    sys.argv.pop(0)
    sys.exit(start(sys.argv[0]))
