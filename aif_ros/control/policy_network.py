"""The network of the learned focus-control agent."""

import torch
from torch import Tensor, nn

from aif_ros.control.focus_memory import FEATURES


class PolicyNetwork(nn.Module):
    """Looks along the lens's travel and rates each candidate position, and stopping.

    Convolutions along the axis of lens positions, whose unit is the depth of field: the same
    weights serve any lens, image width and grid. Ratings start from the expected gain of each
    candidate, so an untrained network acts greedily and learns when not to.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        # Two-dimensional, one row high: a CPU trains these twice as fast as one-dimensional ones.
        self.stem = nn.Conv2d(FEATURES, width, (1, 5), padding=(0, 2))
        self.blocks = nn.ModuleList(
            nn.Conv2d(width, width, (1, 5), padding=(0, 2 * dilation), dilation=(1, dilation))
            for dilation in (1, 2, 4)
        )
        self.context = nn.Linear(2 * width, width)
        self.rate = _head(width, width)
        self.stop = _head(2 * width, width, start=-3.0)
        self.value = _head(2 * width, width)
        self.greed = nn.Parameter(torch.tensor(8.0))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Rate the actions.

        Args:
            features: (B, FEATURES, K) from `FocusMemory.features`.

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
        candidates = self.rate(x.transpose(1, 2))[..., 0] + self.greed * features[:, 3]
        # Where to go says nothing of whether to go: else what the rule of the paper, which knows no
        # stopping, does to the level of the ratings would decide on it.
        candidates = torch.log_softmax(candidates, dim=1)
        logits = torch.cat([candidates, self.stop(pooled)], dim=1)
        return logits, self.value(pooled)[:, 0]


def _head(inputs: int, width: int, start: float = 0.0) -> nn.Sequential:
    """Two layers to one number, which is `start` until something has been learned."""
    last = nn.Linear(width, 1)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, start)
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), last)
