"""The network of the learned focus-control agents."""

from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from aif_ros.control.policy_features import DYNAMIC, FEATURES, GAIN, GAIN_RATIO
from aif_ros.types.checked import CHECKED
from aif_ros.weights.files import NetworkKind


@dataclass(frozen=True, config=CHECKED)
class PolicyArchitecture:
    """Size of a `PolicyNetwork`.

    Attributes:
        width: channels of each convolution.
    """

    width: Annotated[int, Field(ge=1, le=512)] = 32


class PolicyBranch(nn.Module):
    """Rates each candidate lens position, and stopping.

    Convolutions along the lens's travel, whose unit is the depth of focus: the same weights serve
    any lens, image width and grid. Before training, the rating of a candidate is its expected gain,
    and that of stopping whether no gain justifies a frame: a greedy policy. Training adds to both.

    Args:
        width: channels of each convolution.
        gain_weight: initial weight of the expected gain.
    """

    def __init__(self, width: int, gain_weight: float) -> None:
        super().__init__()
        # Two-dimensional, one row high: a CPU trains these twice as fast as one-dimensional ones.
        self.stem = nn.Conv2d(FEATURES, width, (1, 5), padding=(0, 2))
        self.blocks = nn.ModuleList(
            nn.Conv2d(width, width, (1, 5), padding=(0, 2 * dilation), dilation=(1, dilation))
            for dilation in (1, 2, 4)
        )
        self.context = nn.Linear(2 * width, width)
        self.rate = _head(width, width)
        self.stop = _head(2 * width, width)
        self.value = _head(2 * width, width)
        # Weights of the gain and of its ratio; weight files store them by these names.
        self.greed = nn.Parameter(torch.tensor(gain_weight))
        self.thrift = nn.Parameter(torch.tensor(4.0))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Rate the actions.

        Args:
            features: (B, FEATURES, K) from `policy_features`.

        Returns:
            Logits (B, K + 1) of the K candidate positions and, last, of stopping; and the
            expected return (B,).
        """
        x = features[:, :, None].contiguous(memory_format=torch.channels_last)
        x = torch.relu(self.stem(x))
        for block in self.blocks:
            x = x + torch.relu(block(x))
        x = x[:, :, 0]
        pooled = torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)
        x = torch.relu(x + self.context(pooled)[:, :, None])
        candidates = self.greed * features[:, GAIN] + self.rate(x.transpose(1, 2))[..., 0]
        # Where to go must not influence whether to go: the paper's rule, which has no stopping,
        # changes the level of the ratings.
        candidates = torch.log_softmax(candidates, dim=1)
        stop = self.stop(pooled) - self.thrift * features[:, GAIN_RATIO].amax(dim=1, keepdim=True)
        logits = torch.cat([candidates, stop], dim=1)
        return logits, self.value(pooled)[:, 0]


class PolicyNetwork(nn.Module):
    """Policies for still and for moving scenes, and the one by the paper's rule alone.

    Args:
        architecture: size of each of them.
    """

    def __init__(self, architecture: PolicyArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture or PolicyArchitecture()
        width = self.architecture.width
        self.still = PolicyBranch(width, gain_weight=28.0)
        self.moving = PolicyBranch(width, gain_weight=12.0)
        self.paper = PolicyBranch(width, gain_weight=28.0)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Rate the actions, of still scenes by one policy and of moving ones by the other.

        Args:
            features: (B, FEATURES, K) from `policy_features`.

        Returns:
            As `PolicyBranch.forward`.
        """
        moving = features[:, DYNAMIC, 0] > 0.5
        if moving.all() or not moving.any():
            branch = self.moving if moving.any() else self.still
            rated: tuple[Tensor, Tensor] = branch(features)
            return rated
        logits = features.new_empty(len(features), features.shape[2] + 1)
        value = features.new_empty(len(features))
        logits[moving], value[moving] = self.moving(features[moving])
        logits[~moving], value[~moving] = self.still(features[~moving])
        return logits, value


def best_action(logits: Tensor, barred: Tensor) -> Tensor:
    """Return the likelier answer to whether to stop, and if not, the likeliest position.

    Two questions: were stopping one candidate among many, it would win wherever several are good.

    Args:
        logits: (B, K + 1) from `PolicyNetwork`.
        barred: (B, K + 1) bool, actions that cannot be taken.

    Returns:
        (B,) int64, K to stop.
    """
    logits = logits.masked_fill(barred, -torch.inf)
    candidates = logits[:, :-1]
    going = candidates.logsumexp(dim=1) >= logits[:, -1]
    return torch.where(going, candidates.argmax(dim=1), candidates.shape[1])


def _head(inputs: int, width: int) -> nn.Sequential:
    """Two layers to one number, which is 0 before training."""
    last = nn.Linear(width, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), last)


POLICY_WEIGHTS = NetworkKind("policy", 2, PolicyArchitecture, PolicyNetwork)
