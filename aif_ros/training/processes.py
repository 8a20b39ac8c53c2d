"""The processes of a training: one alone, or several that torchrun has started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from aif_ros.weights.device import choose_device


class Processes(NamedTuple):
    """One process among those of a training.

    Attributes:
        rank: its number, from 0.
        world: number of all.
        device: that it computes on.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is the one that validates and writes files."""
        return self.rank == 0

    def parallel(self, network: nn.Module) -> nn.Module:
        """Return the network so that its gradients are averaged over all processes."""
        return DistributedDataParallel(network) if self.world > 1 else network


@contextmanager
def join_processes(device: str = "auto") -> Iterator[Processes]:
    """Join the processes that torchrun has started, or be alone.

    Args:
        device: "auto" (a GPU where there is one), "cpu" or "cuda".

    Raises:
        ComputeDeviceError: "cuda" without a CUDA device.
    """
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    chosen = choose_device(device)
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(chosen)
    if world > 1:
        torch.distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(rank, world, chosen)
    finally:
        if world > 1:
            torch.distributed.destroy_process_group()
