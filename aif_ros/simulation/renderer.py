"""Renders the sensor image of a scene: defocus with occlusion, focus breathing, noise, 8 bit.

The scene is cut into layers of equal focus position, each spread by its own disk in linear light
and laid over the ones behind it, nearest first: a layer covers what its spread light covers, and
the layers behind fill what is left (additive composition of partial occlusion as in Kraus &
Strengert, "Depth-of-Field Rendering by Pyramidal Image Processing", Eurographics 2007). Behind
the blurred edge of a near object the background shows, so each pixel beside a nearer object also
has a hidden surface: the nearest visible patch of what lies farther away, smoothed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from aif_ros.optics.breathing import magnify
from aif_ros.optics.lens_model import LensModel
from aif_ros.optics.psf import Aperture
from aif_ros.optics.pupil import PointSpread
from aif_ros.types.image import DISPLAY_GAMMA, Image, to_uint8

if TYPE_CHECKING:  # scenes import the renderer
    from aif_ros.simulation.scenes.scene import SceneView

Planes = NDArray[np.float32]


@dataclass(frozen=True)
class RenderSettings:
    """Chosen by hand, so that an image differs little from one rendered with finer settings.

    Attributes:
        spacing_growth: layers lie one pixel of blur radius apart near focus, and farther apart with
            growing blur: their spacing is sqrt(1 + (growth * radius)^2).
        few_levels: a scene of so few different focus positions gets a layer for each of them.
        max_direct_radius: up to this blur radius, pixels, a direct convolution is faster than
            Fourier transforms.
        min_coarse_radius: from this blur radius, pixels, half the resolution changes the image by
            less than half an 8-bit step.
        edge: step of focus position, pixels of blur radius, that is the edge of an object.
        hidden_steps: steps of depth behind which hidden surfaces are looked for.
        hidden_smoothing: standard deviation, pixels, of the average of their colours.
        noise_starts: number of places where pieces of the store of noise may start.
    """

    spacing_growth: float = 0.15
    few_levels: int = 24
    max_direct_radius: float = 5.0
    min_coarse_radius: float = 8.0
    edge: float = 2.5
    hidden_steps: int = 6
    hidden_smoothing: float = 2.0
    noise_starts: int = 1 << 18


_SETTINGS = RenderSettings()


class Renderer:
    """Renders one still view through a lens.

    Args:
        view: the scene, sharp; its shift is left to the caller.
        lens_model: the lens.
        spread: its point-spread function; default: a disk.

    Raises:
        ValueError: image and focus positions differ in size, or focus positions are not finite.
    """

    def __init__(
        self, view: "SceneView", lens_model: LensModel, spread: PointSpread | None = None
    ) -> None:
        if view.image.shape[:2] != view.focus_position.shape:
            raise ValueError(
                f"image {view.image.shape[:2]} and focus positions {view.focus_position.shape} "
                "must have the same size"
            )
        if not np.isfinite(view.focus_position).all():
            raise ValueError("focus positions must all be finite")
        self._lens_model = lens_model
        self._point_spread = spread
        self._height, self._width = view.image.shape[:2]
        self._shape = view.image.shape
        self._gain = lens_model.blur_gain(self._width)
        lowest, highest = float(view.focus_position.min()), float(view.focus_position.max())
        low, high = lens_model.limits
        reach = max(abs(high - lowest), abs(highest - low)) * self._gain
        # Light comes in from beyond the edges: the image is mirrored out as far as blur reaches.
        pad = self._pad = min(int(np.ceil(reach)) + 2, min(self._height, self._width) - 1)
        linear = np.clip(view.image, 0.0, 1.0) ** np.float32(DISPLAY_GAMMA)
        linear = cv2.copyMakeBorder(linear, pad, pad, pad, pad, cv2.BORDER_REFLECT_101)
        self._front: NDArray[np.float32] = cv2.copyMakeBorder(
            view.focus_position, pad, pad, pad, pad, cv2.BORDER_REFLECT_101
        )
        # (C, H, W) of what is visible and (C, N) of the hidden surface, nearest first.
        self._colour = np.ascontiguousarray(
            np.moveaxis(linear.reshape(*self._front.shape, -1), -1, 0)
        )
        where, source = _hidden_surface(self._front, _SETTINGS.edge / self._gain, pad)
        order = np.argsort(-self._front.ravel()[source])
        where, source = where[order], source[order]
        self._hidden_rows, self._hidden_columns = np.divmod(where, self._front.shape[1])
        self._hidden_focus = self._front.ravel()[source]
        colour = self._colour.reshape(len(self._colour), -1)[:, source]
        self._hidden_colour = _smoothed(colour, where, self._front.shape)
        # Focus positions from near to far, where they are few, and each pixel's place among them.
        levels = np.unique(self._front)[::-1]
        self._levels = levels if len(levels) <= _SETTINGS.few_levels else None
        if self._levels is not None:
            self._level_places = _index_among(levels, self._front)
            self._hidden_level_places = _index_among(levels, self._hidden_focus)

    def render(self, position: float) -> Image:
        """Return the noise-free image, same shape as the view's, with the lens at `position`."""
        light = np.zeros_like(self._colour)
        uncovered = np.ones_like(self._front)
        for rows, columns, spread in self._layers(position):
            below = uncovered[rows, columns]
            coverage = np.maximum(spread[-1], 1e-6)
            share = np.minimum(coverage, below)
            below -= share
            light[:, rows, columns] += spread[:-1] * (share / coverage)
        light /= np.maximum(1.0 - uncovered, 1e-6)
        pad = self._pad
        inner = light[:, pad : pad + self._height, pad : pad + self._width]
        linear = np.ascontiguousarray(np.moveaxis(inner, 0, -1)).reshape(self._shape)
        encoded = np.maximum(linear, 0.0) ** np.float32(1.0 / DISPLAY_GAMMA)
        # Interpolated as encoded: in linear light the overshoot beside highlights turns black.
        image = magnify(encoded, self._lens_model.magnification(position))
        return np.clip(image, 0.0, 1.0)

    def _layers(self, position: float) -> Iterator[tuple[slice, slice, Planes]]:
        """Cut the scene into layers of about equal blur and spread their light.

        Yields:
            Nearest first: rows and columns of the padded image, and there (C + 1, h, w) linear
            colour times coverage, and coverage.
        """
        place, hidden_place, blurs = self._places(position)
        # A pixel between two layers belongs to both, in shares that add up to 1.
        boxes = ndimage.find_objects(place.astype(np.int32) + 1, len(blurs))
        for index, blur in enumerate(blurs):
            hidden = slice(*np.searchsorted(hidden_place, (index - 1, index + 1), "right"))
            reach = int(np.ceil(abs(blur))) + 1
            box = self._box(boxes[max(index - 1, 0) : index + 1], hidden, reach)
            if box is None:
                continue
            coverage = _share(place[box], index)
            planes = np.empty((len(self._colour) + 1, *coverage.shape), np.float32)
            np.multiply(self._colour[:, *box], coverage, out=planes[:-1])
            planes[-1] = coverage
            share = _share(hidden_place[hidden], index)
            rows = self._hidden_rows[hidden] - box[0].start
            columns = self._hidden_columns[hidden] - box[1].start
            planes[:-1, rows, columns] += self._hidden_colour[:, hidden] * share
            planes[-1, rows, columns] += share
            if self._point_spread is None:
                yield *box, _spread(planes, abs(float(blur)))
            else:
                transfer = self._point_spread.transfer_function
                yield *box, _transformed(planes, transfer, float(blur))

    def _places(
        self, position: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Order all surfaces from near to far in a coordinate with a layer at each integer.

        Returns:
            (H, W) place of the visible surface, >= 0; (N,) places of the hidden ones; and (L,)
            signed blur radii of the layers, pixels, as of `LensModel.blur_radius`.
        """
        gain = np.float32(self._gain)
        if self._levels is not None:
            level_blurs = (np.float32(position) - self._levels) * gain
            return self._level_places, self._hidden_level_places, level_blurs
        growth = np.float32(_SETTINGS.spacing_growth)
        place, hidden = (
            np.arcsinh(growth * gain * (np.float32(position) - focus)) / growth
            for focus in (self._front, self._hidden_focus)
        )
        first = np.floor(place.min())
        layers = np.arange(first, np.floor(place.max()) + 2, dtype=np.float32)
        blurs = np.sinh(growth * layers) / growth
        return place - first, hidden - first, blurs.astype(np.float32)

    def _box(
        self, boxes: list[tuple[slice, slice] | None], hidden: slice, reach: int
    ) -> tuple[slice, slice] | None:
        """Return the rows and columns that hold a layer and `reach` pixels around it."""
        spans = []
        ends = [box for box in boxes if box is not None]
        for axis, indices in enumerate((self._hidden_rows[hidden], self._hidden_columns[hidden])):
            starts = [box[axis].start for box in ends]
            stops = [box[axis].stop for box in ends]
            if indices.size:
                starts.append(int(indices.min()))
                stops.append(int(indices.max()) + 1)
            if not starts:
                return None
            stop = min(max(stops) + reach, self._front.shape[axis])
            spans.append(slice(max(min(starts) - reach, 0), stop))
        return spans[0], spans[1]


def _index_among(levels: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Index of each value among `levels`, which descend."""
    indices = np.searchsorted(-levels, -values.ravel())
    return indices.reshape(values.shape).astype(np.float32)


def _share(place: NDArray[np.float32], index: int) -> NDArray[np.float32]:
    """Share in layer `index` of what lies at `place`."""
    return np.asarray(np.maximum(1.0 - np.abs(place - np.float32(index)), np.float32(0.0)))


def _spread(planes: Planes, radius: float) -> Planes:
    """Return the planes (C, h, w), their light spread over a disk of `radius` pixels.

    Light beyond the border is lost, so there must be nothing within `radius` of it, or what
    becomes of the border must not matter.
    """
    if radius <= _SETTINGS.max_direct_radius:
        kernel = Aperture().kernel(radius)
        for plane in planes:
            cv2.filter2D(plane, -1, kernel, dst=plane, borderType=cv2.BORDER_CONSTANT)
        return planes
    height, width = planes.shape[1:]
    if radius < _SETTINGS.min_coarse_radius:
        return _transformed(planes, Aperture().transfer_function, radius)
    odd = (0, height % 2, 0, width % 2)
    halves = (-(-height // 2), -(-width // 2))
    coarse = np.stack(
        [
            cv2.resize(
                cv2.copyMakeBorder(plane, *odd, cv2.BORDER_CONSTANT),
                halves[::-1],
                interpolation=cv2.INTER_AREA,
            )
            for plane in planes
        ]
    )
    spread = _transformed(coarse, _half_transfer_function, radius / 2)
    size = (2 * halves[1], 2 * halves[0])
    fine = np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC) for plane in spread])
    return fine[:, :height, :width]


def _half_transfer_function(radius: float, shape: tuple[int, int]) -> NDArray[np.float32]:
    """That of the round aperture, and the inverse of averaging two by two pixels to one."""
    # Averaging two pixels has the transfer function cos(pi f), f in cycles per fine pixel.
    vertical = np.cos(np.pi / 2 * np.fft.fftfreq(shape[0])).astype(np.float32)[:, None]
    horizontal = np.cos(np.pi / 2 * np.fft.rfftfreq(shape[1])).astype(np.float32)
    return np.asarray(Aperture().transfer_function(radius, shape) / (vertical * horizontal))


def _transformed(
    planes: Planes,
    transfer_function: Callable[
        [float, tuple[int, int]], NDArray[np.float32] | NDArray[np.complex64]
    ],
    radius: float,
) -> Planes:
    """Return the planes (C, h, w), spread by way of the Fourier transform."""
    height, width = planes.shape[1:]
    # It joins opposite ends: what spreads over one must not arrive at the other.
    gap = int(np.ceil(abs(radius)))
    shape = (
        int(fft.next_fast_len(height + gap)),
        int(fft.next_fast_len(width + gap, real=True)),
    )
    spectrum = fft.rfft2(planes, s=shape, workers=2)
    spread = fft.irfft2(spectrum * transfer_function(radius, shape), s=shape, workers=2)
    return np.asarray(spread[:, :height, :width])


def _hidden_surface(
    front: NDArray[np.float32], step: float, reach: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Estimate what lies behind the rim of near objects: the nearest visible patch.

    Args:
        front: (H, W) focus positions of what is visible, metres; nearer is higher.
        step: smallest difference of focus position that counts as an edge of an object.
        reach: pixels from the edge that blur can uncover.

    Returns:
        (N,) flat indices of pixels that have a hidden surface, and (N,) flat indices of the visible
        pixels whose focus position and colour it takes.
    """
    hidden_by_pixel = np.full(front.size, -1, np.int64)
    around = cv2.dilate(front, np.ones((7, 7), np.uint8))
    beside = cv2.dilate(front, np.ones((3, 3), np.uint8))
    # The outermost pixel beside an edge mixes the colours of both sides: look a little farther.
    rim = (around - front > step) & (beside - front <= step)
    lowest, highest = float(front.min()), float(front.max())
    levels = np.linspace(lowest, max(highest - step, lowest), _SETTINGS.hidden_steps + 1)
    for level, next_level in pairwise(levels):
        farther = rim & (front <= level)
        if not farther.any():
            continue
        distance, labels = cv2.distanceTransformWithLabels(
            np.where(farther, 0, 255).astype(np.uint8),
            cv2.DIST_L2,
            5,
            labelType=cv2.DIST_LABEL_PIXEL,
        )
        index_of_label = np.zeros(int(labels.max()) + 1, np.int64)
        index_of_label[labels[farther]] = np.flatnonzero(farther)
        top = np.inf if next_level == levels[-1] else next_level + step
        band = (front > level + step) & (front <= top) & (distance <= reach)
        hidden_by_pixel[band.ravel()] = index_of_label[labels[band]]
    where = np.flatnonzero(hidden_by_pixel >= 0)
    return where, hidden_by_pixel[where]


def _smoothed(
    colour: NDArray[np.float32], where: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Return colours (C, N) at flat indices `where`, each an average over those around it.

    What is hidden is an estimate: sharp edges in it would be false ones.
    """

    def spread(values: NDArray[np.float32] | float) -> NDArray[np.float32]:
        plane = np.zeros(shape, np.float32)
        plane.ravel()[where] = values
        return np.asarray(
            cv2.GaussianBlur(plane, (0, 0), _SETTINGS.hidden_smoothing).ravel()[where]
        )

    return np.stack([spread(channel) for channel in colour]) / spread(1.0)


@dataclass(frozen=True)
class SensorNoise:
    """Noise of a sensor, as shares of full scale in the encoded image.

    Attributes:
        read: standard deviation of the noise everywhere.
        shot: standard deviation of the shot noise at full scale. On linear light x it goes
            with sqrt(x), so on encoded values with encoded ** (1 - DISPLAY_GAMMA / 2).
    """

    read: float = 1.5 / 255
    shot: float = 0.5 / 255

    def deviation(self, encoded: NDArray[np.floating]) -> NDArray[np.float32]:
        """Standard deviation of the noise at encoded values in (0, 1], as a share of full scale."""
        return np.asarray(
            np.hypot(self.read, self.shot * encoded ** (1 - DISPLAY_GAMMA / 2)).astype(np.float32)
        )


class Sensor:
    """Turns noise-free images into noisy 8-bit ones.

    Args:
        noise: how noisy.
        seed: of the noise.
    """

    def __init__(self, noise: SensorNoise | None = None, seed: int = 0) -> None:
        noise = SensorNoise() if noise is None else noise
        self._random = np.random.default_rng(seed)
        self._deviation = noise.deviation(np.maximum(np.arange(256), 1) / 255)
        self._store = np.zeros(0, np.float32)

    def expose(self, image: Image) -> NDArray[np.uint8]:
        """Return `image` as uint8 with fresh noise, same shape."""
        # Drawing new noise takes longer than all else: each image gets another piece of a
        # store instead.
        if self._store.size < image.size + _SETTINGS.noise_starts:
            size = image.size + _SETTINGS.noise_starts
            self._store = self._random.standard_normal(size, dtype=np.float32)
        start = int(self._random.integers(_SETTINGS.noise_starts))
        noise = self._store[start : start + image.size].reshape(image.shape)
        return to_uint8(image + noise * cv2.LUT(to_uint8(image), self._deviation))


def render(view: "SceneView", lens_model: LensModel, position: float) -> Image:
    """Return what the lens at `position` (metres) images of `view`, without noise."""
    return Renderer(view, lens_model).render(position)
