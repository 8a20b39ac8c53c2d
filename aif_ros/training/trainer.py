"""The trainer of all networks that learn from samples: blur and fusion.

By hand rather than by a framework: without logging, schedules and callbacks that are not needed
here, what is left of one is the loop below.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from aif_ros.training.card import About
from aif_ros.training.checkpoint import Progress, Stopwatch, load_checkpoint, save_checkpoint
from aif_ros.training.processes import Processes
from aif_ros.training.recipe import Recipe
from aif_ros.training.stream import Source, Stream
from aif_ros.weights.device import fast_in_bfloat16
from aif_ros.weights.files import NetworkKind, load_weights

_SMOOTHING = 0.98
"""Weight of the past in the running mean of the loss that is shown."""

Network = TypeVar("Network", bound=nn.Module)


class TrainingError(Exception):
    """A training that cannot continue; the message says why and what to do."""


class Training(ABC, Generic[Network]):
    """What is particular to the training of one kind of network.

    Attributes:
        kind: of the network.
        about: what its card says whatever the run.
        recipe: how to train.
        sources: of samples; the steps draw from them in turn.
        files: that are trained on.
    """

    kind: NetworkKind[Network]
    about: About
    recipe: Recipe
    sources: Sequence[Source]
    files: Sequence[Path]

    @abstractmethod
    def build(self) -> Network:
        """Return the untrained network; PyTorch's random numbers are seeded."""

    @abstractmethod
    def collate(self, samples: Sequence[Any], random: np.random.Generator) -> Any:
        """Make a batch of samples, augmented at random; it has a method `to(device)`."""

    @abstractmethod
    def predict(self, network: nn.Module, batch: Any) -> Any:
        """Return what the network makes of a batch; may be computed in bfloat16, see `Recipe`."""

    @abstractmethod
    def loss(self, prediction: Any, batch: Any) -> Tensor:
        """Return the loss of a prediction."""

    @abstractmethod
    def validate(self, network: Network) -> dict[str, float]:
        """Return figures of the network on data that it is not trained on."""

    def calibrate(self, network: Network) -> dict[str, float]:
        """Fit what is fitted after the training, on the CPU; returns numbers to keep by name."""
        return {}


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the rate of a step: linear warm-up, then a cosine down to zero."""
    warmup = min((step + 1) / max(recipe.warmup_steps, 1), 1.0)
    return recipe.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


def train(
    training: Training[Network],
    processes: Processes,
    folder: Path,
    *,
    resume: bool = False,
    workers: int = 1,
) -> tuple[Network, dict[str, float], Progress]:
    """Train a network.

    Args:
        training: what to train, and on what.
        processes: that train together.
        folder: for checkpoint and TensorBoard.
        resume: continue from the folder's checkpoint.
        workers: processes that make samples, for each process that trains.

    Returns:
        The network on the CPU; the figures of the last validation, which are empty in all
        processes but the first; and what it took, earlier runs included.

    Raises:
        CheckpointError: the training cannot be resumed.
        PhotosError: the data cannot be trained on.
        TrainingError: the loss is not finite, or the initial weights do not fit.
        WeightsError: the initial weights cannot be used.
    """
    recipe, device = training.recipe, processes.device
    torch.manual_seed(recipe.seed)
    network = training.build()
    if recipe.initial and not resume:
        _start_from(network, recipe.initial, training.kind)
    network.to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    progress = Progress()
    if resume:
        progress = load_checkpoint(folder, network, optimiser, asdict(recipe))
    first, watch = progress.step, Stopwatch(progress)
    stream = Stream(training.sources, recipe, first, processes, workers)
    folder.mkdir(parents=True, exist_ok=True)
    writer = SummaryWriter(str(folder), purge_step=first) if processes.is_first else None
    shown = tqdm(
        range(first, recipe.steps),
        initial=first,
        total=recipe.steps,
        unit="step",
        disable=not processes.is_first,
        mininterval=10,
    )
    figures: dict[str, float] = {}
    mean_loss = math.nan
    bfloat16 = recipe.bfloat16 and fast_in_bfloat16(device)
    for step in shown:
        # Seeded at every step, so that a resumed training continues like an uninterrupted one.
        random = np.random.default_rng((recipe.seed, processes.rank, step))
        torch.manual_seed(int(random.integers(2**62)))
        rate = learning_rate(recipe, step)
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = training.collate(stream.draw(step, random), random).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            prediction = training.predict(network, batch)
        loss = training.loss(prediction, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        processes.average_gradients(network)
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
        optimiser.step()

        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(f"the loss is {value} at step {step}: lower the learning rate")
        mean_loss = value if math.isnan(mean_loss) else _smoothed(mean_loss, value)
        done = step + 1
        if processes.is_first and (done % recipe.validate_every == 0 or done == recipe.steps):
            figures = training.validate(network.eval())
            network.train()
            logged = {"loss": mean_loss, "learning_rate": rate, **figures}
            _report(writer, shown, done, logged)
            save_checkpoint(folder, network, optimiser, watch.progress(done), asdict(recipe))
    if writer:
        writer.close()
    if processes.is_first and not figures:
        # Resumed after the last step.
        figures = training.validate(network.eval())
    return network.eval().cpu(), figures, watch.progress(recipe.steps)


def _start_from(network: Network, path: str, kind: NetworkKind[Network]) -> None:
    initial = load_weights(path, kind).network
    try:
        network.load_state_dict(initial.state_dict())
    except RuntimeError:
        raise TrainingError(f"{path} is of another architecture: start from scratch") from None


def _smoothed(mean: float, value: float) -> float:
    return _SMOOTHING * mean + (1 - _SMOOTHING) * value


def _report(
    writer: SummaryWriter | None, bar: "tqdm[int]", step: int, figures: dict[str, float]
) -> None:
    if writer:
        for name, value in figures.items():
            writer.add_scalar(name, value, step)
        writer.flush()
    bar.write(f"step {step}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))
