"""The blur network: a distribution over the blur radius of an image, and of each part of it.

The image is processed at several scales, halved each time, by the *same* convolutions: a disk of
radius 16 at a quarter of the size is one of radius 4. Those convolutions have no bias and their
first filters zero mean, so that the output does not depend on brightness and contrast only scales
the features; it is divided out, and its logarithm (the signal-to-noise ratio) is kept as a feature.
Each cell of 32 px then gives a logit (vote) for each class of blur radius. The votes of many cells
are added like independent evidence: a cell without texture votes for no class, and the same weights
serve a whole patch and a dense map.
"""

from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from aif_ros.types.checked import CHECKED
from aif_ros.weights.files import NetworkKind

CELL = 32
"""Side of one voting cell, pixels."""
STRIDE = 64
"""Height and width of the input must be multiples of this, pixels."""


_Channels = Annotated[int, Field(ge=1, le=512)]


@dataclass(frozen=True, config=CHECKED)
class Architecture:
    """Size and meaning of a `BlurNetwork`.

    Attributes:
        radii: blur radius of each class, pixels, ascending.
        levels: number of scales.
        stem: first convolution's (side, stride), pixels; the next two halve again.
        widths: channels of the three shared convolutions.
        head: channels behind them.
    """

    radii: Annotated[tuple[float, ...], Field(min_length=1, max_length=512)]
    levels: Annotated[int, Field(ge=1, le=4)]
    stem: tuple[Annotated[int, Field(ge=4, le=32, multiple_of=2)], Literal[4, 8]]
    widths: tuple[_Channels, _Channels, _Channels]
    head: _Channels

    def __post_init__(self) -> None:
        if self.radii[0] < 0 or any(low >= high for low, high in pairwise(self.radii)):
            raise ValueError("radii must ascend from 0 or more")
        if self.stem[0] < self.stem[1]:
            raise ValueError("stem: the side must be at least the stride")


def _radius_classes(count: int = 64, largest: float = 66.0) -> tuple[float, ...]:
    """Classes at equal distances of log(1 + r / 4): fine near focus, 6 % apart far from it."""
    steps = torch.linspace(0, float(torch.log1p(torch.tensor(largest / 4))), count)
    return tuple(round(float(r), 4) for r in 4 * torch.expm1(steps))


ARCHITECTURE = Architecture(_radius_classes(), 4, (8, 4), (16, 32, 48), 48)
"""Of the shipped network."""


class _ZeroMeanConv(nn.Conv2d):
    """Convolution whose filters sum to zero: independent of brightness."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        if torch.onnx.is_in_onnx_export():
            return functional.conv2d(x, weight, None, self.stride, self.padding)
        # Padded first: with one channel that halves PyTorch's time for the convolution on a CPU.
        margin = int(self.padding[0])
        x = functional.pad(x, (margin, margin, margin, margin))
        return functional.conv2d(x, weight, None, self.stride)


def _halve(x: Tensor) -> Tensor:
    """Mean of 2x2 pixels; several times faster than PyTorch's `avg_pool2d` on a CPU."""
    if torch.onnx.is_in_onnx_export():
        return functional.avg_pool2d(x, 2)
    upper = x[..., ::2, ::2] + x[..., ::2, 1::2]
    return 0.25 * (upper + x[..., 1::2, ::2] + x[..., 1::2, 1::2])


class BlurNetwork(nn.Module):
    """Luma (B, 1, H, W) in [0, 1] to votes (B, classes, H / 32, W / 32)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        side, stride = architecture.stem
        first, second, third = architecture.widths
        self.stem = _ZeroMeanConv(1, first, side, stride, (side - stride) // 2, bias=False)
        self.middle = nn.Conv2d(first, second, 3, 2, 1, bias=False)
        self.last = nn.Conv2d(second, third, 3, 1, 1, bias=False)
        head = architecture.head
        self.mix = nn.Conv2d(architecture.levels * third + 1, head, 1)
        self.refine = nn.ModuleList(nn.Conv2d(head, head, 3, 1, 1) for _ in range(2))
        self.classify = nn.Conv2d(head, len(architecture.radii), 1)
        with torch.no_grad():
            # Small initial logits: a patch adds up the votes of many cells.
            self.classify.weight.mul_(0.3)
        # The layout in which convolutions on CPUs are several times faster.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _features(self, x: Tensor, pixel: int) -> Tensor:
        """(B, C, H / cell, W / cell) of an image whose pixels are `pixel` original ones wide."""
        x = functional.relu(self.stem(x), inplace=True)
        x = functional.relu(self.middle(x), inplace=True)
        spacing = 2 * self.architecture.stem[1] * pixel
        stride = 2 if spacing < CELL else 1
        x = functional.conv2d(x, self.last.weight, None, stride, 1)
        x = functional.relu(x, inplace=True)
        spacing *= stride
        if spacing < CELL:
            return _halve(x)
        if spacing > CELL:
            return functional.interpolate(x, scale_factor=float(spacing // CELL))
        return x

    def forward(self, luma: Tensor) -> Tensor:
        """Return the votes of each cell for each class."""
        levels = []
        for level in range(self.architecture.levels):
            if level:
                luma = _halve(luma)
            levels.append(self._features(luma, 2**level))
        x = torch.cat(levels, 1)
        energy = x.square().mean(1, keepdim=True) + 1e-6
        x = torch.cat([x * energy.rsqrt(), 0.25 * energy.log()], 1)
        x = functional.relu(self.mix(x))
        for convolution in self.refine:
            x = x + functional.relu(convolution(x))
        result: Tensor = self.classify(x)
        return result


def pool_votes(logits: Tensor) -> Tensor:
    """Add up the votes of all cells: (B, classes, h, w) to (B, classes).

    Errors of neighbouring cells are correlated: n of them count for the square root of n, or less;
    see `TemperatureScaling`.
    """
    result: Tensor = logits.sum(dim=(2, 3)) / (logits.shape[2] * logits.shape[3]) ** 0.5
    return result


class TemperatureScaling(NamedTuple):
    """Temperature scaling (Guo et al., ICML 2017) by a power law of the size of the window.

    The votes of n pooled cells are divided by `temperature` * n^`growth`.

    Attributes:
        temperature: for a single cell.
        growth: exponent, from 0 (errors of cells are independent) to 0.5 (equal).
    """

    temperature: float
    growth: float

    def at(self, cells: int) -> float:
        """Return the temperature for so many pooled cells."""
        return self.temperature * float(cells**self.growth)


def log_radius(radius: Tensor) -> Tensor:
    """The scale on which the estimator's classes are equally spaced."""
    return torch.log1p(radius / 4)


BLUR_WEIGHTS = NetworkKind("blur", 1, Architecture, BlurNetwork)
"""Trained by `aif train blur`."""
