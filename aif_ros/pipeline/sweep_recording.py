"""Records a focal sweep with a camera and a lens, to calibrate the lens from it."""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from aif_ros.calibration.sweep_calibration import (
    LensCalibration,
    UndeterminedError,
    calibrate_sweep,
)
from aif_ros.defocus.patch_blur import PatchEstimator
from aif_ros.defocus.sharpness import tenengrad
from aif_ros.devices.device import DeviceError
from aif_ros.pipeline.rest_watch import RestWatch
from aif_ros.pipeline.rig import Rig
from aif_ros.types.frame import Frame, Window
from aif_ros.types.image import Image, to_float, to_gray


@dataclass(frozen=True)
class RecordingSettings:
    """How sweeps are recorded and their images judged. Chosen by hand.

    Attributes:
        sweeps: sweeps at most.
        zoom: share of the span of a sweep that the next one spans, about its sharpest slice.
        change: an image has changed if it differs from another by more than this times what two
            images at one lens position differ by (noise, flicker).
        texture: an image shows texture if its contrast is more than this times its noise.
        watched: seconds for which images are watched after a move: network streams come up to a
            second late.
        least_watched: images watched at least, where they take longer.
        late: images are late if they differ from the last one by more than this share of what the
            move changes: more than flicker does.
    """

    sweeps: int = 3
    zoom: float = 0.25
    change: float = 1.5
    texture: float = 3.0
    watched: float = 2.0
    least_watched: int = 4
    late: float = 0.1


SETTINGS = RecordingSettings()


@dataclass(frozen=True)
class Sweep:
    """Images at ascending lens positions.

    Attributes:
        images: (H, W) or (H, W, 3), float32 in [0, 1].
        positions: of each, metres.
    """

    images: Sequence[Image]
    positions: Sequence[float]

    @property
    def sharpest(self) -> int:
        """Index of the sharpest image."""
        return int(np.argmax([tenengrad(to_gray(image)) for image in self.images]))


def record_sweep(
    rig: Rig,
    limits: tuple[float, float],
    slices: int,
    on_frame: Callable[[Frame], None] = lambda frame: None,
    *,
    known_to_move: bool = False,
) -> Sweep:
    """Record a sweep from below, so that backlash does not matter.

    Args:
        rig: camera and lens.
        limits: first and last position, metres.
        slices: number of images, equally spaced.
        on_frame: called with each frame.
        known_to_move: whether images of a longer sweep have changed; those of a short one need not,
            near focus.

    Raises:
        DeviceError: a device fails, or the lens reports motion that the image does not show.
    """
    images: list[Image] = []
    positions: list[float] = []
    for position in np.linspace(*limits, slices):
        if images or known_to_move:
            frame = _frame_at(rig, float(position))
        else:
            rig.send(float(position))
            # The last two: first images may come late, and show the lens elsewhere.
            before, frame = deque(_watched(rig, rig.settle().stamp), 2)
            again = to_float(before.image)
        on_frame(frame)
        images.append(to_float(frame.image))
        positions.append(frame.position)
    if not all(after > before for before, after in pairwise(positions)):
        raise DeviceError(
            f"the lens did not take {slices} different positions between {limits[0]:g} and "
            f"{limits[1]:g} m: sweep a longer range, or with fewer slices"
        )
    if not known_to_move:
        require_change(images, again, (positions[0], positions[-1]))
    return Sweep(images, positions)


def record_return(
    rig: Rig, positions: Sequence[float], on_frame: Callable[[Frame], None] = lambda frame: None
) -> Sweep:
    """Record the positions of a sweep from above, to measure the backlash of the motor.

    Args:
        rig: camera and lens.
        positions: of the sweep upwards, metres, ascending.
        on_frame: called with each frame.

    Raises:
        DeviceError: a device fails.
    """
    # From beyond the last one, as far as the lens goes, so that each is reached downwards.
    rig.send(min(rig.limits[1], 2 * positions[-1] - positions[-2]))
    rig.settle()
    frames = []
    for position in reversed(positions):
        frames.append(_frame_at(rig, position))
        on_frame(frames[-1])
    frames.reverse()
    return Sweep([to_float(frame.image) for frame in frames], list(positions))


def require_change(images: Sequence[Image], again: Image, positions: tuple[float, float]) -> None:
    """Check that the images show the motion of the lens.

    Args:
        images: of a sweep.
        again: a second image at the position of the first.
        positions: lens positions of the first and last, metres, as the lens reports them.

    Raises:
        DeviceError: no image differs from the first one more than the second one there does.
    """
    first = to_gray(images[0])
    noise = _difference(first, to_gray(again))
    change = max(_difference(first, to_gray(image)) for image in images[1:])
    if change > SETTINGS.change * noise:
        return
    contrast = max(float(np.std(image) / max(image.mean(), 1e-6)) for image in images)
    if contrast < SETTINGS.texture * noise:
        raise DeviceError(
            "the images show nothing but noise: light the scene, or take one with texture"
        )
    raise DeviceError(
        f"the lens reports that it moved from {positions[0]:g} to {positions[1]:g} m, but the "
        "image has not changed: see that its motor turns the focus ring, that automatic focus "
        "is off, and that this camera looks through this lens, or sweep a longer range"
    )


def require_prompt_images(rig: Rig, sweep: Sweep) -> None:
    """Check that images show the lens where it is, once it reports to be at rest.

    Images of a camera whose driver does not stamp them (a network stream) arrive some time after
    their exposure: those that arrive first after a move show the lens before. Optics may also
    vibrate longer than the lens reports.

    Args:
        rig: camera and lens; the lens is at the last position of the sweep, and is moved.
        sweep: what the images show where.

    Raises:
        DeviceError: images still change when the lens is at rest; or a device fails.
    """
    slices = [_thinned(image) for image in sweep.images]
    changes = [_difference(slices[-1], each) for each in slices]
    target = int(np.argmax(changes))
    rig.send(sweep.positions[target])
    rest = rig.settle().stamp
    frames = [(each.stamp, _thinned(to_float(each.image))) for each in _watched(rig, rest)]
    stamps, images = zip(*frames, strict=True)
    differences = [_difference(image, images[-1]) for image in images]
    least = max(SETTINGS.change * max(differences[-3:-1]), SETTINGS.late * changes[target])
    late = [index for index, each in enumerate(differences) if each > least]
    if late:
        seconds = math.ceil(10 * 1.25 * (stamps[late[-1] + 1] - rest) * 1e-9) / 10
        raise DeviceError(
            f"the image still changes when the lens reports to be at rest, for up to "
            f"{(stamps[late[-1]] - rest) * 1e-9:.2g} s: the images come late (a network stream) or "
            f"the lens vibrates; make settling_time in the URI of the lens {seconds:g} s longer "
            "(or the scene moves: keep it still)"
        )


def _watched(rig: Rig, rest: int) -> Iterator[Frame]:
    """Yield the frames of a while after the lens has come to rest, at `rest` (nanoseconds)."""
    frame = _still_frame(rig)
    yield frame
    count = 1
    while count < SETTINGS.least_watched or frame.stamp - rest < SETTINGS.watched * 1e9:
        frame = rig.frame()
        yield frame
        count += 1


def _thinned(image: Image) -> Image:
    """Return some pixels of an image in gray, with the noise of single pixels."""
    step = max(1, image.shape[1] // 256)
    return to_gray(image[::step, ::step])


def calibrate_live(
    rig: Rig,
    limits: tuple[float, float],
    slices: int = 15,
    estimator: PatchEstimator | None = None,
    near: Window | None = None,
    on_sweep: Callable[[Sweep], None] = lambda sweep: None,
    on_frame: Callable[[Frame], None] = lambda frame: None,
) -> LensCalibration:
    """Calibrate a lens by sweeps that close in on focus until they determine it.

    Args:
        rig: camera and lens; the scene must be flat, textured and still.
        limits: positions to sweep, metres.
        slices: images of each sweep.
        estimator: see `calibrate_sweep`.
        near: see `calibrate_sweep`.
        on_sweep: called with each sweep.
        on_frame: called with each frame.

    Raises:
        UndeterminedError: no sweep determines the lens; the message says why.
        DeviceError: a device fails, or the images show a move later than the lens reports its end.
    """
    low, high = limits
    for attempt in range(SETTINGS.sweeps):
        sweep = record_sweep(rig, (low, high), slices, on_frame, known_to_move=attempt > 0)
        on_sweep(sweep)
        if attempt == 0:
            require_prompt_images(rig, sweep)
        try:
            return calibrate_sweep(sweep.images, list(sweep.positions), estimator, near)
        except UndeterminedError:
            if attempt == SETTINGS.sweeps - 1:
                raise
        middle, half = sweep.positions[sweep.sharpest], 0.5 * SETTINGS.zoom * (high - low)
        low, high = max(limits[0], middle - half), min(limits[1], middle + half)
    raise AssertionError("the loop returns or raises")


def _frame_at(rig: Rig, position: float) -> Frame:
    """Return a frame exposed with the lens at rest at `position` (metres)."""
    rig.send(position)
    rig.settle()
    return _still_frame(rig)


def _still_frame(rig: Rig) -> Frame:
    """Return the next frame exposed with the lens at rest."""
    watch = RestWatch()
    while not watch.at_rest(frame := rig.frame()):
        pass
    return frame


def _difference(first: Image, second: Image) -> float:
    """Standard deviation between two gray images, brightness aside."""
    return float(np.std(first / max(first.mean(), 1e-6) - second / max(second.mean(), 1e-6)))
