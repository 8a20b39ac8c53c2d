"""Run the trials of reliability and print a table of goals and results.

Examples:
  scripts/reliability --short
  scripts/reliability --kills 10 --pauses 10
  scripts/reliability --full
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from clock_steps import STEP
from interruptions import INTERRUPT
from links import LINK
from messages import FUZZ
from node_faults import KILL, PAUSE
from soak import SOAK
from trial import Outcome, Trial
from writing import WRITE

TRIALS: dict[str, Trial] = {
    "interruptions": INTERRUPT,
    "kills": KILL,
    "pauses": PAUSE,
    "clocks": STEP,
    "messages": FUZZ,
    "writes": WRITE,
    "links": LINK,
    "soak": SOAK,
}
"""By the name of the option that gives the number of repetitions (of the soak: of minutes)."""


def row(trial: Trial, outcome: Outcome) -> str:
    """Return the row of the table for a trial."""
    if outcome.skipped:
        return f"| {trial.name} | {trial.goal} | not done: {outcome.skipped} |"
    figures = "; ".join(f"{name}: {value}" for name, value in outcome.figures.items())
    failed = (
        f"{len(outcome.failures)} failures, {len(outcome.missed)} goals missed in {outcome.count}"
    )
    return f"| {trial.name} | {trial.goal} | {failed}{'; ' if figures else ''}{figures} |"


def main() -> int:
    """Run what is asked for; the exit code is 1 if anything failed or missed its goal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--short", action="store_true", help="every trial in its short form")
    form.add_argument("--full", action="store_true", help="every trial in its full form (hours)")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers")
    for name, trial in TRIALS.items():
        parser.add_argument(
            f"--{name}", type=int, metavar="N", help=f"{trial.name}; full: {trial.full}"
        )
    options = parser.parse_args()
    rows, failed = [], False
    for name, trial in TRIALS.items():
        default = trial.full if options.full else trial.short if options.short else 0
        count = default if getattr(options, name) is None else getattr(options, name)
        if not count:
            continue
        print(f"{trial.name}: {count} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix=f"aif_{name}_") as folder:
            outcome = trial.run(count, random.Random(options.seed), Path(folder))
        for failure in (*outcome.failures, *outcome.missed):
            print(f"  {failure}", file=sys.stderr, flush=True)
        failed = failed or bool(outcome.failures or outcome.missed)
        rows.append(row(trial, outcome))
        print(rows[-1], file=sys.stderr, flush=True)
    if not rows:
        parser.error("nothing to do: give --short, --full or numbers of repetitions")
    print("| trial | goal | result |\n|---|---|---|")
    print("\n".join(rows))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
