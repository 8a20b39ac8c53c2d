"""Writing the fused image is killed or fails; the old or the new picture must be there, whole."""

import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from trial import Outcome, Trial

from aif_ros.devices.image_files import write_image

_ROOT = Path(__file__).resolve().parents[2]
# Writes two pictures in turn until it is killed; says when it begins.
_WRITER = """
import sys
import numpy as np
from aif_ros.devices.image_files import write_image
pictures = [np.full((480, 640, 3), value, np.float32) for value in (0.25, 0.75)]
noise = np.random.default_rng(0).random((480, 640, 3), np.float32)
pictures[1][::2] = noise[::2]
print("begin", flush=True)
while True:
    for picture in pictures:
        write_image(sys.argv[1], picture, sixteen_bit=True)
"""
# A command that writes J, with no file larger than the limit: as on a disk that is full.
_LIMITED = """
import resource, sys
limit = int(sys.argv[1])
import aif_ros.__main__
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.exit(aif_ros.__main__.main(sys.argv[2:]))
"""
_RUN = ("run", "--preset", "classical", "--scene", "planes", "--width", "160", "--agent", "sweep")
# Share of the repetitions in which a whole command writes: that takes seconds.
_COMMANDS = 0.1


def _start(code: str, *words: str) -> "subprocess.Popen[bytes]":
    paths = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _read(path: Path):
    """Return the picture of a file, or None if it is not whole."""
    import cv2

    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def _kill_writer(numbers: random.Random, path: Path) -> str:
    process = _start(_WRITER, str(path))
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(numbers.uniform(0.05, 1.0))
    process.kill()
    process.communicate()
    picture = _read(path)
    if picture is None:
        return "the picture is not whole"
    # Every other row of the new pictures, and all of the old one, has a single value.
    return "" if picture.size and np.ptp(picture[1::2]) == 0 else "the picture is not whole"


def _fail(limit: int, path: Path, before: bytes) -> str:
    """Run a command that cannot write J; it must say so, and the old picture must be there."""
    process = _start(_LIMITED, str(limit), *_RUN, "-o", str(path))
    output, errors = process.communicate()
    text = (output + errors).decode(errors="replace")
    written = path.exists() and path.read_bytes() != before
    if process.returncode == 0 and not written:
        return f"exit code 0 without the picture: {text[-300:]}"
    if process.returncode != 0 and written:
        return "exit code not 0, but the picture was replaced"
    if written and _read(path) is None:
        return "the new picture is not whole"
    return f"traceback: {text[-500:]}" if "Traceback" in text else ""


def write(count: int, numbers: random.Random, folder: Path) -> Outcome:
    """Kill a writer; let commands write to a full disk and to a place that is read-only."""
    outcome = Outcome(count)
    old = np.full((48, 64), 0.5, np.float32)
    commands = max(2, round(_COMMANDS * count))
    for index in range(count):
        path = folder / f"{index}.{numbers.choice(('png', 'tif'))}"
        write_image(path, old, sixteen_bit=True)
        if index >= commands:
            problem = _kill_writer(numbers, path)
        elif index % 2 == 0:
            problem = _fail(numbers.randrange(1, 20_000), path, path.read_bytes())
        else:
            # Nothing can be written there, not even by root.
            problem = _fail(resource.RLIM_INFINITY, Path("/proc/fused.png"), b"")
        if problem:
            outcome.failures.append(f"{index}: {problem}")
        path.unlink(missing_ok=True)
    outcome.figures["of these, whole commands"] = str(commands)
    return outcome


WRITE = Trial(
    "disk full, read-only, killed while writing",
    "old or new picture whole, exit code not 0 where the new one is missing",
    200,
    6,
    write,
)
