"""Progress of the commands that capture images."""

from typing import Any

from tqdm import tqdm


def image_progress(unit: str) -> "tqdm[Any]":
    """Return a bar that counts images and shows a text; none without a terminal.

    Args:
        unit: name of one of them, such as "frame".
    """
    return tqdm(unit=unit, disable=None, bar_format=f"{{n}} {unit}s, {{elapsed}} {{postfix}}")
