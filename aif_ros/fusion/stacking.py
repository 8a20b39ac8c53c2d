"""Fusing the slices of a focal stack from disk: read, register, merge."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aif_ros.devices.image_files.samples import MaskedImage
from aif_ros.devices.image_files.slices import Slices
from aif_ros.fusion.dust import Dust, chosen_slices, find_dust, frame_copy
from aif_ros.fusion.exposure import NO_GAIN, Gain, LightMap, light_map, registered, stack_gains
from aif_ros.fusion.fuser import make_method
from aif_ros.fusion.fusion import Fused, FusionMethod
from aif_ros.fusion.laplacian import laplacian_energy
from aif_ros.fusion.lost_lines import LostLines, StackLines
from aif_ros.fusion.motion.downscaled_slice import DownscaledSlice, downscaled_transform
from aif_ros.fusion.motion.geometry import Transform, translation
from aif_ros.fusion.motion.stack_registration import register
from aif_ros.fusion.overlap import common_area, covered
from aif_ros.fusion.scene_match import (
    SceneMatch,
    inconsistent_slice_areas,
    match_registered,
    match_scenes,
)
from aif_ros.fusion.scene_view import scene_thumbnail
from aif_ros.fusion.stack_fuser import StackFuser
from aif_ros.fusion.tiles import WHOLE, crop
from aif_ros.types.fill import fill_unknown
from aif_ros.types.image import Image, to_float, to_gray
from aif_ros.types.resizing import resize_mask

# Detail is measured over windows of this standard deviation, pixels, in which the energy of noise
# varies by a fifth. The flattest share of the image is taken for noise; energies up to the first
# multiple of it may be noise, from the second on they are detail. The least energy is that of
# rounding to 8 bits.
_DETAIL_SIGMA, _FLAT_SHARE, _NOISE, _DETAIL, _LEAST_ENERGY = 4.0, 0.02, 2.0, 4.0, 1e-4

# Longer side of the copies registered for a preview, pixels, a third of those for a result: nine
# times faster, and about one pixel is good enough.
_PREVIEW_SIDE = 480

# Slices that do not fit are left out this often: what is left can be registered better then.
_ROUNDS = 3

Track = Callable[[Iterable[MaskedImage], str], Iterable[MaskedImage]]
"""Passes images on and shows the progress of what is done with them."""


@dataclass(frozen=True)
class FusedStack:
    """Result of fusing a stack.

    Attributes:
        slices: those that have been fused.
        left_out: names of those that show another scene than most of the stack, or nothing.
        fused: the fused image; its source positions are the indices of the slices.
        transforms: from the coordinates of the fused image to those of each slice.
        gains: by which each slice was brighter than most.
        sixteen_bit: whether any slice has 16 bits.
        dust: spots that stay in the frame while the scene drifts, left out; None: none.
        holes: (H, W) bool, pixels without data in every slice, which are black; None: none.
        undecided: whether the slices show different scenes, and most of them none in common.
        misfits: share of each slice that differs from the others by more than blur and motion, such
            as a shadow or a finger, and has been left out.
        blank: names of those left out that show nothing, and what they are: black, white, of one
            colour, or noise.
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
    misfits: Sequence[float] = ()
    blank: Mapping[str, str] = field(default_factory=dict)

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
    of a slice that differ from the other slices by more than blur and motion.

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
        DeviceError: a slice cannot be read, or differs from the first one in shape.
        ValueError: there is nothing that all slices show.
    """
    fitting = _fitting_slices(slices, align, match_exposure, reduction, track)
    slices, found = fitting.slices, fitting.found
    merged = _merge(slices, found, make_method(method, device), reduction, track)
    transforms = found.transforms
    if crop_to_common:
        merged, transforms = _cropped(merged, transforms)
    holes = merged.holes
    return FusedStack(
        slices,
        fitting.left_out,
        merged.fused,
        transforms,
        found.gains,
        merged.sixteen_bit,
        found.dust,
        holes if holes is not None and holes.any() else None,
        found.scenes.undecided,
        [_share(misfit, lost) for misfit, lost in zip(found.misfits, found.lost, strict=True)],
        fitting.blank,
    )


@dataclass(frozen=True)
class _Compared:
    """What a comparison of the slices has found."""

    transforms: Sequence[Transform]
    gains: Sequence[Gain]
    misfits: Sequence[NDArray[np.bool_] | None]
    lost: Sequence[LostLines | None]
    dust: Dust | None = None
    scenes: SceneMatch = field(default_factory=SceneMatch)


@dataclass(frozen=True)
class _Fitting:
    """Slices that show one scene, what their comparison has found, and those left out."""

    slices: Slices
    found: _Compared
    left_out: Sequence[str]
    blank: Mapping[str, str]


def _fitting_slices(
    slices: Slices, align: bool, match_exposure: bool, reduction: int, track: Track
) -> _Fitting:
    """Compare the slices, and again without those that do not fit, until the others do."""
    left_out: list[str] = []
    found = _compare(slices, align, match_exposure, reduction, track)
    blank = {slices.name(index): shade for index, shade in found.scenes.blank.items()}
    for _ in range(_ROUNDS):
        if not found.scenes.left_out:
            break
        # They have been in the way of the registration of the others.
        left_out += [slices.name(index) for index in found.scenes.left_out]
        slices = slices.without(found.scenes.left_out)
        found = _compare(slices, align, match_exposure, reduction, track)
    if any(found.lost):
        # Their borders have been in the way, too.
        found = _compare(slices, align, match_exposure, reduction, track, found.lost)
    return _Fitting(slices, found, left_out, blank)


@dataclass(frozen=True)
class _Merged:
    """Fused slices; fields as in `FusedStack`, but holes may be false everywhere."""

    fused: Fused
    holes: NDArray[np.bool_] | None
    sixteen_bit: bool


def _merge(
    slices: Slices, found: _Compared, method: FusionMethod, reduction: int, track: Track
) -> _Merged:
    """Read the slices and merge what is valid in them."""
    fuser, sixteen_bit = StackFuser(method), False
    holes: NDArray[np.bool_] | None = None
    images = _read_ahead(slices, mono=False, reduction=reduction)
    for index, current in enumerate(track(images, "fusing")):
        transform, gain = found.transforms[index], found.gains[index]
        so_far = found.transforms[: index + 1]
        holes = _remaining_holes(holes, current.pixels.shape, so_far, current.valid)
        valid = _fusible(current, found.misfits[index], found.lost[index], found.dust)
        # The index stands for the lens position, which files mostly do not give.
        fuser.add(current.pixels, transform, float(index), valid=valid, gain=gain)
        sixteen_bit = sixteen_bit or current.pixels.dtype == np.uint16
    assert fuser.fused is not None
    # What the methods keep for a next slice is not needed any more.
    fused = replace(fuser.fused, mismatch=None, memory=None)
    if holes is not None:
        fused.image[holes] = 0
    return _Merged(fused, holes, sixteen_bit)


def _remaining_holes(
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


def _share(misfit: NDArray[np.bool_] | None, lost: LostLines | None) -> float:
    """Share of a slice that is not fused because it does not fit the others."""
    if lost:
        mask = lost.mask
        return float((mask if misfit is None else mask | resize_mask(misfit, mask.shape)).mean())
    return 0.0 if misfit is None else float(misfit.mean())


def _fusible(
    image: MaskedImage,
    misfit: NDArray[np.bool_] | None,
    lost: LostLines | None,
    dust: Dust | None,
) -> NDArray[np.bool_] | None:
    """(H, W), where a slice holds data, fits the others and is free of dust; None: everywhere."""
    valid = image.valid
    if lost:
        valid = ~lost.mask if valid is None else valid & ~lost.mask
    if misfit is not None:
        fitting = ~resize_mask(misfit, image.pixels.shape)
        valid = fitting if valid is None else valid & fitting
    if dust is not None:
        valid = dust.clean if valid is None else valid & dust.clean
    return valid


def _cropped(
    merged: _Merged, transforms: Sequence[Transform]
) -> tuple[_Merged, Sequence[Transform]]:
    """Cut off what not all slices show; returns the rest and the transforms from it."""
    place = common_area(transforms, merged.fused.image.shape)
    holes = None if merged.holes is None else merged.holes[place]
    shift = translation(place[1].start, place[0].start)
    rest = _Merged(crop(merged.fused, place), holes, merged.sixteen_bit)
    return rest, [transform @ shift for transform in transforms]


def _compare(
    slices: Slices,
    align: bool,
    match_exposure: bool,
    reduction: int,
    track: Track,
    lost: Sequence[LostLines | None] | None = None,
) -> _Compared:
    """Register the slices, and compare their light, their dust and what they show.

    Lines that are known to be lost do not take part; None: they are looked for.
    """
    count = len(slices)
    transforms: Sequence[Transform] = [np.eye(3)] * count
    gains: Sequence[Gain] = [NO_GAIN] * count
    dust: Dust | None = None
    if count < 2 or not (align or match_exposure):
        return _Compared(transforms, gains, [None] * count, [None] * count)
    images = _read_ahead(slices, mono=not match_exposure, reduction=reduction)
    if lost is not None:
        images = _without_lines(images, lost)
    maps: list[LightMap] = []
    frames: dict[int, NDArray[np.float16]] = {}
    copies: list[DownscaledSlice] = []
    images = _with_frames(track(images, "comparing"), frames, count if align else 0)
    lines = StackLines()
    images = _with_copies(images, copies)
    if lost is None:
        images = _with_lines(images, lines)
    pixels = _with_light(images, maps if match_exposure else None)
    if align:
        transforms = register(pixels, _PREVIEW_SIDE if reduction > 1 else None)
        if reduction == 1:
            moves = [transforms[index] for index in frames]
            dust = find_dust(list(frames.values()), moves, slices.shape)
    else:
        for _ in pixels:
            pass
    if match_exposure:
        scale = np.diag([reduction, reduction, 1.0])
        size = (slices.shape[1], slices.shape[0])
        moved = [scale @ transform @ np.linalg.inv(scale) for transform in transforms]
        gains = stack_gains(
            [registered(each, move, size) for each, move in zip(maps, moved, strict=True)]
        )
    # Of the slices as they were registered.
    registered_size = slices.shape[1] / reduction, slices.shape[0] / reduction
    on_copies = [
        downscaled_transform(copy, transform, registered_size)
        for copy, transform in zip(copies, transforms, strict=True)
    ]
    lost = lines.found() if lost is None else lost
    copies = [
        copy.without(each.reduced((copy.image.shape[1], copy.image.shape[0]))) if each else copy
        for copy, each in zip(copies, lost, strict=True)
    ]
    parts = inconsistent_slice_areas(copies, on_copies)
    copies = [copy.without(part) for copy, part in zip(copies, parts, strict=True)]
    scenes = match_scenes(copies)
    if align and not scenes.left_out:
        scenes = match_registered(copies, on_copies)
    return _Compared(transforms, gains, parts, lost, dust, scenes)


def _with_copies(
    images: Iterable[MaskedImage], copies: list[DownscaledSlice]
) -> Iterator[MaskedImage]:
    """Pass the slices on, and keep small copies to see whether all show the same."""
    for image in images:
        copies.append(scene_thumbnail(image.pixels, image.valid))
        yield image


def _without_lines(
    images: Iterable[MaskedImage], lost: Sequence[LostLines | None]
) -> Iterator[MaskedImage]:
    """Pass the slices on, with lost lines as pixels without data."""
    for image, lines in zip(images, lost, strict=True):
        yield MaskedImage(image.pixels, _fusible(image, None, lines, None))


def _with_lines(images: Iterable[MaskedImage], lines: StackLines) -> Iterator[MaskedImage]:
    """Pass the slices on, and look for lines that are lost."""
    for image in images:
        lines.add(image.pixels)
        yield image


def _with_frames(
    images: Iterable[MaskedImage], frames: dict[int, NDArray[np.float16]], count: int
) -> Iterator[MaskedImage]:
    """Pass the slices on, and keep small copies of some of `count` in which to look for dust."""
    wanted = set(chosen_slices(count))
    for index, image in enumerate(images):
        if index in wanted:
            frames[index] = frame_copy(image.pixels, image.valid)
        yield image


def _with_light(
    images: Iterable[MaskedImage], maps: list[LightMap] | None
) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_] | None]]:
    """Pass the pixels on, to be registered, and collect the light maps of the slices."""
    for image in images:
        if maps is not None:
            maps.append(light_map(image.pixels, image.valid))
        if image.valid is None:
            yield image.pixels, None
        else:
            # Where there is no data, a smooth continuation has no edge to be registered by.
            gray = to_gray(to_float(image.pixels))
            yield fill_unknown(gray, image.valid.astype(np.float32)), image.valid


def confidence(image: Image) -> NDArray[np.float32]:
    """How far the sharpest slice of each pixel can be known: whether it has detail beside noise.

    Args:
        image: (H, W) or (H, W, 3), fused.

    Returns:
        (H, W) float32, 0 where the image has hardly more detail than its flattest part.
    """
    energy = laplacian_energy(image, _DETAIL_SIGMA)
    noise = float(np.quantile(energy[::4, ::4], _FLAT_SHARE)) + _LEAST_ENERGY
    return np.asarray(
        np.clip((energy / noise - _NOISE) / (_DETAIL - _NOISE), 0, 1, dtype=np.float32)
    )


def _read_ahead(slices: Slices, *, mono: bool, reduction: int) -> Iterator[MaskedImage]:
    """Read each slice while the one before is worked on."""
    with ThreadPoolExecutor(1) as reader:

        def read(index: int) -> MaskedImage:
            return slices.read(index, mono=mono, reduction=reduction)

        coming = reader.submit(read, 0)
        for index in range(len(slices)):
            image = coming.result()
            if index + 1 < len(slices):
                coming = reader.submit(read, index + 1)
            yield image


@dataclass(frozen=True)
class Registration:
    """Displacements between the slices.

    Attributes:
        shifts: (x, y) by which the middle of each slice is displaced, pixels.
        magnifications: of each slice, against the fused image.
        rotations: of each slice, degrees.
    """

    shifts: Sequence[tuple[float, float]]
    magnifications: Sequence[float]
    rotations: Sequence[float]

    def __str__(self) -> str:
        furthest = max(math.hypot(*shift) for shift in self.shifts)
        low, high = min(self.magnifications), max(self.magnifications)
        turned = max(map(abs, self.rotations))
        return (
            f"shifts up to {furthest:.1f} px, magnification {low:.4f} to {high:.4f}, "
            f"rotation up to {turned:.2f} degrees"
        )


def describe_registration(transforms: Sequence[Transform], size: tuple[int, int]) -> Registration:
    """Convert transforms to shifts, magnifications and rotations.

    Args:
        transforms: from the coordinates of the fused image to those of each slice.
        size: (width, height) of the fused image.
    """
    centre = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2, 1.0])
    shifts, magnifications, rotations = [], [], []
    for transform in transforms:
        x, y, _ = transform @ centre - centre
        shifts.append((float(x), float(y)))
        magnifications.append(float(np.sqrt(abs(np.linalg.det(transform[:2, :2])))))
        sine = transform[1, 0] - transform[0, 1]
        rotations.append(math.degrees(math.atan2(sine, transform[0, 0] + transform[1, 1])))
    return Registration(shifts, magnifications, rotations)
