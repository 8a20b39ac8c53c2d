"""Merging large images tile by tile, so that intermediate arrays stay small."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple, Protocol, runtime_checkable

from aif_ros.fusion.fusion import Fused, FusionMethod
from aif_ros.types.image import Image

Place = tuple[slice, slice]
"""Rows and columns of an image."""

WHOLE: Place = (slice(None), slice(None))

# Pixels; a multiple of anything that methods shrink an image by.
_SIDE = 640

Merge = Callable[[Image, float, Fused | None], Fused]
"""As `FusionMethod.merge`."""


@runtime_checkable
class TileableMethod(FusionMethod, Protocol):
    """A fusion method that can merge a part of the image from that part and a margin."""

    def for_tiles(self, fused: Fused) -> tuple[Merge, int]:
        """Return what merges a tile of a frame into `fused`, and the margin that it needs.

        Returns:
            As `merge`, for tiles and from several threads at a time; pixels around a tile that
            have a part in it, a multiple of 16.
        """
        ...


class TileMap(Protocol):
    """Calls a function for each of its arguments, results in their order; such as `map`."""

    def __call__(  # noqa: D102
        self, function: Callable[["Tile"], Fused], tiles: Iterable["Tile"], /
    ) -> Iterable[Fused]: ...


class Tile(NamedTuple):
    """A part of an image.

    Attributes:
        place: what is merged.
        seen: with its margin, as far as the image goes.
        inner: `place` within `seen`.
    """

    place: Place
    seen: Place
    inner: Place


def merge_tiles(
    merge: Callable[[Place, Fused], Fused],
    before: Fused,
    after: Fused,
    margin: int,
    each: TileMap = map,
) -> None:
    """Merge a frame tile by tile.

    Args:
        merge: returns J(t) in a place, given J(t-1) in that place.
        before: J(t-1).
        after: takes J(t); may be `before`.
        margin: pixels around a tile that have a part in it, a multiple of 16, no more than a
            tile's side.
        each: applies `merge` to the tiles; `map` of a pool of threads: several at a time.
    """
    height, width = before.sharpness.shape
    rows, columns = _cuts(height, margin), _cuts(width, margin)
    tiles = [Tile(*zip(row, column, strict=True)) for row in rows for column in columns]
    merged = each(lambda tile: _inner(tile, merge(tile.seen, _tile(before, tile.seen))), tiles)
    waiting: deque[tuple[Tile, Fused]] = deque()
    for merged_tile in zip(tiles, merged, strict=True):
        waiting.append(merged_tile)
        # Its neighbours, up to the one below to the right, must have seen J(t-1) there.
        if len(waiting) > len(columns) + 1:
            _write(after, *waiting.popleft())
    for merged_tile in waiting:
        _write(after, *merged_tile)


def places(shape: tuple[int, int]) -> Iterator[Place]:
    """Tiles, without margins, of an image with these numbers of rows and columns."""
    height, width = shape
    for row, _, _ in _cuts(height, 0):
        for column, _, _ in _cuts(width, 0):
            yield row, column


def _cuts(length: int, margin: int) -> list[tuple[slice, slice, slice]]:
    """Along one side of the image: place, seen and inner of each tile."""
    cuts = []
    for start in range(0, length, _SIDE):
        before, end = min(start, margin), min(start + _SIDE, length)
        seen = slice(start - before, min(end + margin, length))
        cuts.append((slice(start, end), seen, slice(before, before + end - start)))
    return cuts


def crop(fused: Fused, place: Place) -> Fused:
    """Return a part of J, without what the method keeps for a next frame.

    Args:
        fused: J.
        place: rows and columns, pixels.
    """
    return replace(
        fused,
        image=fused.image[place],
        sharpness=fused.sharpness[place],
        source_position=fused.source_position[place],
        mismatch=None,
        memory=None,
    )


def _tile(fused: Fused, place: Place) -> Fused:
    return replace(
        crop(fused, place),
        mismatch=None if fused.mismatch is None else fused.mismatch[place],
        memory=None if fused.memory is None else fused.memory[_halved(place)],
    )


def _inner(tile: Tile, merged: Fused) -> Fused:
    """A tile without its margin; a copy, so that the margin is not kept while the tile waits."""
    part = _tile(merged, tile.inner)
    return replace(
        part,
        image=part.image.copy(),
        sharpness=part.sharpness.copy(),
        source_position=part.source_position.copy(),
        mismatch=None,
        memory=None if part.memory is None else part.memory.copy(),
    )


def _write(after: Fused, tile: Tile, merged: Fused) -> None:
    place = tile.place
    after.image[place] = merged.image
    after.sharpness[place] = merged.sharpness
    after.source_position[place] = merged.source_position
    if after.memory is not None and merged.memory is not None:
        after.memory[_halved(place)] = merged.memory


def _halved(place: Place) -> Place:
    """The same place in the memory, at half the resolution; all but ends at the border are even."""
    rows, columns = place
    return (
        slice(rows.start // 2, (rows.stop + 1) // 2),
        slice(columns.start // 2, (columns.stop + 1) // 2),
    )
