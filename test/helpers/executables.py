"""The nodes' executables, and their classes."""

import importlib
from pathlib import Path

import aif_ros

EXECUTABLES = sorted(
    path.stem
    for path in (Path(aif_ros.__file__).parent / "nodes").glob("*_node.py")
    if "\ndef main(" in path.read_text(encoding="utf-8")
)


def node_type(executable):
    module = importlib.import_module(f"aif_ros.nodes.{executable}")
    return getattr(module, "".join(word.capitalize() for word in executable.split("_")))
