"""The processes of a training, of which this is one alone."""

import pytest
import torch
from torch import nn

from aif_ros.training.processes import Processes, join_processes
from aif_ros.weights.device import ComputeDeviceError

CPU = torch.device("cpu")


def test_alone_unless_torchrun_says_otherwise(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with join_processes("cpu") as processes:
        assert processes == Processes(0, 1, CPU)
        assert processes.is_first
    assert not torch.distributed.is_initialized()


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ComputeDeviceError), join_processes("cuda"):
        pass


def test_alone_gradients_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(torch.distributed, "all_reduce", None)
    network = nn.Linear(2, 1)
    network(torch.ones(1, 2)).sum().backward()
    before = network.weight.grad.clone()
    Processes(0, 1, CPU).average_gradients(network)
    assert torch.equal(network.weight.grad, before)


def test_gradients_are_averaged_in_one_message_without_those_not_in_use(monkeypatch):
    sent = []

    def sum_of_three(flat):
        sent.append(flat.clone())
        flat *= 6  # as if the others had gradients of two and three times as much

    monkeypatch.setattr(torch.distributed, "all_reduce", sum_of_three)
    network = nn.ModuleDict({"used": nn.Linear(2, 3), "unused": nn.Linear(5, 5)})
    network["used"](torch.tensor([[1.0, 2.0]])).square().sum().backward()
    before = [parameter.grad.clone() for parameter in network["used"].parameters()]
    Processes(1, 3, CPU).average_gradients(network)
    assert len(sent) == 1
    assert len(sent[0]) == 9
    for parameter, gradient in zip(network["used"].parameters(), before, strict=True):
        torch.testing.assert_close(parameter.grad, 2 * gradient)
    assert network["unused"].weight.grad is None
