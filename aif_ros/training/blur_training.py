"""The training loop that both blur networks share.

Patches are made by worker processes while the network learns from a pool of the latest ones:
making one costs more than learning from it, so that each serves several times, mirrored anew.
"""

import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from aif_ros.defocus.networks import Architecture, BlurNetwork
from aif_ros.simulation.patches import training_patches
from aif_ros.simulation.photos import read_photo

_LOGGER = logging.getLogger(__name__)

Batch = dict[str, Tensor]
Loss = Callable[[Tensor, Batch], Tensor]
Validation = Callable[[BlurNetwork], dict[str, float]]


@dataclass(frozen=True)
class Settings:
    """Everything a training depends on beside its photos.

    Attributes:
        seed: of weights and patches.
        minutes: time to train; the learning rate falls to zero over it.
        steps: train for so many steps instead, whatever the time.
        batch: patches per step and process.
        size: side of a patch, pixels.
        largest: largest blur radius, pixels.
        learning_rate: at its highest.
        weight_decay: of AdamW.
        reuse: how many times each patch is learned from, on average.
        pool: number of patches kept to learn from.
        workers: processes that make patches.
        validate_every: seconds between validations and checkpoints.
    """

    seed: int = 1
    minutes: float = 27.0
    steps: int | None = None
    batch: int = 32
    size: int = 256
    largest: float = 64.0
    learning_rate: float = 2.5e-3
    weight_decay: float = 1e-2
    reuse: int = 3
    pool: int = 8192
    workers: int = 1
    validate_every: float = 120.0


class _Patches(IterableDataset[Batch]):
    """Endless batches of fresh patches."""

    def __init__(self, photos: list[Path], settings: Settings, count: int, epoch: int) -> None:
        self._paths, self._settings, self._count, self._epoch = photos, settings, count, epoch

    def __iter__(self) -> Iterator[Batch]:
        settings, info = self._settings, get_worker_info()
        # One process, one core: the libraries' own threads would only fight over it.
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        random = np.random.default_rng((settings.seed, self._epoch, info.id if info else 0))
        photos = [read_photo(path) for path in self._paths]
        waiting: list[Any] = []
        while True:
            photo = photos[random.integers(len(photos))]
            if min(photo.shape[:2]) > settings.size:
                waiting.extend(
                    training_patches(photo, settings.size, 4, random, largest=settings.largest)
                )
            if len(waiting) >= self._count:
                batch, waiting = waiting[: self._count], waiting[self._count :]
                yield {
                    "luma": torch.from_numpy(np.stack([p.luma for p in batch])),
                    "radius": torch.from_numpy(np.stack([p.radius for p in batch])),
                    "weight": torch.from_numpy(np.stack([p.weight for p in batch])).float(),
                    "one_depth": torch.tensor([p.one_depth for p in batch]),
                }


class _Pool:
    """The latest patches, drawn from at random."""

    def __init__(self, capacity: int) -> None:
        self._capacity, self._next, self._filled = capacity, 0, 0
        self._stored: Batch = {}

    def put(self, batch: Batch) -> None:
        count = len(batch["luma"])
        if not self._stored:
            self._stored = {
                name: torch.empty((self._capacity, *value.shape[1:]), dtype=value.dtype)
                for name, value in batch.items()
            }
        slots = (torch.arange(count) + self._next) % self._capacity
        for name, value in batch.items():
            self._stored[name][slots] = value
        self._next = int(self._next + count) % self._capacity
        self._filled = min(self._filled + count, self._capacity)

    def draw(self, count: int) -> Batch:
        """Draw a batch, each patch mirrored or turned alike."""
        slots = torch.randint(self._filled, (count,))
        batch = {name: value[slots] for name, value in self._stored.items()}
        axes = [axis for axis in (1, 2) if torch.rand(()) < 0.5]
        transpose = bool(torch.rand(()) < 0.5)
        for name in ("luma", "radius", "weight"):
            batch[name] = batch[name].flip(axes) if axes else batch[name]
            if transpose:
                batch[name] = batch[name].transpose(1, 2)
        return batch


def _rank() -> int:
    return int(os.environ.get("RANK", 0))


def is_first_process() -> bool:
    """Whether this process, under torchrun or alone, is the one that writes files."""
    return _rank() == 0


def train(
    architecture: Architecture,
    loss: Loss,
    validate: Validation,
    photos: list[Path],
    settings: Settings,
    folder: Path,
    *,
    resume: bool = False,
) -> tuple[BlurNetwork, dict[str, float]]:
    """Train a network; under torchrun on one device per process.

    Args:
        architecture: of the network.
        loss: of the logits (B, classes, h, w) for a batch.
        validate: figures of a network on held-out photos.
        photos: sharp photos to train on.
        settings: how.
        folder: for `checkpoint.pt`, `settings.json` and TensorBoard's files.
        resume: go on from the folder's checkpoint, if there is one.

    Returns:
        The network on the CPU, and the figures of the last validation.
    """
    rank, world = _rank(), int(os.environ.get("WORLD_SIZE", 1))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if world > 1:
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    torch.manual_seed(settings.seed)
    network = BlurNetwork(architecture).to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    checkpoint = folder / "checkpoint.pt"
    step, elapsed = 0, 0.0
    if resume and checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        step, elapsed = state["step"], state["elapsed"]
    elif resume:
        _LOGGER.warning("no checkpoint in %s: training from scratch", folder)
    torch.manual_seed(settings.seed * 1000 + rank + 7919 * step)
    model = DistributedDataParallel(network) if world > 1 else network

    folder.mkdir(parents=True, exist_ok=True)
    if rank == 0:
        (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=2) + "\n")
    writer = SummaryWriter(str(folder)) if rank == 0 else None
    fresh = max(settings.batch // settings.reuse, 1)
    source = iter(
        DataLoader(
            _Patches(photos, settings, fresh, step * world + rank),
            batch_size=None,
            num_workers=settings.workers,
            prefetch_factor=16 if settings.workers else None,
            # A plain fork would copy OpenCV's threads in a locked state.
            multiprocessing_context="forkserver" if settings.workers else None,
        )
    )
    pool = _Pool(settings.pool)
    for _ in range(max(8 * settings.batch // fresh, 1)):
        pool.put(next(source))

    total = settings.steps or None
    bar = tqdm(total=total, initial=step, unit="step", disable=rank != 0, mininterval=10)
    started = time.monotonic() - elapsed
    validated, figures, running = time.monotonic(), {}, 0.0
    while True:
        elapsed = time.monotonic() - started
        progress = step / total if total else elapsed / (60 * settings.minutes)
        if world > 1:
            # The processes' clocks differ: all go by the first one's.
            shared = torch.tensor(progress, device=device)
            torch.distributed.broadcast(shared, 0)
            progress = float(shared)
        if progress >= 1:
            break
        rate = (
            settings.learning_rate
            * min((step + 1) / 300, 1)
            * 0.5
            * (1 + math.cos(math.pi * progress))
        )
        for group in optimiser.param_groups:
            group["lr"] = rate
        pool.put(next(source))
        batch = {name: value.to(device) for name, value in pool.draw(settings.batch).items()}
        luma = (batch["luma"][:, None].float() / 255).contiguous(memory_format=torch.channels_last)
        # bfloat16 has the range of float32: no scaling needed, and CPUs compute it faster too.
        with torch.autocast(device.type, torch.bfloat16):
            logits = model(luma)
        value = loss(logits.float(), batch)
        optimiser.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        running = (
            float(value.detach()) if step == 1 else 0.98 * running + 0.02 * float(value.detach())
        )
        bar.update()
        if rank == 0 and time.monotonic() - validated > settings.validate_every:
            figures = validate(network.eval())
            network.train()
            _report(writer, bar, step, {"loss": running, **figures}, rate)
            _save_checkpoint(checkpoint, network, optimiser, step, time.monotonic() - started)
            validated = time.monotonic()
    if rank == 0:
        figures = validate(network.eval())
        _report(writer, bar, step, {"loss": running, **figures}, 0.0)
        _save_checkpoint(checkpoint, network, optimiser, step, time.monotonic() - started)
        figures["steps"] = step
    bar.close()
    if writer:
        writer.close()
    if world > 1:
        torch.distributed.destroy_process_group()
    return network.eval().cpu(), figures


def _report(
    writer: SummaryWriter | None,
    bar: "tqdm[Any]",
    step: int,
    figures: dict[str, float],
    rate: float,
) -> None:
    if writer:
        for name, value in {**figures, "learning_rate": rate}.items():
            writer.add_scalar(name, value, step)
    bar.write(f"step {step}: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items()))


def _save_checkpoint(
    path: Path, network: BlurNetwork, optimiser: torch.optim.Optimizer, step: int, elapsed: float
) -> None:
    state = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
        "elapsed": elapsed,
    }
    # Written aside first: an interruption must not leave half a checkpoint.
    aside = path.with_suffix(".tmp")
    torch.save(state, aside)
    aside.replace(path)
