"""Commands of `python -m aif_ros`, one module each; a folder is a group of commands.

`aif_ros/cli/stack.py` is `aif stack`, `aif_ros/cli/benchmark/loop.py` is
`aif benchmark loop`. A command module has

- a docstring: its first line is the summary in the list of commands, the whole is its help;
- ``Arguments``: a frozen dataclass, from which the options are made (see
  `aif_ros.settings.declaration`);
- ``run(args: Arguments) -> int``: does the work and returns the exit code; it imports what is heavy
  (torch, OpenCV, rclpy) itself, so that `--help` answers at once.

An `OSError` or an exception class of this package that leaves ``run`` is shown as one line; any
other is a defect and keeps its traceback. Modules whose name begins with an underscore are no
commands.
"""

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.storage.atomic_write import check_writable, write_text

JsonFile = Annotated[
    str | None,
    tyro.conf.arg(metavar="FILE"),
    Doc("Also write the results to FILE as JSON ('-': to standard output)."),
]
"""Type of the option `--json`; see `write_json`."""


def check_json(file: str | None) -> None:
    """Check that `--json` can be written, before the work.

    Raises:
        OSError: it cannot.
    """
    if file not in (None, "-"):
        check_writable(file)


class CommandError(Exception):
    """What was asked for cannot be done; the message says why and what to do instead."""


_LEAST_RECTANGLE = 8
"""Shortest side of a window, pixels: contrast is measured over some pixels."""
_LEAST_SIDE = 32
"""Shortest side of the images, pixels: one cell of the networks' maps."""


def check_width(width: int, height: int | None = None) -> None:
    """Check that scenes are rendered large enough.

    Args:
        width: of the images, pixels, as `--width` states it; 0: of the scene itself.
        height: of the images, pixels, where it is known.

    Raises:
        CommandError: they are too small.
    """
    sides = (width,) if height is None else (width, height)
    if width and min(sides) < _LEAST_SIDE:
        size = "" if height is None else f" gives images of {width}x{height} pixels"
        raise CommandError(f"--width {width}{size}: {_LEAST_SIDE} pixels a side are needed")


def check_rectangle(
    option: str, rectangle: tuple[int, int, int, int], size: tuple[int, int]
) -> None:
    """Check that a rectangle lies within an image.

    Args:
        option: that gives it, for the message.
        rectangle: x, y, width, height, pixels.
        size: (width, height) of the image, pixels.

    Raises:
        CommandError: it does not.
    """
    x, y, width, height = rectangle
    if 0 < min(width, height) < _LEAST_RECTANGLE:
        raise CommandError(
            f"{option} {x} {y} {width} {height} is too small: {_LEAST_RECTANGLE} pixels a side are "
            "needed"
        )
    if min(x, y) < 0 or min(width, height) < 1 or x + width > size[0] or y + height > size[1]:
        raise CommandError(
            f"{option} {x} {y} {width} {height} does not lie within the image of "
            f"{size[0]}x{size[1]} pixels"
        )


def write_json(result: Mapping[str, Any], file: str | None) -> None:
    """Write `result` where `--json` asks for it; nowhere if it was not given.

    Raises:
        OSError: the file cannot be written.
    """
    if file is None:
        return
    text = json.dumps(result, indent=2, allow_nan=False) + "\n"
    if file == "-":
        sys.stdout.write(text)
    else:
        write_text(file, text)
