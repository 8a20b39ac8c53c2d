"""Registering the slices of a focal stack without a calibration.

Neighbouring slices are blurred alike, so each is registered to the one before and the transforms
are chained. Where two slices do not fit, as in the shadow of a finger, they are not compared (see
`misfit`). The errors of a chain add up: in long stacks every 16th slice is also registered directly
to the one 16 before, and every 128th to the one 128 before, starting from the chain; what
correlates better replaces the chain, whose slices in between share the correction.

The correlation that is maximised does not depend on brightness or contrast: Evangelidis & Psarakis,
"Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization", PAMI 2008
(OpenCV's `findTransformECC`).
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.geometry import Transform
from aif_ros.fusion.motion.misfit import SIDE, Mask, misfit, residual
from aif_ros.fusion.tiles import WHOLE, Place
from aif_ros.types.image import Image, to_gray

# Registration works on copies no larger than this on their longer side, coarse to fine.
_SIDES = (SIDE, 480, 1440)
# Side of the Gaussian filter before the comparison, pixels: OpenCV's default.
_SMOOTHING = 5
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
# Transforms that move no corner by more than this, pixels, are not worth a resampling; in large
# images the registration itself is a few tenths out.
_NEGLIGIBLE = 0.3
# Pairs of slices that are registered at the same time.
_AT_ONCE = 2
# More than this share of the image's size is no drift, but a failed registration.
_LARGEST_MOVE = 0.2
# Slices that are registered directly lie this many apart.
_SPANS = (16, 128)
# A direct registration corrects a chain by no more than this, pixels of the largest copies.
_LARGEST_CORRECTION = 6.0


def register(
    slices: Iterable[NDArray[Any] | tuple[NDArray[Any], NDArray[np.bool_] | None]],
    largest_side: int | None = None,
) -> list[Transform]:
    """Register a stack.

    Args:
        slices: in focus order, (H, W) or (H, W, 3), uint8, uint16 or float32, all of one size;
            of each only small copies are kept, and not for long. With a mask (H, W): the pixels
            that hold data; what lies under the others must be smooth, and is not registered.
        largest_side: longer side of the copies that are registered, at most, pixels; None: as
            large as is worth it.

    Returns:
        For each slice the transform from the reference's coordinates to its own. The reference
        is the slice with the narrowest view: the others cover it.
    """
    sides = [side for side in _SIDES if largest_side is None or side <= largest_side]
    steps: list[Future[Transform]] = []
    anchors: dict[int, SliceCopy] = {}
    earlier: list[SliceCopy] = []
    size, count = (0, 0), 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for each in slices:
            image, valid = each if isinstance(each, tuple) else (each, None)
            gray = to_gray(image)
            pyramid = [SliceCopy.of(gray, valid, side) for side in sides]
            size = (image.shape[1], image.shape[0])
            if earlier:
                steps.append(pool.submit(_between, earlier, pyramid, size))
            earlier = pyramid
            if count % _SPANS[0] == 0:
                anchors[count] = pyramid[-1]
            count += 1
            # Slices may come faster than they are registered.
            wait(steps[-2 * _AT_ONCE : -_AT_ONCE])
    chained = [np.eye(3)]
    for step in steps:
        chained.append(step.result() @ chained[-1])
    if earlier:
        anchors[count - 1] = earlier[-1]
    for span in _SPANS:
        _anchor(chained, anchors, span, size)
    # `chained` maps the first slice's coordinates: the narrowest view is the most magnified.
    scales = [float(np.sqrt(abs(np.linalg.det(transform[:2, :2])))) for transform in chained]
    reference = np.linalg.inv(chained[int(np.argmax(scales))])
    return [transform @ reference for transform in chained]


def _anchor(
    chained: list[Transform], anchors: Mapping[int, "SliceCopy"], span: int, size: tuple[int, int]
) -> None:
    """Correct a chain of transforms by registering slices directly that lie `span` apart."""
    for first in range(0, len(chained) - span, span):
        last = min(first + span, len(chained) - 1)
        between = chained[last] @ np.linalg.inv(chained[first])
        direct = _direct(anchors[first], anchors[last], between, size, snap=span == _SPANS[-1])
        correction = direct @ chained[first] @ np.linalg.inv(chained[last])
        for index in range(first + 1, len(chained)):
            share = min(1.0, (index - first) / (last - first))
            # Corrections are small: their shares may be interpolated linearly.
            chained[index] = (np.eye(3) + share * (correction - np.eye(3))) @ chained[index]


def _direct(
    first: "SliceCopy",
    second: "SliceCopy",
    chained: Transform,
    size: tuple[int, int],
    *,
    snap: bool,
) -> Transform:
    """Improve the transform between two slices, unless that correlates worse.

    Args:
        first: copy of the one.
        second: copy of the other.
        chained: from the coordinates of the one to those of the other, full-size pixels.
        size: (width, height) of the slices.
        snap: whether a move that is smaller than its error counts as none.
    """
    rows, columns = first.image.shape
    scale, start = _on_copies(first, chained, size)
    first = first.without(_misfit(first, second, start))
    try:
        correlation, warp = maximise_correlation(first, second, start)
    except cv2.error:
        return chained
    found, copy_size = _square(warp), (columns, rows)
    if snap and _largest_move(found, copy_size) < _NEGLIGIBLE:
        return np.eye(3)
    if _largest_move(found @ np.linalg.inv(_square(start)), copy_size) > _LARGEST_CORRECTION:
        return chained
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(second.image, start, copy_size, flags=flags)
    if cv2.computeECC(first.image, moved, first.valid) >= correlation:
        return chained
    return np.linalg.inv(scale) @ found @ scale


def on_copy(
    copy: "SliceCopy", transform: Transform, size: tuple[float, float]
) -> NDArray[np.float32]:
    """Return (2, 3) a transform between slices of that size as one between their copies."""
    return _on_copies(copy, transform, size)[1]


def _on_copies(
    copy: "SliceCopy", transform: Transform, size: tuple[float, float]
) -> tuple[Transform, NDArray[np.float32]]:
    """Return the scale of a copy of slices of that size, and (2, 3) a transform between copies."""
    rows, columns = copy.image.shape
    scale = np.diag([columns / size[0], rows / size[1], 1.0])
    return scale, (scale @ transform @ np.linalg.inv(scale))[:2].astype(np.float32)


def _square(transform: NDArray[np.float32]) -> Transform:
    return np.vstack([transform, [0.0, 0.0, 1.0]])


def resample(image: NDArray[Any], transform: Transform, place: Place = WHOLE) -> NDArray[Any]:
    """Bring a slice into the reference's geometry; what it does not show is mirrored.

    Args:
        image: (H, W) or (H, W, 3), uint8, uint16, or float32 in [0, 1].
        transform: from the reference's coordinates to the slice's.
        place: the part of the reference that is wanted.

    Returns:
        That part, of the slice's type; a view where nothing has moved.
    """
    height, width = image.shape[:2]
    if _largest_move(transform, (width, height)) < _NEGLIGIBLE:
        return image if place is WHOLE else image[place]
    (top, bottom, _), (left, right, _) = place[0].indices(height), place[1].indices(width)
    moved = transform @ np.array([[1.0, 0.0, left], [0.0, 1.0, top], [0.0, 0.0, 1.0]])
    warped = cv2.warpAffine(
        image,
        moved[:2],
        (right - left, bottom - top),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(
        np.clip(warped, 0.0, 1.0, out=warped) if warped.dtype == np.float32 else warped
    )


def _between(
    earlier: Sequence["SliceCopy"], later: Sequence["SliceCopy"], size: tuple[int, int]
) -> Transform:
    """Transform from the earlier slice's coordinates to the later one's, full-size pixels."""
    transform: Transform = np.eye(3)
    without: Mask | None = None
    for level, (first, second) in enumerate(zip(earlier, later, strict=True)):
        scale, start = _on_copies(first, transform, size)
        try:
            if level == 0:
                warp, without = _register_what_fits(first, second, start)
            else:
                _, warp = maximise_correlation(first.without(without), second, start)
        except cv2.error:
            # Nothing to hold on to (a flat or very blurred slice): keep what is known.
            continue
        found = np.asarray(np.linalg.inv(scale) @ _square(warp) @ scale, np.float64)
        if _largest_move(found, size) < _LARGEST_MOVE * max(size):
            transform = found
    return transform


def _register_what_fits(
    first: "SliceCopy", second: "SliceCopy", start: NDArray[np.float32]
) -> tuple[NDArray[np.float32], Mask | None]:
    """Register the smallest copies of two slices, and find where they do not fit.

    Returns:
        The transform from the first copy to the second, and (h, w) in the first one's coordinates
        where they do not fit; None: nowhere.

    Raises:
        cv2.error: they do not correlate.
    """
    try:
        _, warp = maximise_correlation(first, second, start)
    except cv2.error:
        if _misfit(first, second, start) is None:
            raise
        warp = start
    without = _misfit(first, second, warp)
    if without is None:
        return warp, None
    # What does not fit may have drawn the registration away: without it, and from both sides.
    found = [warp]
    for mask in (without, _misfit(first, second, start)):
        try:
            found.append(maximise_correlation(first.without(mask), second, start)[1])
        except cv2.error:
            continue
    best = min(found, key=lambda each: residual(*_registered(first, second, each)))
    return best, _misfit(first, second, best)


def _misfit(first: "SliceCopy", second: "SliceCopy", warp: NDArray[np.float32]) -> Mask | None:
    """Where two copies do not fit, (h, w) of a copy of `SIDE` pixels of the first one."""
    return misfit(*_registered(first, second, warp))


def _registered(
    first: "SliceCopy", second: "SliceCopy", warp: NDArray[np.float32]
) -> tuple[Image, Image, Mask]:
    """Two copies in the geometry of the first one, and where both hold data; `SIDE` pixels wide."""
    size = first.image.shape[::-1]
    moved = cv2.warpAffine(second.image, warp, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    held = np.full(second.image.shape, 1, np.uint8) if second.valid is None else second.valid
    common = cv2.warpAffine(held, warp, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    if first.valid is not None:
        common = cv2.bitwise_and(common, first.valid)
    a, b, where = (_shrunk(each, SIDE) for each in (first.image, np.asarray(moved), common))
    return a, b, where > 0.99


@dataclass(frozen=True)
class SliceCopy:
    """A small copy of a slice.

    Attributes:
        image: (h, w).
        valid: (h, w) uint8, 0 where it holds no data; None: it holds data everywhere.
    """

    image: Image
    valid: NDArray[np.uint8] | None

    @classmethod
    def of(cls, gray: NDArray[Any], valid: NDArray[np.bool_] | None, side: int) -> "SliceCopy":
        """Return a copy whose longer side is `side` pixels at most."""
        image = _shrunk(gray, side)
        if valid is None:
            return cls(image, None)
        share = cv2.resize(
            valid.astype(np.uint8), image.shape[::-1], interpolation=cv2.INTER_NEAREST
        )
        # Smoothing carries what lies beneath across the border.
        kernel = np.ones((_SMOOTHING, _SMOOTHING), np.uint8)
        return cls(image, np.asarray(cv2.erode(share, kernel), np.uint8))

    def without(self, area: Mask | None) -> "SliceCopy":
        """Return the copy, which holds no data in an area (h, w), of any size; None: no area."""
        if area is None:
            return self
        size = self.image.shape[::-1]
        kept = cv2.resize((~area).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        return SliceCopy(self.image, kept if self.valid is None else kept & self.valid)


def maximise_correlation(
    first: SliceCopy, second: SliceCopy, start: NDArray[np.float32]
) -> tuple[float, NDArray[np.float32]]:
    """Improve the transform from the first copy to the second where both hold data.

    Raises:
        cv2.error: they do not correlate.
    """
    mask = second.valid
    if first.valid is not None:
        # In the coordinates of the second copy, as far as the transform is known.
        size = second.image.shape[::-1]
        moved = cv2.warpAffine(first.valid, start, size, flags=cv2.INTER_NEAREST)
        mask = np.asarray(moved if mask is None else cv2.bitwise_and(mask, moved), np.uint8)
    correlation, found = cv2.findTransformECC(
        first.image, second.image, start.copy(), cv2.MOTION_AFFINE, _CRITERIA, mask, _SMOOTHING
    )
    return float(correlation), np.asarray(found, np.float32)


def _largest_move(transform: Transform, size: tuple[int, int]) -> float:
    width, height = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    moved = corners @ transform.T
    return float(np.hypot(*(moved - corners)[:, :2].T).max())


def _shrunk(gray: NDArray[Any], side: int) -> Image:
    scale = side / max(gray.shape)
    if scale >= 1.0:
        return gray.astype(np.float32, copy=False)
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    return np.asarray(
        cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
    )
