"""What the sensor sees of a scene: defocus with occlusion, focus breathing, noise, 8 bit.

The scene is cut into layers of equal focus position, each spread by its own disk in linear light
and laid over the ones behind it, nearest first: a layer covers what its spread light covers, and
the layers behind fill what is left (additive composition of partial occlusion as in Kraus &
Strengert, "Depth-of-Field Rendering by Pyramidal Image Processing", Eurographics 2007). Behind
the blurred edge of a near object the background shows, so each pixel beside a nearer object also
has a hidden surface: the nearest visible patch of what lies farther away.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from aif_ros.images import DISPLAY_GAMMA, Image, to_uint8
from aif_ros.optics.lens_model import LensModel
from aif_ros.optics.psf import Aperture

if TYPE_CHECKING:  # scenes know optics, not the reverse
    from aif_ros.scenes.scene import SceneView

# Layers so close that the blur of neighbours differs by no more than this, pixels of radius.
_LAYER_SPACING = 1.25
_MAX_LAYERS = 32
# A disk of this radius, pixels, stays within its pixel.
_SHARP = 0.3
# Up to this radius, pixels, a direct convolution is faster than Fourier transforms.
_DIRECT = 3.0
# The hidden surfaces are looked for behind this many steps of depth.
_HIDDEN_STEPS = 6


def magnify(image: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Scale an image (H, W, ...) about its centre; its size stays, edges are mirrored."""
    if scale == 1.0:
        return image
    height, width = image.shape[:2]
    matrix = np.array(
        [
            [scale, 0.0, (1.0 - scale) * (width - 1) / 2],
            [0.0, scale, (1.0 - scale) * (height - 1) / 2],
        ]
    )
    return cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    ).astype(np.float32, copy=False)


class _Layer:
    """One layer of the scene, cut to where there is something in it.

    Args:
        focus_position: metres.
        rows, columns: where it lies in the padded image.
        planes: (C + 1, h, w) float32, linear colour channels times coverage, and the coverage.
    """

    def __init__(
        self, focus_position: float, rows: slice, columns: slice, planes: NDArray[np.float32]
    ) -> None:
        self.focus_position = focus_position
        self.rows, self.columns = rows, columns
        self._planes = planes
        self._spectrum: NDArray[np.complexfloating] | None = None

    def spread(self, radius: float) -> NDArray[np.float32]:
        """Return the planes, their light spread over a disk of `radius` pixels, (C + 1, h', w').

        The result may be larger than the layer's place, to the right and below.
        """
        if radius < _SHARP:
            return self._planes
        if radius < _DIRECT:
            interleaved = np.ascontiguousarray(np.moveaxis(self._planes, 0, -1))
            kernel = Aperture().kernel(radius)
            blurred = cv2.filter2D(interleaved, -1, kernel, borderType=cv2.BORDER_CONSTANT)
            return np.moveaxis(blurred, -1, 0)
        shape = (self._planes.shape[1], self._planes.shape[2])
        if self._spectrum is None:
            self._spectrum = fft.rfft2(self._planes, workers=2)
        transfer = Aperture().transfer_function(radius, shape)
        return fft.irfft2(self._spectrum * transfer, s=shape, workers=2)


class Renderer:
    """Renders one still view through a lens.

    Args:
        view: the scene, sharp; its shift is left to the caller.
        lens_model: the lens.

    Raises:
        ValueError: image and focus positions differ in size, or focus positions are not finite.
    """

    def __init__(self, view: "SceneView", lens_model: LensModel) -> None:
        if view.image.shape[:2] != view.focus_position.shape:
            raise ValueError(
                f"image {view.image.shape[:2]} and focus positions {view.focus_position.shape} "
                "must have the same size"
            )
        if not np.isfinite(view.focus_position).all():
            raise ValueError("focus positions must all be finite")
        self._lens_model = lens_model
        self._height, self._width = view.image.shape[:2]
        self._shape = view.image.shape
        self._gain = lens_model.blur_gain(self._width)
        lowest, highest = float(view.focus_position.min()), float(view.focus_position.max())
        low, high = lens_model.limits
        reach = max(abs(high - lowest), abs(highest - low)) * self._gain
        # Light comes in from beyond the edges: the picture is mirrored out as far as blur reaches.
        self._pad = min(int(np.ceil(reach)) + 2, min(self._height, self._width) - 1)
        self._layers = self._cut(view)

    def render(self, position: float) -> Image:
        """Return the noise-free image, same shape as the view's, with the lens at `position`."""
        pad = self._pad
        shape = (self._height + 2 * pad, self._width + 2 * pad)
        light = np.zeros((1 if len(self._shape) == 2 else 3, *shape), np.float32)
        uncovered = np.ones(shape, np.float32)
        for layer in self._layers:  # nearest first
            radius = abs(position - layer.focus_position) * self._gain
            place = (layer.rows, layer.columns)
            below = uncovered[place]
            spread = layer.spread(radius)[:, : below.shape[0], : below.shape[1]]
            coverage = np.maximum(spread[-1], 1e-6)
            share = np.minimum(coverage, below)
            light[(slice(None), *place)] += spread[:-1] * (share / coverage)
            below -= share
        light /= np.maximum(1.0 - uncovered, 1e-6)
        inner = light[:, pad : pad + self._height, pad : pad + self._width]
        image = magnify(
            np.ascontiguousarray(np.moveaxis(inner, 0, -1)),
            self._lens_model.magnification(position),
        )
        encoded = cv2.pow(np.clip(image, 0.0, 1.0), 1.0 / DISPLAY_GAMMA)
        return encoded.reshape(self._shape).astype(np.float32, copy=False)

    def _cut(self, view: "SceneView") -> list[_Layer]:
        front = self._padded(view.focus_position)
        lowest, highest = float(front.min()), float(front.max())
        count = int(np.ceil((highest - lowest) * self._gain / _LAYER_SPACING)) + 1
        count = min(count, _MAX_LAYERS)
        spacing = (highest - lowest) / max(count - 1, 1)
        colour = self._padded(cv2.pow(np.clip(view.image, 0.0, 1.0), DISPLAY_GAMMA))
        colour = colour.reshape(*front.shape, -1)
        hidden, source = _hidden_surface(front, 2.5 * max(spacing, 1e-12), self._pad)
        hidden_colour = colour.reshape(-1, colour.shape[2])[source]
        layers = []
        for position in np.linspace(highest, lowest, count):
            coverage = _hat(front, position, spacing)
            hidden_coverage = _hat(hidden, position, spacing)
            both = coverage + hidden_coverage
            rows = self._place(np.any(both, axis=1))
            columns = self._place(np.any(both, axis=0))
            if rows is None or columns is None:
                continue
            place = (rows, columns)
            shape = (self._transform_length(rows, 0), self._transform_length(columns, 1))
            planes = np.zeros((colour.shape[2] + 1, *shape), np.float32)
            inside = planes[:, : rows.stop - rows.start, : columns.stop - columns.start]
            for channel in range(colour.shape[2]):
                inside[channel] = (
                    coverage[place] * colour[(*place, channel)]
                    + hidden_coverage[place] * hidden_colour[(*place, channel)]
                )
            inside[-1] = both[place]
            layers.append(_Layer(float(position), rows, columns, planes))
        return layers

    def _place(self, occupied: NDArray[np.bool_]) -> slice | None:
        """Return the occupied range along one axis and as far around it as blur reaches."""
        where = np.flatnonzero(occupied)
        if not where.size:
            return None
        start = max(int(where[0]) - self._pad, 0)
        return slice(start, min(int(where[-1]) + 1 + self._pad, occupied.size))

    def _transform_length(self, place: slice, axis: int) -> int:
        """Length for the Fourier transform, whose ends meet: light must not leak across them."""
        length = place.stop - place.start
        whole = (self._height, self._width)[axis] + 2 * self._pad
        return int(fft.next_fast_len(length if length == whole else length + self._pad, real=True))

    def _padded(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        pad = self._pad
        padded = cv2.copyMakeBorder(plane, pad, pad, pad, pad, cv2.BORDER_REFLECT_101)
        return padded.astype(np.float32, copy=False)


def _hat(values: NDArray[np.float32], centre: float, spacing: float) -> NDArray[np.float32]:
    """Share of each value in the layer at `centre`; the shares in all layers add up to 1.

    A NaN has no share.
    """
    if spacing == 0.0:
        return np.isfinite(values).astype(np.float32)
    share = 1.0 - np.abs(values - np.float32(centre)) / np.float32(spacing)
    return np.fmax(share, np.float32(0.0))


def _hidden_surface(
    front: NDArray[np.float32], step: float, reach: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Guess what lies behind the rim of near objects.

    Args:
        front: (H, W) focus positions of what is visible, metres; nearer is higher.
        step: smallest difference of focus position that counts as an edge of an object.
        reach: pixels from the edge that blur can uncover.

    Returns:
        (H, W) focus position of the hidden surface, NaN where nothing needs to be known, and
        (H, W) flat index of the visible pixel whose colour it takes.
    """
    hidden = np.full(front.shape, np.nan, np.float32)
    source = np.arange(front.size).reshape(front.shape)
    lowest, highest = float(front.min()), float(front.max())
    if highest - lowest < step:
        return hidden, source
    # A pixel's hidden surface is the nearest one at least a step farther: looked up per band.
    levels = np.linspace(lowest, highest - step, _HIDDEN_STEPS + 1)
    for level, next_level in pairwise(levels):
        farther = front <= level
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
        source[band] = index_of_label[labels[band]]
        hidden[band] = front.ravel()[source[band]]
    return hidden, source


@dataclass(frozen=True)
class SensorNoise:
    """Noise of an 8-bit sensor, as shares of full scale in the encoded image.

    Attributes:
        read: standard deviation of the noise everywhere.
        shot: standard deviation of the light's own noise at full scale; it falls with the
            square root of the linear light.
    """

    read: float = 1.5 / 255
    shot: float = 0.5 / 255


class Sensor:
    """Turns noise-free images into noisy 8-bit ones.

    Args:
        noise: how noisy.
        seed: of the noise.
    """

    def __init__(self, noise: SensorNoise | None = None, seed: int = 0) -> None:
        self._noise = SensorNoise() if noise is None else noise
        self._random = np.random.default_rng(seed)

    def expose(self, image: Image) -> NDArray[np.uint8]:
        """Return `image` as uint8 with fresh noise, same shape."""
        noise = self._random.standard_normal(image.shape, dtype=np.float32)
        # Shot noise on linear light x has deviation ~ sqrt(x); encoding divides by
        # d(x ** (1 / gamma)) / dx, which for gamma near 2 leaves it nearly constant.
        spread = np.float32(np.hypot(self._noise.read, self._noise.shot))
        return to_uint8(image + spread * noise)


def render(view: "SceneView", lens_model: LensModel, position: float) -> Image:
    """Return what the lens at `position` (metres) images of `view`, without noise."""
    return Renderer(view, lens_model).render(position)
