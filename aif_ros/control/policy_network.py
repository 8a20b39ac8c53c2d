"""The network of the learned focus-control agent."""

import torch
from torch import Tensor, nn

from aif_ros.control.focus_memory import FEATURES


class PolicyNetwork(nn.Module):
    """Looks along the lens's travel and rates each candidate position, and stopping.

    Convolutions along the axis of lens positions, whose unit is the depth of field: the same
    weights serve any lens, image width and grid. Ratings start from `prior` (the expected gain
    of each candidate), so an untrained network acts greedily and learns when not to.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv1d(FEATURES, width, 5, padding=2)
        self.blocks = nn.ModuleList(
            nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation)
            for dilation in (1, 2, 4)
        )
        self.context = nn.Linear(2 * width, width)
        self.rate = nn.Sequential(nn.Conv1d(width, width, 1), nn.ReLU(), nn.Conv1d(width, 1, 1))
        self.stop = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))
        self.value = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))
        self.greed = nn.Parameter(torch.tensor(8.0))
        for head in (self.rate[-1], self.stop[-1], self.value[-1]):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Rate the actions.

        Args:
            features: (B, FEATURES, K) from `FocusMemory.features`.

        Returns:
            Logits (B, K + 1) of the K candidate positions and, last, of stopping; and the
            expected return (B,).
        """
        x = torch.relu(self.stem(features))
        for block in self.blocks:
            x = x + torch.relu(block(x))
        pooled = torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)
        x = torch.relu(x + self.context(pooled)[:, :, None])
        candidates = self.rate(x)[:, 0] + self.greed * features[:, 3]
        logits = torch.cat([candidates, self.stop(pooled)], dim=1)
        return logits, self.value(pooled)[:, 0]
