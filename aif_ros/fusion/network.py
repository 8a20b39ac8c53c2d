"""The fusion network: how much of each pixel of J(t) comes from the frame I(t).

Its inputs are both images and their smoothed Laplacian energies. It corrects the classical choice
by energy: near occlusion edges the sharpest frame is not the truest one, and where two frames are
equally sharp their mean has less noise. Its outputs are weights, so that nothing is invented, and
the sharpness of J(t), which with a small memory is the state kept beside J itself.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from aif_ros.types.checked import CHECKED
from aif_ros.weights.files import NetworkKind

STRIDE = 16
"""Height and width of the network's inputs must be multiples of this."""
ENERGY_FLOOR = 1e-8
"""Energies are compared as log(energy + ENERGY_FLOOR)."""

MEMORY = 4
"""Channels of the memory that is kept beside J and its sharpness."""
HOPELESS = 0.15
"""Photometric error from which on J(t-1) is not used, share of full scale."""

_PLANES = 5
"""Planes of the input at full size, see `FusionNetwork.forward`."""
# Row and column in a square of two by two, as `pixel_unshuffle` goes through them.
_PIXELS = ((0, 0), (0, 1), (1, 0), (1, 1))
# The classical choice enters as logits no larger than this, which the network can overrule.
_LARGEST_LOGIT = 6.0
_LARGEST_ADJUSTMENT = 1.0
"""Largest change of the sharpness that J is taken to have, log energy."""


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, 1, 1)


def _unshuffled(planes: Sequence[Tensor], halves: Sequence[Tensor]) -> Tensor:
    """Cat `planes` (B, 1, H, W), as by `pixel_unshuffle`, and `halves` (B, C, H / 2, W / 2).

    With channels last, the layout in which convolutions on CPUs are fastest; PyTorch's own way
    there copies three times.
    """
    quarters = [plane[..., row::2, column::2] for plane in planes for row, column in _PIXELS]
    channels = [each.permute(0, 2, 3, 1) for each in (*quarters, *halves)]
    return torch.cat(channels, 3).permute(0, 3, 1, 2)


def _rectified(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, inplace=True)


def _tanh(x: Tensor) -> Tensor:
    """As `torch.tanh`, which takes CPUs several times as long."""
    return 2 * torch.sigmoid(2 * x) - 1


class FusionState(NamedTuple):
    """State of J(t) beside its colours.

    Attributes:
        luma: (B, 1, H, W) of J(t).
        sharpness: (B, 1, H, W) log energy that J(t) is taken to have.
        memory: (B, MEMORY, H / 2, W / 2), learned.
        mismatch: (B, 1, H, W) see `Fused`; 0 where nothing moves.
        frames: (B,) how many frames J(t) is made of.
    """

    luma: Tensor
    sharpness: Tensor
    memory: Tensor
    mismatch: Tensor
    frames: Tensor


@dataclass(frozen=True, config=CHECKED)
class FusionArchitecture:
    """Size of a `FusionNetwork`.

    Attributes:
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the resolution.
    """

    widths: Annotated[
        tuple[Annotated[int, Field(ge=1, le=512)], ...], Field(min_length=4, max_length=4)
    ] = (16, 32, 48, 48)


class FusionNetwork(nn.Module):
    """A small U-Net on pixels taken two by two.

    Its rectifiers leak: with plain ones the deep levels stopped learning early in the training.

    Args:
        architecture: its size.
    """

    def __init__(self, architecture: FusionArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture or FusionArchitecture()
        widths = self.architecture.widths
        inputs = (4 * _PLANES + MEMORY + 1, *widths[:-1])
        self.first = nn.ModuleList(map(_convolution, inputs, widths))
        self.second = nn.ModuleList(_convolution(width, width) for width in widths)
        self.lift = nn.ModuleList(nn.Conv2d(deep, width, 1) for width, deep in pairwise(widths))
        self.up = nn.ModuleList(_convolution(width, width) for width in widths[:-1])
        self.correct = _convolution(widths[0], 8 + MEMORY)
        # It begins as the classical choice.
        for parameter in self.correct.parameters():
            nn.init.zeros_(parameter)
        self.contrast = nn.Parameter(torch.tensor(4.0))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(
        self, luma: Tensor, energy: Tensor, state: FusionState
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Weight of a frame against the fused image.

        Args:
            luma: (B, 1, H, W) of I(t).
            energy: (B, 1, H, W) log energy of I(t).
            state: of J(t-1).

        Returns:
            (B, 1, H, W) weight of I(t), 0 to 1; the new sharpness and memory.
        """
        gain = energy - state.sharpness
        mismatch = (state.mismatch / HOPELESS).clamp(max=1.0)
        planes = [8 * (luma - state.luma), 2 * state.luma - 1, energy / 4 + 2, gain, mismatch]
        share = (1 / (state.frames + 1)).view(-1, 1, 1, 1).expand_as(state.memory[:, :1])
        # Trained with narrower numbers, the choice itself must not be rounded.
        correction = self._correction(_unshuffled(planes, [state.memory, share])).float()
        weighing = functional.pixel_shuffle(correction[:, :8].contiguous(), 2)
        choice = self.contrast * gain / _LARGEST_LOGIT
        weight = torch.sigmoid(_LARGEST_LOGIT * _tanh(choice) + weighing[:, :1])
        # Bounded, so that the state cannot diverge over a long sequence.
        adjustment = _LARGEST_ADJUSTMENT * _tanh(weighing[:, 1:])
        sharpness = state.sharpness + weight * gain + adjustment
        memory = correction[:, 8:].contiguous(memory_format=torch.channels_last)
        return weight, sharpness, _tanh(memory)

    def _correction(self, x: Tensor) -> Tensor:
        levels = []
        for level, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            if level:
                x = functional.avg_pool2d(x, 2)
            x = _rectified(first(x))
            x = x + _rectified(second(x)) if level else _rectified(second(x))
            levels.append(x)
        for level in reversed(range(len(self.up))):
            lifted = functional.interpolate(self.lift[level](x), scale_factor=2.0)
            x = _rectified(self.up[level](lifted.add_(levels[level])))
        result: Tensor = self.correct(x)
        return result


FUSION_WEIGHTS = NetworkKind("fusion", 2, FusionArchitecture, FusionNetwork)
