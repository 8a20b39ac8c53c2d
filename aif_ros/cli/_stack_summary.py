"""What `aif stack` prints about a fused stack."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aif_ros.cli._warnings import print_warnings
from aif_ros.devices.image_files.slice_series import Slices
from aif_ros.devices.image_files.writing import TRANSPARENT
from aif_ros.fusion.registration_summary import describe_registration
from aif_ros.fusion.stacking import FusedStack
from aif_ros.types.wording import counted, listed


def print_stack_summary(stack: FusedStack, result: Mapping[str, Any]) -> None:
    """Print how a stack was fused, and what a user should know of it.

    Args:
        stack: the results.
        result: what `--json` writes.
    """
    slices = stack.slices
    size = result["width"], result["height"]
    fused = counted(len(slices), "slice")
    print(f"{fused} of {size[0]}x{size[1]} fused in {result['seconds']:.1f} s: {result['output']}")
    _warn_of_left_out(stack)
    if result["aligned"] and len(slices) > 1:
        print(f"registration: {describe_registration(stack.transforms, size)}")
    _print_exposure(stack)
    if stack.holes is not None:
        form = "transparent" if Path(result["output"]).suffix.lower() in TRANSPARENT else "black"
        print(
            f"no slice has data in {100 * stack.holes.mean():.2g} % of the image, which are "
            f"{form} in the result"
        )
    if stack.dust is not None:
        print(
            f"dust: left out {100 * stack.dust.share:.2g} % of each slice, spots that stay in the "
            f"frame while the scene drifts ({stack.dust.spots})"
        )
    print(f"memory: {result['memory_bytes'] / 1e6:.0f} MB at most")


def _warn_of_left_out(stack: FusedStack) -> None:
    """Name the slices, and the parts of slices, that are not fused."""
    slices = stack.slices
    if stack.damaged:
        what = counted(len(stack.damaged), "slice")
        print_warnings(
            f"left out {what} that cannot be read (copy again what is damaged): "
            f"{listed(list(stack.damaged.values()))}"
        )
    if stack.blank:
        shown = [f"{name} ({shade})" for name, shade in stack.blank.items()]
        what = counted(len(shown), "slice that shows", "slices that show")
        print_warnings(f"left out {what} nothing: {listed(shown)}")
    others = [name for name in stack.left_out if name not in {*stack.blank, *stack.damaged}]
    if others:
        what = counted(len(others), "slice that does not", "slices that do not")
        print_warnings(
            f"left out {what} match the other {len(slices)} "
            f"(another scene, turned, or moved too far): {listed(others)}"
        )
    parts = [index for index, share in enumerate(stack.excluded_shares) if share > 0]
    if parts:
        shares = [f"{slices.name(index)} ({stack.excluded_shares[index]:.0%})" for index in parts]
        print_warnings(
            f"left out parts of {counted(len(parts), 'slice')}, which differ from the others by "
            f"more than blur (shadow, finger, missing rows): {listed(shares)}"
        )
    if stack.undecided:
        print_warnings(
            "the slices show different scenes, or nothing but noise: the result may be a mixture"
        )


def _print_exposure(stack: FusedStack) -> None:
    """Name the slices whose brightness was corrected, or cannot be."""
    corrected = [index for index, gain in enumerate(stack.gains) if (gain.factors != 1).any()]
    if corrected:
        names = _names(stack.slices, corrected)
        print(f"exposure matched in {counted(len(corrected), 'slice')} ({names})")
    banded = [index for index, gain in enumerate(stack.gains) if gain.bands is not None]
    if banded:
        names = _names(stack.slices, banded)
        print(
            f"flickering light evened along the rows in {counted(len(banded), 'slice')} ({names})"
        )
    if stack.uneven:
        print_warnings(
            f"in {counted(len(stack.uneven), 'slice')} the brightness differs in parts of the "
            f"image, or too much, which cannot be corrected "
            f"({_names(stack.slices, stack.uneven)})"
        )


def _names(slices: Slices, indices: Sequence[int]) -> str:
    """Names of the first few slices."""
    return listed([slices.name(index) for index in indices])
