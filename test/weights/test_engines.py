"""What computes the networks, for diagnostics."""

import pytest

from aif_ros.weights import engines as module
from aif_ros.weights.engines import engines, note_engine


@pytest.fixture(autouse=True)
def nothing_noted(monkeypatch):
    monkeypatch.setattr(module, "_engines", {})


def test_the_newest_note_of_each_network_counts():
    note_engine("blur", "PyTorch, cpu")
    note_engine("fusion", "PyTorch, cpu")
    note_engine("blur", "ONNX Runtime, cpu")
    assert engines() == {"blur": "ONNX Runtime, cpu", "fusion": "PyTorch, cpu"}


def test_what_is_returned_does_not_change_later():
    before = engines()
    note_engine("blur", "PyTorch, cpu")
    assert before == {}
