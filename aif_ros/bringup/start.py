"""Starts the programs of the launch file, which can be interrupted from the first moment on.

``python -m aif_ros.bringup.start PROGRAM ARGUMENT...``, where PROGRAM is a module of
`aif_ros.bringup` with a `main`: `one_process` or `supervisor`. Importing it takes a second or two,
in which Python would answer Ctrl-C with a traceback.
"""

import importlib
import sys
from collections.abc import Sequence

from aif_ros.process.interrupts import note_interrupts, raising_interrupts
from aif_ros.process.memory import keep_freed_memory
from aif_ros.process.parent import end_with_parent


def start(program: str, arguments: Sequence[str]) -> int:
    """Import and run a program.

    Args:
        program: module of `aif_ros.bringup`.
        arguments: of its `main`.

    Returns:
        Its exit code; 0 after an interrupt.
    """
    interrupts = note_interrupts()
    end_with_parent()
    keep_freed_memory()
    module = importlib.import_module(f"aif_ros.bringup.{program}")
    try:
        with raising_interrupts():
            return 0 if interrupts else int(module.main(arguments))
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(start(sys.argv[1], sys.argv[2:]))
