"""Options that not all kinds of cameras have: one rule for all commands."""

from collections.abc import Mapping
from typing import Any

from aif_ros.cli import CommandError
from aif_ros.cli._stack_options import OPTIONS
from aif_ros.settings.declaration import declared

CAMERAS = {
    "width": ("simulated",),
    "bits_per_sample": ("stack", "device", "external"),
    **dict.fromkeys(OPTIONS, ("stack",)),
}
"""Kinds of cameras on which an option has an effect, by its name."""

_KINDS = {
    "device": "a real one",
    "external": "one of another program",
    "stack": "a recorded focal stack",
    "simulated": "a rendered scene",
}


def refuse_camera_options(args: Any, kind: str) -> None:
    """Refuse options that have no effect on the images of a camera.

    Args:
        args: dataclass of the command's arguments.
        kind: of the camera, one of `settings.pipeline.CAMERAS`.

    Raises:
        CommandError: one of them is given.
    """
    others = {name: "leave it out" for name, kinds in CAMERAS.items() if kind not in kinds}
    refuse_options(args, others, f"has no effect on the images of {_KINDS[kind]}")


def refuse_options(args: Any, options: Mapping[str, str], reason: str) -> None:
    """Refuse options that a run does not have.

    Args:
        args: dataclass of the command's arguments.
        options: what to do instead, by the name of the option.
        reason: why they are refused.

    Raises:
        CommandError: one of them is given.
    """
    for setting in declared(type(args)):
        name = setting.name
        if name in options and getattr(args, name) != setting.default:
            raise CommandError(f"--{name.replace('_', '-')} {reason}: {options[name]}")
