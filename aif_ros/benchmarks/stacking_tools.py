"""Programs that fuse focal stacks from disk: `aif stack`, and others if they are installed."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aif_ros.fusion.fuser import FUSION_METHODS

Command = Callable[[Sequence[str], str], list[str]]
"""From slices and the image to write, the command line."""

# Seconds between two measurements of a tool's memory.
_GLANCE = 0.01


def _shinestacker(slices: Sequence[str], output: str) -> list[str]:
    program = shutil.which("shinestacker")
    assert program is not None
    # The first line of an installed Python program names its Python.
    interpreter = Path(program).read_text().splitlines()[0].removeprefix("#!").strip()
    return [interpreter, str(Path(__file__).with_name("run_shinestacker.py")), output, *slices]


_OTHERS: Mapping[str, Command] = {
    # The settings its manual gives for focus stacks.
    "enfuse": lambda slices, output: [
        *("enfuse", "--exposure-weight=0", "--saturation-weight=0", "--contrast-weight=1"),
        *("--hard-mask", "-o", output, *slices),
    ],
    "focus-stack": lambda slices, output: ["focus-stack", f"--output={output}", *slices],
    "shinestacker": _shinestacker,
}


class ToolError(Exception):
    """A stacking program that failed; the message ends with its last output."""


@dataclass(frozen=True)
class ResourceUse:
    """Resources used by a run.

    Attributes:
        seconds: from its start to its end.
        peak_mb: most memory it held, megabytes.
    """

    seconds: float
    peak_mb: float


def other_tools() -> dict[str, Command]:
    """The other programs that are installed, by name."""
    return {name: command for name, command in _OTHERS.items() if shutil.which(name)}


def own_tools(*, align: bool) -> dict[str, Command]:
    """`aif stack` with each fusion method, by its name."""

    def command(method: str) -> Command:
        options = ["--method", method, *([] if align else ["--no-align"])]
        start = [sys.executable, "-m", "aif_ros", "stack"]
        return lambda slices, output: [*start, *slices, "-o", output, *options]

    return {method: command(method) for method in FUSION_METHODS}


def run_tool(command: Sequence[str], output: Path) -> ResourceUse:
    """Run a program that writes `output`.

    Args:
        command: program and arguments.
        output: file that it must write; beside it, its messages go to a file `.log`.

    Raises:
        ToolError: it failed, or wrote nothing.
    """
    begun = time.perf_counter()
    log = output.with_suffix(".log")
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _peak_mb(process.pid))
            time.sleep(_GLANCE)
    seconds = time.perf_counter() - begun
    if process.returncode or not output.exists():
        words = log.read_text(errors="replace").strip().splitlines()[-3:]
        raise ToolError(f"{command[0]} failed with code {process.returncode}: {' / '.join(words)}")
    return ResourceUse(seconds, peak)


def _peak_mb(pid: int) -> float:
    """Peak memory of a process as recorded by Linux; `ru_maxrss` would include this process."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    noted = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(noted[1]) / 1024 if noted else 0.0
