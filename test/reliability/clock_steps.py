"""The clocks of camera and lens step, drift or are none; frames are fused again afterwards."""

import random
import time
from collections.abc import Callable
from pathlib import Path

from bench import MILLISECOND, Bench, texture
from harness import seconds_since
from trial import Outcome, Trial

from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import CAMERA_IMAGE, FUSED_IMAGE, LENS_STATE
from aif_ros.types.frame import LensState

_SECOND, _HOUR = 10**9, 3600 * 10**9
# Seconds of wrong stamps, and until frames must be fused again afterwards.
_WRONG, _RECOVERED = 2.0, 5.0

Clock = Callable[[int], int]


def _shifted(offset: int) -> Clock:
    return lambda now: now + offset


def _right(now: int) -> int:
    return now


def _zero(now: int) -> int:
    return 0


def _boot(now: int) -> int:
    """Time since the computer was started, as some drivers stamp."""
    return time.monotonic_ns()


def _drift(now: int) -> int:
    """A clock that runs 5 % fast since some time this hour."""
    return now + now % _HOUR // 20


FAULTS: dict[str, tuple[Clock, Clock]] = {
    **{
        f"{name} {offset // _SECOND:+d} s": clocks
        for offset in (-_HOUR, -_SECOND, _SECOND, _HOUR)
        for name, clocks in {
            "camera": (_shifted(offset), _right),
            "lens": (_right, _shifted(offset)),
            "both": (_shifted(offset), _shifted(offset)),
        }.items()
    },
    "camera zero": (_zero, _right),
    "lens zero": (_right, _zero),
    "both zero": (_zero, _zero),
    "camera since boot": (_boot, _right),
    "camera drifts": (_drift, _right),
    "lens drifts": (_right, _drift),
    "swapped": (_shifted(-_HOUR), _shifted(_HOUR)),
}
"""Clocks of camera and lens by the name of the fault."""


def step(count: int, numbers: random.Random, folder: Path) -> Outcome:
    """Let one fault after the other happen, with right stamps in between."""
    outcome = Outcome(count)
    recovered: list[float] = []
    bench = Bench()
    try:
        bench.active(FusionNode)
        fused = bench.listen(FUSED_IMAGE)
        states, images = bench.talk(LENS_STATE), bench.talk(CAMERA_IMAGE)
        positions = iter(range(10**9))

        def play(camera: Clock, lens: Clock) -> None:
            """One frame at a position of its own."""
            position = 1e-4 * (1 + next(positions) % 10)
            for offset in (0, 10, 20, 30):
                stamp = time.time_ns() + offset * MILLISECOND
                states(LensState(max(0, lens(stamp)), position, False))
            stamp = max(0, camera(time.time_ns() + 15 * MILLISECOND))
            images(StampedImage(texture(seed=next(positions) % 50), stamp, "camera"))
            bench.spin_for(0.05)

        names = list(FAULTS)
        for index in range(count):
            name = names[index % len(names)]
            begin = time.monotonic()
            while seconds_since(begin) < _WRONG * numbers.uniform(0.2, 1.0):
                play(*FAULTS[name])
            fused.clear()
            begin = time.monotonic()
            while not fused and seconds_since(begin) < 4.0 * _RECOVERED:
                play(_right, _right)
            recovered.append(seconds_since(begin))
            if not fused:
                outcome.failures.append(f"{index} {name}: not recovered")
            elif recovered[-1] > _RECOVERED:
                outcome.missed.append(f"{index} {name}: {recovered[-1]:.1f} s")
    finally:
        bench.close()
    outcome.measured("recovered", recovered, "s")
    return outcome


STEP = Trial(
    "clock steps of camera, lens, both: +-1 s, +-1 h, zero, swap, drift",
    "recovery <= 5 s after the stamps are right again",
    100,
    len(FAULTS),
    step,
)
