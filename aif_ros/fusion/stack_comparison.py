"""First pass over a stack: registration, brightness, dust, and what must not be fused."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aif_ros.devices.image_files.samples import MaskedImage
from aif_ros.fusion.dust import Dust, chosen_slices, downscaled_log, find_dust
from aif_ros.fusion.exposure import NO_GAIN, Gain, stack_gains
from aif_ros.fusion.light_map import LightMap, light_map, registered
from aif_ros.fusion.lost_lines import LostLines, StackLines
from aif_ros.fusion.motion.downscaled_slice import DownscaledSlice, downscaled_transform
from aif_ros.fusion.motion.geometry import Transform
from aif_ros.fusion.motion.photo_consistency import Mask
from aif_ros.fusion.motion.stack_registration import register
from aif_ros.fusion.scene_match import (
    SceneMatch,
    inconsistent_slice_areas,
    match_registered,
    match_scenes,
)
from aif_ros.fusion.scene_view import scene_thumbnail
from aif_ros.fusion.slice_reader import SliceReader
from aif_ros.types.fill import fill_unknown
from aif_ros.types.image import to_float, to_gray
from aif_ros.types.resizing import resize_mask

_PREVIEW_SIDE = 480
"""Longer side of the images that are registered for a preview, pixels, a third of that for a
result: nine times faster, and an error of about one pixel does not show."""


@dataclass(frozen=True)
class Comparison:
    """What is known of the slices after they have been compared.

    Attributes:
        transforms: from the coordinates of the fused image to those of each slice as it was read.
        gains: by which each slice was brighter than most.
        inconsistent: (h, w) of each thumbnail, areas that are not fused; None: none.
        lost: rows and columns of each slice that are not fused; None: none.
        dust: spots that stay in the frame; None: none.
        scenes: which slices show the same.
    """

    transforms: Sequence[Transform]
    gains: Sequence[Gain]
    inconsistent: Sequence[Mask | None]
    lost: Sequence[LostLines | None]
    dust: Dust | None = None
    scenes: SceneMatch = field(default_factory=SceneMatch)

    def valid(self, index: int, image: MaskedImage) -> Mask | None:
        """(H, W), which pixels of a slice may be fused; None: all."""
        valid = without_lines(image, self.lost[index]).valid
        area = self.inconsistent[index]
        if area is not None:
            valid = _both(valid, ~resize_mask(area, image.pixels.shape))
        return valid if self.dust is None else _both(valid, self.dust.clean)

    @property
    def excluded_shares(self) -> list[float]:
        """Share of each slice that is not fused because it is inconsistent with the others."""
        return [
            _excluded_share(area, lines)
            for area, lines in zip(self.inconsistent, self.lost, strict=True)
        ]


def compare(
    reader: SliceReader,
    *,
    align: bool,
    match_exposure: bool,
    lost: Sequence[LostLines | None] | None = None,
) -> Comparison:
    """Compare the slices of a stack.

    Args:
        reader: of the slices.
        align: whether to register them, and to look for dust.
        match_exposure: whether to compare their brightness.
        lost: rows and columns that are known to be lost, and do not take part; None: they are
            looked for.
    """
    count = len(reader)
    still: Sequence[Transform] = [np.eye(3)] * count
    no_gain, nothing = [NO_GAIN] * count, [None] * count
    if count < 2 or not (align or match_exposure):
        return Comparison(still, no_gain, nothing, nothing)
    # A reduced slice is too small to show dust.
    observer = _Observer(
        light=match_exposure,
        dust_in=chosen_slices(count) if align and reader.reduction == 1 else [],
        lost=lost,
    )
    pixels = observer.observe(reader.read("comparing", mono=not match_exposure))
    if align:
        transforms: Sequence[Transform] = register(
            pixels, _PREVIEW_SIDE if reader.reduction > 1 else None
        )
    else:
        deque(pixels, maxlen=0)
        transforms = still
    gains = observer.gains(transforms, reader) if match_exposure else no_gain
    lost = observer.lines.found() if lost is None else lost
    areas, scenes = _match(observer.thumbnails, lost, transforms, reader.size, align=align)
    return Comparison(transforms, gains, areas, lost, observer.dust(transforms, reader), scenes)


class _Observer:
    """Keeps of each slice what it is compared by.

    Args:
        light: whether to keep what brightness is compared by.
        dust_in: indices of the slices that dust is looked for in.
        lost: see `compare`.
    """

    def __init__(
        self, *, light: bool, dust_in: Sequence[int], lost: Sequence[LostLines | None] | None
    ) -> None:
        self._light = light
        self._dust_in = set(dust_in)
        self._lost = lost
        self._maps: list[LightMap] = []
        self._frames: dict[int, NDArray[np.float16]] = {}
        self.thumbnails: list[DownscaledSlice] = []
        self.lines = StackLines()

    def observe(
        self, images: Iterable[MaskedImage]
    ) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_] | None]]:
        """Pass the pixels on, to be registered, and where they hold data."""
        for index, image in enumerate(images):
            if self._lost is None:
                self.lines.add(image.pixels)
            else:
                image = without_lines(image, self._lost[index])
            if index in self._dust_in:
                self._frames[index] = downscaled_log(image.pixels, image.valid)
            self.thumbnails.append(scene_thumbnail(image.pixels, image.valid))
            if self._light:
                self._maps.append(light_map(image.pixels, image.valid))
            yield _to_register(image)

    def gains(self, transforms: Sequence[Transform], reader: SliceReader) -> Sequence[Gain]:
        """By which each slice is brighter than most."""
        scale = np.diag([reader.reduction, reader.reduction, 1.0])
        shape = reader.slices.shape
        moved = [scale @ transform @ np.linalg.inv(scale) for transform in transforms]
        return stack_gains(
            [
                registered(each, move, (shape[1], shape[0]))
                for each, move in zip(self._maps, moved, strict=True)
            ]
        )

    def dust(self, transforms: Sequence[Transform], reader: SliceReader) -> Dust | None:
        """Spots that stay in the frame."""
        if not self._frames:
            return None
        moves = [transforms[index] for index in self._frames]
        return find_dust(list(self._frames.values()), moves, reader.slices.shape)


def _to_register(image: MaskedImage) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    if image.valid is None:
        return image.pixels, None
    # Where there is no data, a smooth continuation has no edge to be registered by.
    gray = to_gray(to_float(image.pixels))
    return fill_unknown(gray, image.valid.astype(np.float32)), image.valid


def _match(
    thumbnails: Sequence[DownscaledSlice],
    lost: Sequence[LostLines | None],
    transforms: Sequence[Transform],
    size: tuple[float, float],
    *,
    align: bool,
) -> tuple[list[Mask | None], SceneMatch]:
    """Find inconsistent areas, and which slices show the same without these."""
    moves = [
        downscaled_transform(thumbnail, transform, size)
        for thumbnail, transform in zip(thumbnails, transforms, strict=True)
    ]
    kept = [
        thumbnail.without(lines.reduced(thumbnail.image.shape[::-1])) if lines else thumbnail
        for thumbnail, lines in zip(thumbnails, lost, strict=True)
    ]
    areas = inconsistent_slice_areas(kept, moves)
    kept = [thumbnail.without(area) for thumbnail, area in zip(kept, areas, strict=True)]
    scenes = match_scenes(kept)
    if align and not scenes.left_out:
        scenes = match_registered(kept, moves)
    return areas, scenes


def without_lines(image: MaskedImage, lines: LostLines | None) -> MaskedImage:
    """Return a slice with lost lines as pixels without data."""
    if not lines:
        return image
    return MaskedImage(image.pixels, _both(image.valid, ~lines.mask))


def _both(valid: Mask | None, other: Mask) -> Mask:
    return other if valid is None else valid & other


def _excluded_share(area: Mask | None, lines: LostLines | None) -> float:
    if lines:
        mask = lines.mask
        return float((mask if area is None else mask | resize_mask(area, mask.shape)).mean())
    return 0.0 if area is None else float(area.mean())
