"""Trainings that learn from a stream of samples, one batch in each step: blur and fusion."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pytorch_optimizer import SOAP
from torch import Tensor, nn

from aif_ros.training.processes import Processes
from aif_ros.training.recipe import SampleRecipe
from aif_ros.training.stream import SampleSource, Stream
from aif_ros.training.trainer import Network, Training, TrainingStep
from aif_ros.weights.device import fast_in_bfloat16


def warm_up_and_cosine(recipe: SampleRecipe, step: int) -> float:
    """Return the rate of a step: linear warm-up, then a cosine down to zero."""
    warmup = min((step + 1) / max(recipe.warmup_steps, 1), 1.0)
    return recipe.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


class SampleTraining(Training[Network]):
    """Training on samples.

    Attributes:
        recipe: how to train.
        sources: of samples; the steps draw from them in turn.
    """

    recipe: SampleRecipe
    sources: Sequence[SampleSource]
    optimiser_name = "SOAP (Vyas et al., ICLR 2025), pytorch-optimizer"
    _stream: Stream

    @abstractmethod
    def collate(self, samples: Sequence[Any], random: np.random.Generator) -> Any:
        """Make a batch of samples, augmented at random; it has a method `to(device)`."""

    @abstractmethod
    def predict(self, network: nn.Module, batch: Any) -> Any:
        """Return what the network makes of a batch; may be computed in bfloat16, see the recipe."""

    @abstractmethod
    def loss(self, prediction: Any, batch: Any) -> Tensor:
        """Return the loss of a prediction."""

    def optimiser(self, network: Network) -> torch.optim.Optimizer:
        """Return SOAP, which needs about half as many steps as AdamW for these small networks.

        Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", ICLR 2025.
        """
        recipe = self.recipe
        return SOAP(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)

    def learning_rate(self, step: int) -> float:
        """See `warm_up_and_cosine`."""
        return warm_up_and_cosine(self.recipe, step)

    def begin(self, first: int, processes: Processes, workers: int) -> None:
        """Start the stream of samples."""
        self._stream = Stream(self.sources, self.recipe, first, processes, workers)

    def update(self, step: TrainingStep[Network]) -> dict[str, float]:
        """Update the weights by one batch.

        Raises:
            PhotosError: the data cannot be trained on.
            TrainingError: the loss is not finite.
        """
        device = step.processes.device
        samples = self._stream.draw(step.number, step.random)
        batch = self.collate(samples, step.random).to(device)
        bfloat16 = self.recipe.bfloat16 and fast_in_bfloat16(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            prediction = self.predict(step.network, batch)
        return {"loss": step.descend(self.loss(prediction, batch))}
