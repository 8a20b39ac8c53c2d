"""Commands and nodes are interrupted at random times, once or twice."""

import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from importlib.util import find_spec
from pathlib import Path

import psutil
from harness import domain
from trial import Outcome, Trial

_ROOT = Path(__file__).resolve().parents[2]
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# Seconds: latest interruption, between two of them, until the process must have ended.
_LATEST, _BETWEEN, _END = 30.0, 0.3, 60.0
# Output that shows that there was a J.
_FUSED = re.compile(r"^[1-9]\d* frames in|stopped after", re.MULTILINE)
_MARK = "AIF_ROS_TRIAL"
_SMALL = ("--preset", "classical", "--scene", "planes", "--width", "160", "--agent", "sweep")
_LAUNCH = """
import sys
from launch import LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
words = [tuple(word.split(":=", 1)) for word in sys.argv[2:]]
service = LaunchService()
source = PythonLaunchDescriptionSource(sys.argv[1])
service.include_launch_description(IncludeLaunchDescription(source, launch_arguments=words))
sys.exit(service.run())
"""


def _commands(folder: Path, index: int) -> dict[str, list[str]]:
    """Return what can be interrupted."""
    python, picture = sys.executable, str(folder / f"{index}.png")
    aif = [python, "-m", "aif_ros"]
    place = ["--namespace", f"trial{os.getpid()}_{index}"]
    commands = {
        "node": [python, "-m", "aif_ros.nodes.start", "fusion_node"],
        "run": [*aif, "run", *_SMALL, "-o", picture],
        "run --ros": [*aif, "run", "--ros", "--forever", *_SMALL, *place, "-o", picture],
        "run --one-process": [
            *aif, "run", "--one-process", "--forever", *_SMALL, *place, "-o", picture,
        ],
        "demo": [*aif, "demo", *_SMALL, *place, "--out", str(folder / f"demo{index}")],
    }  # fmt: skip
    if find_spec("launch_ros") is not None:
        words = [f"{k}:={v}" for k, v in zip(_SMALL[::2], _SMALL[1::2], strict=True)]
        commands["launch"] = [
            *(python, "-c", _LAUNCH, str(_ROOT / "launch" / "pipeline.launch.py")),
            *(word.removeprefix("--") for word in words),
            *(f"namespace:=trial{os.getpid()}_{index}", f"save_path:={picture}"),
        ]
    return commands


def _remaining(mark: str) -> list[psutil.Process]:
    """Return the processes that have been started with this mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(_MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _await_handlers(process: "subprocess.Popen[str]") -> None:
    """Wait until the program has begun to handle signals: before that Python has not read it."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt"))
        if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.005)


def _interrupt(
    command: list[str], signals: list[int], after: float, between: float, picture: Path
) -> str:
    """Run a command, interrupt it, and return what is wrong; empty: nothing."""
    mark = uuid.uuid4().hex
    paths = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {_MARK: mark, "PYTHONPATH": paths, "ROS_DOMAIN_ID": domain()}
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    _await_handlers(process)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        for index, number in enumerate(signals):
            if index:
                time.sleep(between)
            process.send_signal(number)
    try:
        output = process.communicate(timeout=_END)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        output = process.communicate()[0]
        return f"does not end: {output[-300:]}"
    deadline = time.monotonic() + 20.0
    while (orphans := _remaining(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for orphan in orphans:
        orphan.kill()
    problems = []
    # `launch` is a program of others, which some signals kill; the nodes must end well even so.
    if process.returncode != 0 and _LAUNCH not in command:
        problems.append(f"exit code {process.returncode}: {output[-300:]}")
    if "Traceback" in output:
        problems.append(f"traceback: {output[-1000:]}")
    if picture.name in " ".join(command) and _FUSED.search(output) and not picture.exists():
        problems.append(f"J lost: {output[-300:]}")
    if orphans:
        problems.append(f"{len(orphans)} orphans")
    return "; ".join(problems)


def interrupt(count: int, numbers: random.Random, folder: Path) -> Outcome:
    """Interrupt each command in turn."""
    outcome = Outcome(count)
    for index in range(count):
        commands = list(_commands(folder, index).items())
        name, command = commands[index % len(commands)]
        signals = [numbers.choice(_SIGNALS) for _ in range(numbers.choice((1, 2)))]
        # Many of them early, where imports and start-up are interrupted.
        after = _LATEST * numbers.random() ** 3
        between = _BETWEEN * numbers.random()
        problem = _interrupt(command, signals, after, between, folder / f"{index}.png")
        unfinished = [path.name for path in folder.iterdir() if path.name.startswith(".")]
        if unfinished:
            problem += f" temporary files left: {unfinished}"
        if problem:
            names = "+".join(signal.Signals(number).name for number in signals)
            outcome.failures.append(f"{index} {name}, {names} after {after:.1f} s: {problem}")
    return outcome


INTERRUPT = Trial(
    "interruptions (INT, TERM, HUP, QUIT, once or twice, at 0 to 30 s after the program handles "
    "signals, of node, run, demo, launch)",
    "0 tracebacks, 0 wrong exit codes, 0 orphans, 0 J lost",
    300,
    6,
    interrupt,
)
