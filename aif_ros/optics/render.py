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

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from aif_ros.images import DISPLAY_GAMMA, Image, to_uint8
from aif_ros.optics.lens_model import LensModel
from aif_ros.optics.psf import Aperture
from aif_ros.scenes.scene import SceneView

# Layers so close that the blur of neighbours differs by no more than this, pixels of radius.
_LAYER_SPACING = 1.0
_MAX_LAYERS = 32
# A disk of this radius, pixels, stays within its pixel.
_SHARP = 0.3
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


@dataclass(frozen=True)
class _Layer:
    """One layer of the scene.

    Attributes:
        focus_position: metres.
        spectrum: (4 or 2, H', W' // 2 + 1) complex64, Fourier transform of the premultiplied
            linear colour channels and, last, the coverage.
        flat: the same untransformed, (4 or 2, H', W') float32.
    """

    focus_position: float
    spectrum: NDArray[np.complex64]
    flat: NDArray[np.float32]


class Renderer:
    """Renders one still view through a lens.

    Args:
        view: the scene, sharp.
        lens_model: the lens.

    Raises:
        ValueError: image and focus positions differ in size, or focus positions are not finite.
    """

    def __init__(self, view: SceneView, lens_model: LensModel) -> None:
        if view.image.shape[:2] != view.focus_position.shape:
            raise ValueError(
                f"image {view.image.shape[:2]} and focus positions {view.focus_position.shape} "
                "must have the same size"
            )
        if not np.isfinite(view.focus_position).all():
            raise ValueError("focus positions must all be finite")
        self._lens_model = lens_model
        self._mono = view.image.ndim == 2
        self._height, self._width = view.image.shape[:2]
        self._gain = lens_model.blur_gain(self._width)
        lowest, highest = float(view.focus_position.min()), float(view.focus_position.max())
        low, high = lens_model.limits
        reach = max(abs(high - lowest), abs(highest - low)) * self._gain
        self._pad = min(int(np.ceil(reach)) + 2, min(self._height, self._width) - 1)
        self._layers = self._cut(view)

    def render(self, position: float) -> Image:
        """Return the noise-free image, same shape as the view's, with the lens at `position`."""
        channels = self._layers[0].flat.shape[0]
        shape = self._layers[0].flat.shape[1:]
        light = np.zeros((channels - 1, *shape), np.float32)
        uncovered = np.ones(shape, np.float32)
        for layer in self._layers:  # nearest first
            spread = self._spread(layer, position)
            coverage = np.maximum(spread[-1], 0.0)
            share = np.minimum(coverage, uncovered)
            light += spread[:-1] * (share / np.maximum(coverage, 1e-6))
            uncovered -= share
        light /= np.maximum(1.0 - uncovered, 1e-6)
        inner = (
            slice(self._pad, self._pad + self._height),
            slice(self._pad, self._pad + self._width),
        )
        image = np.ascontiguousarray(np.moveaxis(light[(slice(None), *inner)], 0, -1))
        image = magnify(image, self._lens_model.magnification(position))
        encoded = np.power(np.clip(image, 0.0, 1.0), np.float32(1.0 / DISPLAY_GAMMA))
        return encoded[..., 0] if self._mono else encoded

    def _spread(self, layer: _Layer, position: float) -> NDArray[np.float32]:
        radius = abs(position - layer.focus_position) * self._gain
        if radius < _SHARP:
            return layer.flat
        shape = (layer.flat.shape[1], layer.flat.shape[2])
        transfer = Aperture().transfer_function(radius, shape)
        return fft.irfft2(layer.spectrum * transfer, s=shape, workers=2)

    def _cut(self, view: SceneView) -> list[_Layer]:
        colour = np.power(np.clip(view.image, 0.0, 1.0), np.float32(DISPLAY_GAMMA))
        colour = colour.reshape(self._height, self._width, -1)
        front = view.focus_position.astype(np.float32)
        lowest, highest = float(front.min()), float(front.max())
        span = (highest - lowest) * self._gain
        count = int(np.clip(np.ceil(span / _LAYER_SPACING) + 1, 1, _MAX_LAYERS))
        positions = np.linspace(highest, lowest, count)
        spacing = (highest - lowest) / max(count - 1, 1)
        hidden, source = _hidden_surface(front, 2.5 * max(spacing, 1e-12), self._pad)
        behind = np.isfinite(hidden)
        hidden_colour = colour.reshape(-1, colour.shape[2])[source]
        layers = []
        for position in positions:
            coverage = _hat(front, position, spacing)
            hidden_coverage = np.where(behind, _hat(hidden, position, spacing), np.float32(0))
            both = coverage + hidden_coverage
            if not both.any():
                continue
            premultiplied = (
                coverage[..., None] * colour + hidden_coverage[..., None] * hidden_colour
            )
            flat = np.concatenate([premultiplied, both[..., None]], axis=2)
            flat = self._padded(flat)
            spectrum = fft.rfft2(flat, workers=2).astype(np.complex64, copy=False)
            layers.append(_Layer(float(position), spectrum, flat))
        return layers

    def _padded(self, flat: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mirror the edges out, so that light comes in from beyond them, and put channels first."""
        height = fft.next_fast_len(self._height + 2 * self._pad, real=True)
        width = fft.next_fast_len(self._width + 2 * self._pad, real=True)
        bottom, right = height - self._height - self._pad, width - self._width - self._pad
        planes = [
            cv2.copyMakeBorder(
                np.ascontiguousarray(flat[..., channel]),
                self._pad,
                bottom,
                self._pad,
                right,
                cv2.BORDER_REFLECT_101,
            )
            for channel in range(flat.shape[2])
        ]
        return np.stack(planes)


def _hat(values: NDArray[np.float32], centre: float, spacing: float) -> NDArray[np.float32]:
    """Share of each value in the layer at `centre`; shares of neighbouring layers add up to 1."""
    if spacing == 0.0:
        return np.ones_like(values)
    return np.maximum(0.0, 1.0 - np.abs(values - np.float32(centre)) / np.float32(spacing))


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


def render(view: SceneView, lens_model: LensModel, position: float) -> Image:
    """Return what the lens at `position` (metres) images of `view`, without noise."""
    return Renderer(view, lens_model).render(position)
