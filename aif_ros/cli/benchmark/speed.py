"""Measure how long fusion and networks take, stage by stage, at sizes up to 12 megapixels.

Scenes are still and moving; networks are computed by each library and device that is there. Times
are also given as ratios to a plain cv2.warpAffine and merge by the Laplacian of the same size,
measured in the same run: ratios compare across machines. --profile records the run with py-spy,
which must be installed, as a file for https://www.speedscope.app.

  aif benchmark speed --json speed.json --plot speed.png
  aif benchmark speed --sizes 640x480 --threads 1 --profile speed.speedscope.json
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, write_json
from aif_ros.settings.declaration import Limits

_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_SMALLEST = 64
"""Shortest side of the frames, pixels: two cells of the networks' maps."""


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    sizes: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="WxH ..."), Doc("Sizes of the frames, pixels.")
    ] = ("640x480", "1280x720", "1920x1080", "4096x3072")
    methods: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="NAME ..."), Doc("Methods of fusion.")
    ] = ("laplacian", "neural")
    devices: Annotated[
        tuple[str, ...],
        tyro.conf.arg(metavar="NAME ..."),
        Doc("Compute the networks: cpu, cuda, onnxruntime. Default: all that are there."),
    ] = ()
    threads: Annotated[
        tuple[int, ...], tyro.conf.arg(metavar="N ..."), Doc("Numbers of threads.")
    ] = (1, 2)
    repeats: Annotated[
        int, tyro.conf.arg(metavar="N"), Limits(1, 10**6), Doc("Calls of each stage to time.")
    ] = 7
    plot: Annotated[
        Path | None,
        tyro.conf.arg(metavar="FILE"),
        Doc("Draw time over megapixels, frames and cells."),
    ] = None
    profile: Annotated[
        Path | None, tyro.conf.arg(metavar="FILE"), Doc("Record a profile by py-spy.")
    ] = None
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Time everything and print it."""
    from aif_ros.benchmarks import speed
    from aif_ros.cli._progress import named_progress
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
    from aif_ros.weights.runner import available_devices

    sizes = [_size(text) for text in args.sizes]
    if min(args.threads) < 1:
        raise CommandError(f"--threads must be at least 1, got {min(args.threads)}")
    lens_model = LensModel.load(DEFAULT_CALIBRATION)
    try:
        devices = args.devices or available_devices()
        measured = speed.on_devices(args.methods, devices, lens_model)
    except ValueError as error:
        raise CommandError(str(error)) from error
    if args.profile is not None:
        _record(args.profile)
    with named_progress(len(sizes) * len(args.threads), "size") as progress:
        table = speed.measure(sizes, args.threads, measured, lens_model, args.repeats, progress)
    for count, rows in table.items():
        columns = list(rows)
        print(f"\n{count} threads" + "".join(f"{name:>22}" for name in columns))
        for stage in rows[columns[0]]:
            cells = (
                f"{row[stage]:12.1f} ms{speed.ratios(row)[stage]:6.2f}x" for row in rows.values()
            )
            print(f"{stage:28}" + " ".join(cells))
    frames = speed.over_frames(sizes[0], lens_model, measured) if args.plot is not None else {}
    if args.plot is not None:
        speed.plot(args.plot, table, frames)
    write_json(
        {
            "ms": table,
            "ratio": {
                count: {size: speed.ratios(row) for size, row in rows.items()}
                for count, rows in table.items()
            },
            "ms_over_frames": frames,
            "setup": {
                "repeats": args.repeats,
                "by": "number of threads, size, stage",
                "reference": "cv2.warpAffine of a frame and a merge by the energy of the Laplacian",
            },
        },
        args.json,
    )
    return 0


def _size(text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text)
    if match is None or min(size := (int(match[1]), int(match[2]))) < _SMALLEST:
        raise CommandError(
            f"--sizes are WIDTHxHEIGHT, such as 640x480, of {_SMALLEST} pixels or more: got {text}"
        )
    return size


def _record(path: Path) -> None:
    """Let py-spy record this process until it ends."""
    import atexit
    import os
    import shutil
    import signal
    import subprocess

    program = shutil.which("py-spy")
    if program is None:
        raise CommandError("--profile needs py-spy: pip install py-spy")
    words = [program, "record", "--format", "speedscope", "--output", str(path)]
    recorder = subprocess.Popen(
        [*words, "--pid", str(os.getpid())], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def finish() -> None:
        recorder.send_signal(signal.SIGINT)
        recorder.wait(timeout=30)

    atexit.register(finish)
