"""Which slices of a stack are fused: those that show the scene of most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aif_ros.fusion.slice_reader import SliceReader
from aif_ros.fusion.stack_comparison import Comparison, compare

_ROUNDS = 3
"""Slices of other scenes are left out this often, chosen by hand: they bias the registration of the
others, which can be compared better without them."""


@dataclass(frozen=True)
class SelectedSlices:
    """Slices that show one scene.

    Attributes:
        reader: of these slices.
        comparison: of these slices.
        left_out: names of the others.
        blank: names of those of the others that show nothing, and what they are.
    """

    reader: SliceReader
    comparison: Comparison
    left_out: Sequence[str]
    blank: Mapping[str, str]


def select_slices(reader: SliceReader, *, align: bool, match_exposure: bool) -> SelectedSlices:
    """Compare the slices, and again without those that show another scene, until none does.

    Args:
        reader: of the slices.
        align: see `compare`.
        match_exposure: see `compare`.
    """
    name = reader.slices.name
    left_out: list[str] = []
    comparison = compare(reader, align=align, match_exposure=match_exposure)
    blank = {name(index): shade for index, shade in comparison.scenes.blank.items()}
    for _ in range(_ROUNDS):
        others = comparison.scenes.left_out
        if not others:
            break
        left_out += [reader.slices.name(index) for index in others]
        reader = reader.without(others)
        comparison = compare(reader, align=align, match_exposure=match_exposure)
    if any(comparison.lost):
        # The borders of lost lines have biased the registration, too.
        lost = comparison.lost
        comparison = compare(reader, align=align, match_exposure=match_exposure, lost=lost)
    return SelectedSlices(reader, comparison, left_out, blank)
