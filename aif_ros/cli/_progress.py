"""Progress bars of the commands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm


def image_progress(unit: str) -> "tqdm[Any]":
    """Return a bar that counts images and shows a text; none without a terminal.

    Args:
        unit: name of one of them, such as "frame".
    """
    return tqdm(unit=unit, disable=None, bar_format=f"{{n}} {unit}s, {{elapsed}} {{postfix}}")


@contextmanager
def named_progress(total: int, unit: str) -> Iterator[Callable[[str], None]]:
    """Show a bar; what it yields advances the bar by one and shows a name beside it.

    Args:
        total: number of units.
        unit: name of one of them, such as "set".
    """
    with tqdm(total=total, unit=unit) as bar:

        def advance(name: str) -> None:
            bar.set_description(name)
            bar.update()

        yield advance
