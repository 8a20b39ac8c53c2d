"""Fusing the slices of a focal stack from disk: compare, select, merge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aif_ros.devices.image_files.damaged import DamagedFileError
from aif_ros.devices.image_files.slice_series import Slices
from aif_ros.fusion.detail_confidence import confidence
from aif_ros.fusion.dust import Dust
from aif_ros.fusion.exposure import Gain
from aif_ros.fusion.fuser import make_method
from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.motion.geometry import Transform
from aif_ros.fusion.slice_reader import SliceReader, Track
from aif_ros.fusion.stack_merging import MergedStack, cropped, merge
from aif_ros.fusion.stack_selection import SelectedSlices, select_slices


@dataclass(frozen=True)
class FusedStack:
    """Result of fusing a stack.

    Attributes:
        slices: those that have been fused.
        left_out: names of those that show another scene than most of the stack, or nothing, or that
            cannot be read.
        fused: the fused image; its source positions are the indices of the slices.
        transforms: from the coordinates of the fused image to those of each slice.
        gains: by which each slice was brighter than most.
        sixteen_bit: whether any slice has 16 bits.
        dust: spots that stay in the frame while the scene drifts, left out; None: none.
        holes: (H, W) bool, pixels without data in every slice, which are black; None: none.
        undecided: whether the slices show different scenes, and most of them none in common.
        excluded_shares: share of each slice that is inconsistent with the others, such as a shadow
            or a finger, and has been left out.
        blank: names of those left out that show nothing, and what they are: black, white, of one
            colour, or noise.
        damaged: names of those left out that cannot be read, and what is wrong with them.
    """

    slices: Slices
    left_out: Sequence[str]
    fused: Fused
    transforms: Sequence[Transform]
    gains: Sequence[Gain]
    sixteen_bit: bool
    dust: Dust | None = None
    holes: NDArray[np.bool_] | None = None
    undecided: bool = False
    excluded_shares: Sequence[float] = ()
    blank: Mapping[str, str] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """(H, W), 0 to 1, how far the source position is known: 0 in flat parts and holes."""
        known = confidence(self.fused.image)
        if self.holes is not None:
            known[self.holes] = 0
        return known

    @property
    def uneven(self) -> list[int]:
        """Slices whose light differs from the others' in parts of the image only, or too much."""
        return [index for index, gain in enumerate(self.gains) if not gain.even]


def fuse_stack(
    slices: Slices,
    method: str,
    *,
    align: bool = True,
    match_exposure: bool = True,
    crop_to_common: bool = False,
    reduction: int = 1,
    device: str = "cpu",
    track: Track = lambda images, doing: images,
) -> FusedStack:
    """Fuse a stack; slices are read twice, once to compare and once to merge them.

    Where they are compared, slices that show another scene than most are left out, and so are areas
    of a slice that differ from the other slices by more than blur and motion. Damaged slices are
    left out where two others or more can be read.

    Args:
        slices: in focus order.
        method: name of the fusion method, see `make_method`.
        align: whether to register the slices.
        match_exposure: whether to make the slices equally bright.
        crop_to_common: whether to cut off what not all slices show.
        reduction: 1, 2 or 4: the slices are made smaller by it.
        device: that computes the networks: auto, cpu, cuda or onnxruntime.
        track: shows the progress.

    Raises:
        DeviceError: fewer than two slices can be read, or one differs from the first in shape.
        ValueError: there is nothing that all slices show.
    """
    fusion_method = make_method(method, device)

    def merge_selected(readable: Slices) -> tuple[SelectedSlices, MergedStack]:
        chosen = select_slices(
            SliceReader(readable, reduction, track), align=align, match_exposure=match_exposure
        )
        return chosen, merge(chosen.reader, chosen.comparison, fusion_method)

    damaged: Mapping[str, str] = {}
    try:
        chosen, merged = merge_selected(slices)
    except DamagedFileError:
        # Few stacks hold one, so that they are not looked for before.
        slices, damaged = slices.without_damaged()
        chosen, merged = merge_selected(slices)
    found = chosen.comparison
    transforms = found.transforms
    if crop_to_common:
        merged, transforms = cropped(merged, transforms)
    holes = merged.holes
    return FusedStack(
        chosen.reader.slices,
        [*damaged, *chosen.left_out],
        merged.fused,
        transforms,
        found.gains,
        merged.sixteen_bit,
        dust=found.dust,
        holes=holes if holes is not None and holes.any() else None,
        undecided=found.scenes.undecided,
        excluded_shares=found.excluded_shares,
        blank=chosen.blank,
        damaged=damaged,
    )
