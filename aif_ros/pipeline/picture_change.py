"""Detects, in the images, a lens that does not move as it reports."""

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.direction_watch import DirectionWatch
from aif_ros.types.frame import Frame
from aif_ros.types.image import Image, to_float, to_gray

STRUCTURE = 1.3
"""Largest ratio of a difference after and before smoothing that still is noise. Smoothing over n
pixels divides white noise by sqrt(n), which gives 1; the change of a blur gives 2 or more."""
VISIBLE = 6.0
"""Travel after which a picture must have changed if it shows anything, half depths of focus."""
STUCK = (
    "the lens reports motion, but the picture does not change: see that its motor turns the focus "
    "ring and that this camera looks through this lens"
)
"""What to say of such a lens."""
ALIKE = (
    "the slices differ by noise only, so that none is known to be sharper: are they copies of one "
    "picture, or dithered to a few grey levels?"
)
"""What to say of recorded slices, which no motor has to do with."""
SIDE = 3
"""Side of the smoothing window, pixels."""
_LARGE_SIDE = 9
"""Side of a larger window, pixels: a change of blur that is as weak as the noise of each pixel."""
# Standard deviation, pixels, of what counts as shading rather than texture.
_COARSE = 8.0
# Share of the cells with a reading from which on a picture counts as textured: one without texture
# never changes.
_TEXTURED = 0.05


def differs_by_noise_only(first: Image, second: Image) -> bool:
    """Whether two pictures show the same, noise and brightness aside.

    Args:
        first: (H, W) or (H, W, 3), float32 in [0, 1].
        second: of the same shape.

    Example:
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> scene = cv2.GaussianBlur(random.random((64, 64), np.float32), (0, 0), 2.0)
        >>> noise = random.normal(0, 0.01, (64, 64)).astype(np.float32)
        >>> differs_by_noise_only(scene, scene + noise)
        True
        >>> differs_by_noise_only(scene, cv2.GaussianBlur(scene, (0, 0), 3.0))
        False
    """
    grays = to_gray(first), to_gray(second)
    a, b = (gray / max(float(gray.mean()), 1e-6) for gray in grays)
    difference = a - b
    difference -= difference.mean()
    before = float(difference.std())
    if before == 0:
        return True
    for side in (SIDE, _LARGE_SIDE):
        smoothed = cv2.blur(difference, (side, side))[side:-side, side:-side]
        if smoothed.size and side * float(smoothed.std()) > STRUCTURE * before:
            return False
    return True


def is_textured(image: Image) -> bool:
    """Whether an image, (H, W) or (H, W, 3), float32 in [0, 1], shows more than noise.

    Example:
        >>> import numpy as np
        >>> noise = np.random.default_rng(0).normal(0.5, 0.01, (64, 64)).astype(np.float32)
        >>> is_textured(noise), is_textured(cv2.GaussianBlur(noise, (0, 0), 2.0))
        (False, True)
    """
    gray = to_gray(image)
    # Shading, which no blur changes, does not count.
    detail = gray - cv2.GaussianBlur(gray, (0, 0), _COARSE)
    smoothed = cv2.blur(detail, (SIDE, SIDE))[SIDE:-SIDE, SIDE:-SIDE]
    return SIDE * float(smoothed.std()) > STRUCTURE * float(detail.std())


class PictureChange:
    """Compares the first picture with all others.

    One difference is enough: at two positions on either side of its focus, a flat object looks the
    same.
    """

    def __init__(self) -> None:
        self._first: tuple[float, Image] | None = None
        self._changed = False
        self.missing = False
        """Whether all pictures differ by noise only, and one was taken far from the first."""

    def add(self, position: float, image: NDArray[np.generic], travel: float) -> None:
        """Add a picture.

        Args:
            position: where it was captured, metres.
            image: (H, W) or (H, W, 3).
            travel: after which a picture must have changed, metres.
        """
        if self._changed:
            return
        if self._first is None:
            self._first = (position, to_gray(to_float(image)))
        else:
            self._changed = not differs_by_noise_only(self._first[1], to_gray(to_float(image)))
            far = abs(position - self._first[0]) > travel
            self.missing = not self._changed and (self.missing or far)

    @property
    def undecided(self) -> bool:
        """Whether no picture has differed, and none was taken far from the first."""
        return not (self._changed or self.missing or self._first is None)

    @property
    def first_position(self) -> float:
        """Where the first picture was captured, metres; only where there is one."""
        assert self._first is not None
        return self._first[0]

    @property
    def textured(self) -> bool:
        """Whether the first picture shows more than noise; one without texture never changes."""
        return self._first is not None and is_textured(self._first[1])


class PictureWatch:
    """Finds, in the frames of a loop, a lens that does not move, or moves the other way.

    Args:
        lens_model: of the lens.
    """

    def __init__(self, lens_model: LensModel) -> None:
        self._lens_model = lens_model
        self._change = PictureChange()
        self._direction = DirectionWatch(lens_model)

    def add(self, frame: Frame, maps: DefocusMaps, *, dynamic: bool) -> None:
        """Add a frame and its maps.

        Args:
            frame: captured with the lens at rest.
            maps: of the frame.
            dynamic: whether camera or scene may move: a camera that comes closer also makes the
                picture grow.
        """
        if not dynamic:
            self._direction.add(frame)
        if np.isfinite(maps.distance).mean() > _TEXTURED:
            travel = VISIBLE * self._lens_model.half_depth_of_focus(frame.size[0])
            self._change.add(frame.position, frame.image, travel)

    @property
    def fault(self) -> str:
        """Why the loop must not count as complete, for people; empty: no reason."""
        return STUCK if self._change.missing else self._direction.fault
