"""The networks that tell blur from a single image, and how they are kept in files.

Both are one architecture, `BlurNetwork`. The image is looked at at several scales, halved each
time, through the *same* convolutions: a disk of radius 16 is at a quarter of the size one of
radius 4. Those convolutions have no bias and their first filters no mean, so that brightness
does not matter and contrast only scales the features; it is divided out, its logarithm (how much
stands out of the noise) is kept. Each cell of 32 px then votes for each class with a logit.
The votes of many cells add up like independent evidence does: a cell with nothing to see votes
for nothing, and a whole patch is answered by the same weights as a dense map.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

CELL = 32
"""Side of one voting cell, pixels."""
STRIDE = 64
"""Height and width of the input must be multiples of this, pixels."""


class WeightsError(Exception):
    """A weight file that cannot be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Architecture:
    """Size and meaning of a `BlurNetwork`.

    Attributes:
        kind: "estimator": classes are blur radii; "discriminator": class i is "the radius is at
            most `radii[i]`".
        radii: blur radius of each class, pixels, ascending.
        levels: number of scales, 1 to 4.
        stem: first convolution's (side, stride), pixels; the next two halve again.
        widths: channels of the three shared convolutions.
        head: channels behind them.
    """

    kind: str
    radii: tuple[float, ...]
    levels: int
    stem: tuple[int, int]
    widths: tuple[int, int, int]
    head: int


def _radius_classes(count: int = 64, largest: float = 66.0) -> tuple[float, ...]:
    """Classes at equal distances of log(1 + r / 4): fine near focus, 6 % apart far from it."""
    steps = torch.linspace(0, float(torch.log1p(torch.tensor(largest / 4))), count)
    return tuple(round(float(r), 4) for r in 4 * torch.expm1(steps))


ESTIMATOR = Architecture("estimator", _radius_classes(), 4, (8, 4), (16, 32, 48), 48)
DISCRIMINATOR = Architecture(
    "discriminator", (0.5, 0.75, 1.0, 1.5, 2.0, 3.0), 1, (4, 4), (32, 32, 32), 32
)


class _ZeroMeanConv(nn.Conv2d):
    """Convolution whose filters sum to zero: blind to brightness."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        # Padded first: with one channel that halves the time of the convolution on a CPU.
        margin = int(self.padding[0])
        x = functional.pad(x, (margin, margin, margin, margin))
        return functional.conv2d(x, weight, None, self.stride)


def _halve(x: Tensor) -> Tensor:
    """Mean of 2x2 pixels; several times faster than `avg_pool2d` on a CPU."""
    upper = x[..., ::2, ::2] + x[..., ::2, 1::2]
    return 0.25 * (upper + x[..., 1::2, ::2] + x[..., 1::2, 1::2])


class BlurNetwork(nn.Module):
    """Luma (B, 1, H, W) in [0, 1] to logits (B, classes, H / 32, W / 32)."""

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
            # Starting undecided: a patch adds up the votes of many cells.
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
        """Votes of each cell for each class."""
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
        return self.classify(x)


def pool_votes(logits: Tensor) -> Tensor:
    """Add up the votes of all cells: (B, classes, h, w) to (B, classes).

    Neighbouring cells err alike: n of them count for the square root of n.
    """
    return logits.sum(dim=(2, 3)) / (logits.shape[2] * logits.shape[3]) ** 0.5


def log_radius(radius: Tensor) -> Tensor:
    """The scale on which the estimator's classes are equally spaced."""
    return torch.log1p(radius / 4)


def save_network(network: BlurNetwork, path: str | Path, notes: Mapping[str, Any]) -> None:
    """Write the weights as safetensors, with architecture and `notes` in the header."""
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    header = {
        "format": "aif_ros.BlurNetwork.1",
        "architecture": json.dumps(asdict(network.architecture)),
        "notes": json.dumps(notes),
    }
    save_file(tensors, str(path), metadata=header)


def load_network(path: str | Path, kind: str) -> tuple[BlurNetwork, dict[str, Any]]:
    """Read a network written by `save_network`.

    Args:
        path: safetensors file.
        kind: what it must be, "estimator" or "discriminator".

    Returns:
        The network, ready to use, and the notes in the file's header.

    Raises:
        WeightsError: there is no such file, it is cut off or no safetensors file, or it holds
            another network.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(
            f"there is no weight file {path}: reinstall the package, or train one with "
            f"`aif train {kind}`"
        )
    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"weight file {path} is damaged or of another format: {error}"
        ) from error
    if header.get("format") != "aif_ros.BlurNetwork.1":
        raise WeightsError(
            f"weight file {path} holds another network: use one written by `aif train {kind}`"
        )
    try:
        fields = json.loads(header["architecture"])
        architecture = Architecture(
            fields["kind"],
            tuple(fields["radii"]),
            fields["levels"],
            tuple(fields["stem"]),
            tuple(fields["widths"]),
            fields["head"],
        )
        network = BlurNetwork(architecture)
        network.load_state_dict(tensors)
        notes = json.loads(header["notes"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"weight file {path} is damaged: {error}") from error
    if architecture.kind != kind:
        raise WeightsError(f"weight file {path} holds the {architecture.kind}, not the {kind}")
    if not all(bool(value.isfinite().all()) for value in tensors.values()):
        raise WeightsError(f"weight file {path} is damaged: it holds values that are not finite")
    return network.eval(), notes
