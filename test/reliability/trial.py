"""What a trial of reliability is: something that is done many times, and what must come of it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Outcome:
    """What has come of the repetitions of a trial.

    Attributes:
        count: repetitions.
        failures: a line for each repetition that failed.
        missed: a line for each repetition that ended well, but later or with a J a little worse
            than the goal says: on a busy computer, which has fewer frames, that is no fault.
        figures: measured values for the table, by name.
        skipped: why the trial cannot be done here; empty: it was done.
    """

    count: int = 0
    failures: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    skipped: str = ""

    def measured(self, name: str, values: list[float], unit: str) -> None:
        """Add median and maximum of some values to the figures."""
        if values:
            middle = sorted(values)[len(values) // 2]
            self.figures[name] = f"median {middle:.2g}, at most {max(values):.2g} {unit}"


@dataclass(frozen=True)
class Trial:
    """One kind of trial.

    Attributes:
        name: what is done, for the table.
        goal: what must come of it, for the table.
        full: repetitions of the full form.
        short: of the short form.
        run: does it so many times; uses the random numbers and the empty folder.
    """

    name: str
    goal: str
    full: int
    short: int
    run: Callable[[int, random.Random, Path], Outcome]
