"""Measure how long each lens backend takes from a command to the start of its (simulated) motor.

Serial backends talk to a simulated device over a pseudo-terminal, Alpaca to a simulated server,
INDI through indiserver to a simulated driver, Micro-Manager to its demonstration stage: the times
are what the package adds to the reaction of a real device. V4L2 has no simulator.

Examples:
  aif benchmark devices
  aif benchmark devices --commands 500 --json reaction.json
"""

from dataclasses import dataclass
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli import JsonFile, write_json
from aif_ros.settings.declaration import Limits


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    commands: Annotated[
        int, tyro.conf.arg(metavar="N"), Limits(1, 10**5), Doc("Moves of each lens.")
    ] = 100
    seed: Annotated[int, Limits(0, 2**31 - 1), Doc("Seed of the positions.")] = 0
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Measure and print."""
    import numpy as np

    from aif_ros.benchmarks.device_reaction import BACKENDS, reaction_times
    from aif_ros.devices.device import MissingDependencyError

    rng = np.random.default_rng(args.seed)
    result: dict[str, dict[str, float]] = {}
    print(f"{'command to motion, ms':24}{'median':>8}{'95 %':>8}{'most':>8}")
    for name in BACKENDS:
        try:
            times = reaction_times(name, args.commands, rng)
        except MissingDependencyError as error:
            print(f"{name:24}  {error}")
            continue
        median, p95 = (float(value) for value in np.percentile(times, (50, 95)))
        result[name] = {"median": median, "p95": p95, "most": max(times)}
        print(f"{name:24}{median:8.2f}{p95:8.2f}{max(times):8.2f}")
    write_json({"reaction_ms": result, "commands": args.commands}, args.json)
    return 0
