"""Weights of the shipped networks, their model cards, and the one loader of weight files."""

from pathlib import Path

WEIGHTS = Path(__file__).resolve().parent
"""Folder of the shipped weights (`*.safetensors`) and model cards (`*.md`)."""


def is_weight_file(name: str) -> bool:
    """Whether a text names a weight file, not a shipped method."""
    return name.endswith(".safetensors")
