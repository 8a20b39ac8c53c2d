"""Weights of the shipped networks and their model cards."""

from pathlib import Path

WEIGHTS = Path(__file__).resolve().parent
"""Folder of the shipped weights (`*.safetensors`) and model cards (`*.md`)."""
