"""Damaged files of every kind that this package reads, each read in a process of limited memory.

Whatever is wrong with a file, the reader returns or refuses it in one line: no traceback, no hang,
no memory beyond the limit, and nothing in it is run.

Examples:
  PYTHONPATH=.:test/helpers python test/reliability/damaged_files.py --files 20000
  PYTHONPATH=.:test/helpers python test/reliability/damaged_files.py --kinds lens.yaml --seed 7
"""

import argparse
import io
import multiprocessing
import os
import pickle
import random
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import psutil
from damage import PICTURES, damaged, read_picture
from image_samples import ramp

from aif_ros.__main__ import _error_line

MEMORY = 6 << 30
"""Address space of the reading process, bytes; PyTorch alone maps 3 GB."""
RESIDENT = 3 << 30
"""Largest resident memory that is allowed, bytes: slices of 2 GB are read."""
PATIENCE = 60.0
"""Seconds of processor time after which a reader counts as hanging; importing PyTorch takes 15."""
LONGEST_WAIT = 900.0
"""Seconds after which it does so in any case, on however busy a computer."""
LONGEST_LINE = 1000
"""Characters that a message may have."""


def _npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


class _Bomb:
    """Pickled, it makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def samples(marker):
    """Whole files by name; some would make the folder `marker` if anything in them were run."""
    lens = "name: a\nmetres_per_step: 1.0e-6\nlimits: [0.0, 1.5e-3]\nblur_per_metre: 9.0e+4\n"
    lens += "calibration_width: 3840\nreading_curve: [[0, 0], [4, 3.5]]\nbacklash: 1.0e-5\n"
    attack = f"!!python/object/apply:os.mkdir ['{marker}']\n"
    weights = Path(__file__).parents[2] / "aif_ros/weights/blur.safetensors"
    bomb = np.empty(1, object)
    bomb[0] = _Bomb(marker)
    return {
        **PICTURES,
        "depth.npy": _npy(np.linspace(1, 3, 768, dtype=np.float32).reshape(24, 32)),
        "attack.depth.npy": _npy(bomb, allow_pickle=True),
        "lens.yaml": lens.encode(),
        "attack.lens.yaml": (lens + "extra: " + attack).encode(),
        "info.yaml": b"positions: [0.0, 5.0e-4, 1.0e-3]\norder: near to far\nbits: 12\n",
        "attack.info.yaml": b"positions: " + attack.encode(),
        "net.safetensors": weights.read_bytes() if weights.exists() else b"",
        "attack.net.safetensors": pickle.dumps(_Bomb(marker)),
    }


def read(file):
    """Read a file as the commands do."""
    from aif_ros.devices.focal_stack import FocalStack

    if file.name.endswith("lens.yaml"):
        from aif_ros.optics.lens_model import LensModel

        LensModel.load(file)
    elif file.name.endswith("info.yaml"):
        folder = file.parent / "stack"
        (folder / "info.yaml").write_bytes(file.read_bytes())
        stack = FocalStack(folder)
        stack.read(len(stack.positions) - 1)
        stack.lens_model()
    elif file.suffix == ".npy":
        from aif_ros.simulation.scenes.photo import read_depth

        read_depth(file)
    elif file.suffix == ".safetensors":
        from aif_ros.defocus.estimators import make_estimator
        from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel

        make_estimator(str(file), LensModel.load(DEFAULT_CALIBRATION))
    else:
        read_picture(file)


def _work(pipe, folder):
    """Read each named file and return its outcome."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    # What libraries print of damaged files is no answer.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    (folder / "stack").mkdir(exist_ok=True)
    for index in range(3):
        cv2.imwrite(str(folder / "stack" / f"{index}.png"), ramp() // (index + 1))
    while (name := pipe.recv()) is not None:
        problem = ""
        try:
            read(folder / name)
            outcome = "read"
        except Exception as error:
            outcome, line = "refused", _error_line(error)
            if line is None:
                problem = f"{type(error).__name__}: {error}"[:300]
            elif "\n" in line or len(line) > LONGEST_LINE:
                problem = f"a message of several lines, or too long: {line[:200]!r}"
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        if resident > RESIDENT:
            problem = f"{resident >> 20} MB of memory"
        pipe.send((outcome, problem, resident))


@dataclass
class Outcome:
    """Outcomes of all files.

    Attributes:
        counts: (kind, read or refused) and how often.
        failures: kind, number of the file and what happened.
        resident: largest resident memory, bytes.
        slowest: seconds.
    """

    counts: Counter = field(default_factory=Counter)
    failures: list = field(default_factory=list)
    resident: int = 0
    slowest: float = 0.0


class _Reader:
    """A reading process, started again when it has died or hangs."""

    def __init__(self, folder):
        self.folder = folder
        self.start()

    def start(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, self.folder), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, name):
        self.pipe.send(name)
        process = psutil.Process(self.process.pid)
        used, deadline = sum(process.cpu_times()[:2]), time.monotonic() + LONGEST_WAIT
        try:
            while not self.pipe.poll(2.0):
                if sum(process.cpu_times()[:2]) - used > PATIENCE or time.monotonic() > deadline:
                    break
            else:
                return self.pipe.recv()
            problem = f"hangs for more than {PATIENCE:g} s of processor time"
        except (EOFError, psutil.NoSuchProcess):
            self.process.join(10)
            problem = f"the process has died: exit code {self.process.exitcode}"
        self.process.kill()
        self.process.join()
        self.start()
        return "failed", problem, 0

    def close(self):
        self.pipe.send(None)
        self.process.join(10)
        self.process.kill()


def run(count, seed, folder, kinds=(), report=lambda text: None):
    """Read `count` damaged files in turn of each kind; return the `Outcome`."""
    folder = Path(folder)
    marker = folder / "attacked"
    files = {
        name: content
        for name, content in samples(str(marker)).items()
        if not kinds or name in kinds
    }
    outcome, reader = Outcome(), _Reader(folder)
    try:
        for number in range(count):
            name = list(files)[number % len(files)]
            content = damaged(files[name], random.Random(f"{seed} {number}"))
            (folder / name).write_bytes(content)
            begun = time.monotonic()
            result, problem, resident = reader.ask(name)
            outcome.slowest = max(outcome.slowest, time.monotonic() - begun)
            outcome.resident = max(outcome.resident, resident)
            if resident > RESIDENT:
                # The largest so far: the process would report it for all further files.
                reader.close()
                reader.start()
            outcome.counts[name, result] += 1
            if marker.exists():
                marker.rmdir()
                problem = "something in the file was run"
            if problem:
                outcome.failures.append(f"{name} {number}: {problem}")
                (folder / f"kept{number}_{name}").write_bytes(content)
                report(outcome.failures[-1])
            if number % 1000 == 999:
                report(f"{number + 1} files, {len(outcome.failures)} failures")
    finally:
        reader.close()
    return outcome


def main():
    """Run and print; the exit code is 1 if anything failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=())
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="aif_damaged_")

    def report(text):
        print(text, flush=True)

    outcome = run(options.files, options.seed, folder, options.kinds, report)
    for (name, result), count in sorted(outcome.counts.items()):
        print(f"{name:24} {result:8} {count}")
    print(
        f"{len(outcome.failures)} failures in {options.files} files; {outcome.resident >> 20} MB "
        f"at most; slowest {outcome.slowest:.1f} s; files that failed are kept in {folder}"
    )
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
