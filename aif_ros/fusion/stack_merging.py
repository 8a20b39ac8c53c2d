"""Second pass over a stack: merging what is valid in the slices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused, FusionMethod
from aif_ros.fusion.motion.geometry import Transform, translation
from aif_ros.fusion.overlap import common_area, covered
from aif_ros.fusion.slice_reader import SliceReader
from aif_ros.fusion.stack_comparison import Comparison
from aif_ros.fusion.stack_fuser import StackFuser
from aif_ros.fusion.tiles import WHOLE, crop


@dataclass(frozen=True)
class MergedStack:
    """Merged slices.

    Attributes:
        fused: the fused image; its source positions are the indices of the slices.
        holes: (H, W) bool, pixels without data in every slice, which are black; None: none, but it
            may also be false everywhere.
        sixteen_bit: whether any slice has 16 bits.
    """

    fused: Fused
    holes: NDArray[np.bool_] | None
    sixteen_bit: bool


def merge(reader: SliceReader, comparison: Comparison, method: FusionMethod) -> MergedStack:
    """Read the slices and merge what is valid in them."""
    fuser, sixteen_bit = StackFuser(method), False
    holes: NDArray[np.bool_] | None = None
    for index, current in enumerate(reader.read("fusing")):
        so_far = comparison.transforms[: index + 1]
        holes = remaining_holes(holes, current.pixels.shape, so_far, current.valid)
        # The index stands for the lens position, which files mostly do not give.
        fuser.add(
            current.pixels,
            so_far[-1],
            float(index),
            valid=comparison.valid(index, current),
            gain=comparison.gains[index],
        )
        sixteen_bit = sixteen_bit or current.pixels.dtype == np.uint16
    assert fuser.fused is not None
    # What the methods keep for a next slice is not needed any more.
    fused = replace(fuser.fused, mismatch=None, memory=None)
    if holes is not None:
        fused.image[holes] = 0
    return MergedStack(fused, holes, sixteen_bit)


def remaining_holes(
    holes: NDArray[np.bool_] | None,
    shape: tuple[int, ...],
    transforms: Sequence[Transform],
    valid: NDArray[np.bool_] | None,
) -> NDArray[np.bool_] | None:
    """Find the pixels of the fused image without data in every slice so far.

    Args:
        holes: (H, W), of the slices before; None: all of them were valid everywhere.
        shape: of a slice.
        transforms: of the slices so far, the newest one last.
        valid: (H, W), where the newest one holds data; None: everywhere.
    """
    if holes is None:
        if valid is None:
            return None
        holes = np.ones(shape[:2], np.bool_)
        for earlier in transforms[:-1]:
            holes &= ~covered(shape, earlier, WHOLE)
    holes &= ~covered(shape, transforms[-1], WHOLE, valid)
    return holes


def cropped(
    merged: MergedStack, transforms: Sequence[Transform]
) -> tuple[MergedStack, Sequence[Transform]]:
    """Cut off what not all slices show; returns the rest and the transforms from it.

    Raises:
        ValueError: there is nothing that all slices show.
    """
    place = common_area(transforms, merged.fused.image.shape)
    holes = None if merged.holes is None else merged.holes[place]
    shift = translation(place[1].start, place[0].start)
    rest = MergedStack(crop(merged.fused, place), holes, merged.sixteen_bit)
    return rest, [transform @ shift for transform in transforms]
