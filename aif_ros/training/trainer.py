"""The trainer of all networks: schedule, checkpoints, validation, TensorBoard, processes.

By hand rather than by a framework: without logging, schedules and callbacks that are not needed
here, what is left of one is the loop below.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from aif_ros.training.card import About, DataSet, describe_data, source_commit
from aif_ros.training.checkpoint import Progress, Stopwatch, load_checkpoint, save_checkpoint
from aif_ros.training.processes import Processes
from aif_ros.training.recipe import Recipe
from aif_ros.weights.files import NetworkKind, load_weights

Network = TypeVar("Network", bound=nn.Module)


class TrainingError(Exception):
    """A training that cannot continue; the message says why and what to do."""


@dataclass(frozen=True)
class TrainingStep(Generic[Network]):
    """One step of a training.

    Attributes:
        number: of the step, from 0.
        network: that is trained.
        random: source of randomness, seeded for this step and process, as are PyTorch's random
            numbers.
        optimiser: of the network.
        processes: that train together.
        clip_norm: largest norm of the gradient.
    """

    number: int
    network: Network
    random: np.random.Generator
    optimiser: torch.optim.Optimizer
    processes: Processes
    clip_norm: float

    def descend(self, loss: Tensor) -> float:
        """Update the weights by the gradient of a loss, averaged over the processes.

        Returns:
            The loss.

        Raises:
            TrainingError: it is not finite.
        """
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} at step {self.number}: lower the learning rate"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.processes.average_gradients(self.network)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm)
        self.optimiser.step()
        return value


class Training(ABC, Generic[Network]):
    """What is particular to the training of one kind of network.

    Attributes:
        kind: of the network.
        about: what its card says whatever the run.
        optimiser_name: its optimiser, with source and library, for the card.
        recipe: how to train.
        files: that are trained on.
    """

    kind: NetworkKind[Network]
    about: About
    optimiser_name: str
    recipe: Recipe
    files: Sequence[Path]

    @abstractmethod
    def build(self) -> Network:
        """Return the untrained network; PyTorch's random numbers are seeded."""

    @abstractmethod
    def optimiser(self, network: Network) -> torch.optim.Optimizer:
        """Return the optimiser of a network."""

    @abstractmethod
    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step."""

    @abstractmethod
    def update(self, step: TrainingStep[Network]) -> dict[str, float]:
        """Update the weights by `TrainingStep.descend`, once or more; returns figures to log."""

    @abstractmethod
    def validate(self, network: Network) -> dict[str, float]:
        """Return figures of the network on data that it is not trained on."""

    def random(self, rank: int, step: int) -> np.random.Generator:
        """Return the random numbers of a step in the process of that rank."""
        return np.random.default_rng((self.recipe.seed, rank, step))

    def begin(self, first: int, processes: Processes, workers: int) -> None:
        """Prepare for the steps from `first` on, which ask for data in `processes`.

        Args:
            first: number of the first step.
            processes: those of a distributed training, and the place of this one.
            workers: processes that prepare data.
        """

    def fit_temperature(self, network: Network) -> dict[str, float]:
        """Fit the temperature of the outputs, if any, on the CPU; returns numbers to keep."""
        return {}

    def measure(self, network: Network) -> dict[str, float]:
        """Return the figures of the trained network, at its temperature, for its card."""
        return self.validate(network)

    def data(self) -> Sequence[DataSet]:
        """Return what the card says of the files that are trained on."""
        return describe_data(self.files)


def train(
    training: Training[Network],
    processes: Processes,
    folder: Path,
    *,
    resume: bool = False,
    workers: int = 1,
) -> tuple[Network, Progress]:
    """Train a network.

    Args:
        training: what to train, and on what.
        processes: that train together.
        folder: for checkpoint and TensorBoard.
        resume: continue from the folder's checkpoint.
        workers: processes that make samples, for each process that trains.

    Returns:
        The network, on the CPU; and what it took, earlier runs included.

    Raises:
        CheckpointError: the training cannot be resumed.
        PhotosError: the data cannot be trained on.
        TrainingError: the loss is not finite, or the initial weights do not fit.
        WeightsError: the initial weights cannot be used.
    """
    recipe = training.recipe
    torch.manual_seed(recipe.seed)
    network = training.build()
    if recipe.initial and not resume:
        _start_from(network, recipe.initial, training.kind)
    network.to(processes.device)
    optimiser = training.optimiser(network)
    progress = Progress()
    if resume:
        progress = load_checkpoint(folder, network, optimiser, asdict(recipe))
    first, watch = progress.step, Stopwatch(progress, source_commit())
    training.begin(first, processes, workers)
    folder.mkdir(parents=True, exist_ok=True)
    log = None
    if processes.is_first:
        writer = SummaryWriter(str(folder), purge_step=first)
        log = _Log(training, network, optimiser, folder, watch, writer)
    shown = tqdm(
        range(first, recipe.steps),
        initial=first,
        total=recipe.steps,
        unit="step",
        disable=not processes.is_first,
        mininterval=10,
    )
    for number in shown:
        figures = _update(training, network, optimiser, processes, number)
        if log is not None:
            log.add(number + 1, figures, training.learning_rate(number))
    if log is not None:
        log.writer.close()
    return network.eval().cpu(), watch.progress(recipe.steps)


def _update(
    training: Training[Network],
    network: Network,
    optimiser: torch.optim.Optimizer,
    processes: Processes,
    number: int,
) -> dict[str, float]:
    """Do a step of a training; returns figures to log."""
    for group in optimiser.param_groups:
        group["lr"] = training.learning_rate(number)
    # Seeded at every step, so that a resumed training continues like an uninterrupted one.
    random = training.random(processes.rank, number)
    torch.manual_seed(int(random.integers(2**62)))
    clip_norm = training.recipe.clip_norm
    step = TrainingStep(number, network, random, optimiser, processes, clip_norm)
    return training.update(step)


@dataclass
class _Log(Generic[Network]):
    """What is kept of a training: its curves, reports of some steps, and checkpoints.

    Attributes:
        training: what is trained.
        network: in training.
        optimiser: of its weights.
        folder: for checkpoints.
        watch: of the training.
        writer: of the curves.
    """

    training: Training[Network]
    network: Network
    optimiser: torch.optim.Optimizer
    folder: Path
    watch: Stopwatch
    writer: SummaryWriter
    _recent: list[Mapping[str, float]] = field(default_factory=list, init=False)

    def add(self, done: int, figures: Mapping[str, float], rate: float) -> None:
        """Log a step; validate, report and save where the recipe says so.

        Args:
            done: steps done.
            figures: of the step.
            rate: its learning rate.
        """
        recipe = self.training.recipe
        self._write(done, {**figures, "learning_rate": rate})
        self._recent.append(figures)
        if done % recipe.validate_every and done < recipe.steps:
            return
        report = _means(self._recent)
        self._recent.clear()
        # The trained network is measured once more, at its temperature.
        if done < recipe.steps:
            validation = self.training.validate(self.network.eval())
            self.network.train()
            self._write(done, validation)
            report |= validation
        tqdm.write(f"step {done}: " + ", ".join(f"{k} {v:.4g}" for k, v in report.items()))
        progress = self.watch.progress(done)
        save_checkpoint(self.folder, self.network, self.optimiser, progress, asdict(recipe))

    def _write(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self.writer.add_scalar(name, value, step)


def _start_from(network: Network, path: str, kind: NetworkKind[Network]) -> None:
    initial = load_weights(path, kind).network
    try:
        network.load_state_dict(initial.state_dict())
    except RuntimeError:
        raise TrainingError(f"{path} is of another architecture: start from scratch") from None


def _means(steps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each figure over the steps that have it."""
    names = dict.fromkeys(name for figures in steps for name in figures)
    return {
        name: float(np.mean([figures[name] for figures in steps if name in figures]))
        for name in names
    }
