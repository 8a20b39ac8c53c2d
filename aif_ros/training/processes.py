"""The processes of a training: one alone, or several that torchrun has started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn

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

    def average_gradients(self, network: nn.Module) -> None:
        """Average the gradients of a network over all processes.

        In one message: these networks are small. Parameters that a step does not use have no
        gradient in any process, which `DistributedDataParallel` refuses.
        """
        if self.world == 1:
            return
        gradients = [each.grad for each in network.parameters() if each.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(flat)
        parts = (flat / self.world).split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


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
