"""Nodes are killed or paused while the loop runs."""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

from harness import NODES, Pipeline, active, pipeline, seconds_since, tracebacks
from trial import Outcome, Trial

# Seconds: until a fault must be noticed, back after that, recovery after a pause.
_NOTICED, _BACK, _RECOVERED = 4.0, 3.0, 5.0
# J may be this much worse than that of an undisturbed run, dB.
_TOLERANCE = 0.1
# From here on, dB, a frame is missing in J: the least important of the positions gives 1.1 dB.
_LOST = 0.6
# Runs of the loop without a fault, of which the worst is what the others are compared with: J
# differs by 0.1 dB with the order of the positions and the noise of the camera.
_RUNS = 3
# Seconds within which a node must be back, or the loop come to its end, on a busy computer: at ten
# times the load that two cores can bear, a node takes 35 s to start.
_END = 180.0


def _undisturbed(observed: Pipeline) -> float:
    """Return the lowest quality of J of some runs without a fault, dB."""
    qualities = []
    for _ in range(_RUNS):
        assert observed.reset() and observed.stops(_END)
        qualities.append(observed.psnr())
    return min(qualities)


def _judge_picture(
    observed: Pipeline, undisturbed: float, here: str, outcome: Outcome, lost: list[float]
) -> None:
    """Let the loop end, and compare J with the undisturbed one, dB."""
    if not observed.stops(_END):
        outcome.failures.append(f"{here}: the loop does not end")
        return
    lost.append(undisturbed - observed.psnr())
    if lost[-1] > _TOLERANCE:
        lines = outcome.failures if lost[-1] > _LOST else outcome.missed
        lines.append(f"{here}: J {lost[-1]:.2f} dB worse")


def kill(count: int, numbers: random.Random, folder: Path) -> Outcome:
    """Kill each node in turn, at a random time of a run of the loop."""
    outcome = Outcome(count)
    noticed, back, lost = [], [], []
    with pipeline(folder) as observed:
        undisturbed = _undisturbed(observed)
        for index in range(count):
            name = NODES[index % len(NODES)]
            observed.reset()
            observed.spin(numbers.uniform(0.0, 2.0))
            victim, begin = observed.kill(name), time.monotonic()
            here = f"{index} {name}"
            if not observed.replaced(name, victim, 20.0):
                outcome.failures.append(f"{here}: not noticed")
                continue
            noticed.append(seconds_since(begin))
            if not observed.restarted(_END):
                outcome.failures.append(f"{here}: not back")
                break
            back.append(seconds_since(begin) - noticed[-1])
            if noticed[-1] > _NOTICED or back[-1] > _BACK:
                outcome.missed.append(
                    f"{here}: noticed after {noticed[-1]:.1f} s, back after {back[-1]:.1f} s"
                )
            _judge_picture(observed, undisturbed, here, outcome, lost)
    outcome.failures += [f"traceback in {name}" for name in tracebacks(folder)]
    outcome.measured("noticed", noticed, "s")
    outcome.measured("back", back, "s")
    outcome.measured("J worse by", lost, "dB")
    return outcome


def pause(count: int, numbers: random.Random, folder: Path) -> Outcome:
    """Pause each node in turn for 6 to 12 s."""
    outcome = Outcome(count)
    recovered, lost = [], []
    with pipeline(folder) as observed:
        undisturbed = _undisturbed(observed)
        for index in range(count):
            name = NODES[index % len(NODES)]
            here = f"{index} {name}"
            victim = observed.running.pids[name]
            os.kill(victim, signal.SIGSTOP)
            observed.spin(numbers.uniform(6.0, 12.0))
            with suppress(ProcessLookupError):  # killed by the supervisor, and started again
                os.kill(victim, signal.SIGCONT)
            begin = time.monotonic()
            observed.running.spin_until(lambda: active(observed), _END)
            observed.reset()
            if not observed.running.spin_until(
                lambda: (
                    observed.running.state is not None
                    and observed.running.state.frames_captured > 0
                ),
                _END,
            ):
                outcome.failures.append(f"{here}: not recovered")
                continue
            recovered.append(seconds_since(begin))
            if recovered[-1] > _RECOVERED:
                outcome.missed.append(f"{here}: recovered after {recovered[-1]:.1f} s")
            _judge_picture(observed, undisturbed, here, outcome, lost)
    outcome.failures += [f"traceback in {name}" for name in tracebacks(folder)]
    outcome.measured("recovered", recovered, "s")
    outcome.measured("J worse by", lost, "dB")
    return outcome


KILL = Trial(
    "kill -9 of each node",
    "noticed <= 4 s, back <= 3 s after that, J within 0.1 dB of an undisturbed run",
    50,
    5,
    kill,
)
PAUSE = Trial("SIGSTOP of each node for 6 to 12 s", "recovery <= 5 s", 100, 2, pause)
