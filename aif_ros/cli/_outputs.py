"""Outputs that must not replace what a command reads."""

from collections.abc import Iterable
from pathlib import Path

from aif_ros.cli import CommandError


def refuse_inputs(
    outputs: Iterable[str | Path | None], inputs: Iterable[str | Path | None]
) -> None:
    """Check, before the work, that no output replaces an input.

    Args:
        outputs: files to write; None, empty or '-': nothing, or not a file.
        inputs: files that are read, and folders with images that are.

    Raises:
        CommandError: an output is one of the inputs.
    """
    from aif_ros.devices.device import DeviceError
    from aif_ros.devices.image_files import image_files

    read: set[Path] = set()
    for path in (Path(given) for given in inputs if given):
        read.add(path.resolve())
        if path.is_dir():
            try:
                read |= {file.resolve() for file in image_files(path)}
            except DeviceError:
                # It holds no image.
                continue
    for output in outputs:
        if output and output != "-" and Path(output).resolve() in read:
            raise CommandError(f"{output} is an input: name another file to write")
