"""Slices of a recorded stack that do not show what the others show."""

import sys

from aif_ros.devices.device import DeviceError
from aif_ros.devices.focal_stack import FocalStack
from aif_ros.fusion.scene_match import match_scenes
from aif_ros.fusion.scene_view import scene_thumbnail
from aif_ros.types.wording import counted, listed


def warn_of_mismatched_slices(stack: FocalStack) -> None:
    """Print a warning that names the slices of a stack that show another scene, or nothing.

    Each slice is read once; one that cannot be read is an error of what needs it.
    """
    read, copies = [], []
    count = len(stack.files)
    for index in range(count):
        try:
            copies.append(scene_thumbnail(stack.read(index)))
        except DeviceError:
            continue
        read.append(index)
    scenes = match_scenes(copies)
    for indices, one, many, what in (
        (
            scenes.mismatched,
            "does not",
            "do not",
            "match the others (another scene, turned, or moved too far)",
        ),
        (list(scenes.blank), "shows", "show", "nothing (black, white, of one colour, or noise)"),
    ):
        names = [stack.slice_name(read[index]) for index in indices]
        if names:
            print(
                f"warning: {len(names)} of {counted(count, 'slice')} "
                f"{one if len(names) == 1 else many} {what}: {listed(names)}",
                file=sys.stderr,
            )
    if scenes.undecided:
        print("warning: the slices show different scenes, or nothing but noise", file=sys.stderr)
