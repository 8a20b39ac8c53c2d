"""The nodes get invalid messages."""

import math
import random
from pathlib import Path
from typing import Any

import psutil
from harness import pipeline, tracebacks
from trial import Outcome, Trial

from aif_ros.nodes import topics
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel

TARGETS = (
    topics.CAMERA_IMAGE,
    topics.CAMERA_INFO,
    topics.LENS_STATE,
    topics.LENS_FAULT,
    topics.LENS_LIMITS,
    topics.LENS_COMMANDS,
    topics.FUSED_IMAGE,
    topics.SOURCE_SAMPLES,
    topics.FUSION_EPOCH,
    topics.LEFT_OUT,
    topics.DEFOCUS_MAPS,
    topics.FUSED_DEFOCUS_MAPS,
    topics.FOCUS_WINDOW,
    topics.AUTOFOCUS_BUSY,
)
"""Topics that a node subscribes to."""
_NUMBERS = (0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 1e308, 1e-320, 4e-4)
_TEXTS = ("", "mono8", "rgb8", "bgr8", "mono16", "32FC1", "32FC7", "focus", "\u0000", "x" * 300)
# Elements of the longest sequences, and of those of texts.
_LONGEST, _TEXTS_IN_A_LIST = 160 * 120, 64
# Messages of the largest size to begin with: DDS keeps the memory of the largest message that was
# in each place of a queue, and no queue has more places.
_PLACES = 60
# Messages after which the memory must not grow any more, as a share, and how much it may.
_WARM_UP, _GROWTH = 0.3, 0.05
# Messages between two checks of the pipeline.
_BATCH = 10


def _integer(numbers: random.Random, kind: str) -> int:
    bits = int("".join(filter(str.isdigit, kind)))
    signed = not kind.startswith("u")
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return min(high, max(low, numbers.choice((0, 1, 2, 3, 8, 64, 160, 480, low, high, high // 2))))


def _value(numbers: random.Random, kind: str, present: Any) -> Any:
    """Return a value for a field of this type, in the notation of rclpy."""
    if kind.startswith("sequence<"):
        inner = kind.removeprefix("sequence<").rstrip(">").split(",")[0]
        length = numbers.choice((0, 1, 2, 3, 7, 64, 1000, _LONGEST))
        values = [_value(numbers, inner, None) for _ in range(min(length, _TEXTS_IN_A_LIST))]
        return values if inner == "string" else values * max(1, length // _TEXTS_IN_A_LIST)
    if "[" in kind:  # of fixed length
        return present
    if kind.startswith(("int", "uint", "octet")):
        return _integer(numbers, kind if kind != "octet" else "uint8")
    if kind in ("float", "double"):
        number = numbers.choice(_NUMBERS)
        return number if kind == "double" else max(-3e38, min(3e38, number))
    if kind.startswith("boolean"):
        return numbers.random() < 0.5
    if kind.startswith("string"):
        return numbers.choice(_TEXTS)
    if present is None:
        raise TypeError(f"elements of type {kind} are left as they are")
    return spoilt(numbers, present)


def largest(message: Any) -> Any:
    """Return the message with its sequences and texts as long as `spoilt` makes them."""
    for name, kind in message.get_fields_and_field_types().items():
        inner = kind.removeprefix("sequence<").rstrip(">").split(",")[0]
        value: Any = max(_TEXTS, key=len) if inner == "string" else inner == "boolean"
        value = 0.0 if inner in ("float", "double") else value
        if kind == "string":
            setattr(message, name, value)
        elif kind.startswith("sequence<") and "/" not in inner:
            setattr(message, name, [value] * (_TEXTS_IN_A_LIST if inner == "string" else _LONGEST))
    return message


def spoilt(numbers: random.Random, message: Any) -> Any:
    """Return the message with some of its fields replaced by arbitrary values."""
    for name, kind in message.get_fields_and_field_types().items():
        if numbers.random() < 0.5:
            continue
        present = getattr(message, name)
        try:
            setattr(message, name, _value(numbers, kind, present))
        except (AssertionError, OverflowError, TypeError, ValueError):
            continue  # no such value can be sent
    return message


def fuzz(count: int, numbers: random.Random, folder: Path) -> Outcome:
    """Publish arbitrary messages on every topic that a node subscribes to."""
    outcome = Outcome(count)
    with pipeline(folder) as observed:
        node = observed.running.node
        publishers = [
            (topic, node.create_publisher(topic.message_type, topic.name, topic.publisher_qos))
            for topic in TARGETS
        ]
        processes = {name: psutil.Process(pid) for name, pid in observed.running.pids.items()}
        for topic, publisher in publishers:
            for _ in range(_PLACES):
                publisher.publish(largest(topic.message_type()))
                observed.spin(0.02)
        warm: dict[str, int] = {}
        for index in range(count):
            topic, publisher = numbers.choice(publishers)
            publisher.publish(spoilt(numbers, topic.message_type()))
            if index % _BATCH == 0:
                observed.spin(0.05)
            if not warm and index >= _WARM_UP * count:
                warm = {name: each.memory_info().rss for name, each in processes.items()}
        observed.spin(2.0)
        for name, process in processes.items():
            if observed.running.pids.get(name) != process.pid:
                outcome.failures.append(f"{name} has died or hung")
                continue
            growth = process.memory_info().rss / warm[name] - 1.0
            outcome.figures[name] = f"{growth:+.1%}"
            if growth > _GROWTH:
                outcome.failures.append(f"{name}: memory {growth:+.1%}")
        # What the nodes publish only when it changes.
        for topic, publisher in publishers:
            if topic is topics.AUTOFOCUS_BUSY:
                publisher.publish(topic.encode(False))
            elif topic is topics.LENS_FAULT:
                publisher.publish(topic.encode(""))
            elif topic is topics.LENS_LIMITS:
                publisher.publish(topic.encode(LensModel.load(DEFAULT_CALIBRATION).limits))
        observed.spin(1.0)
        for _, publisher in publishers:
            node.destroy_publisher(publisher)
        observed.reset()
        if not observed.stops(60.0):
            outcome.failures.append("the loop does not end after it")
    outcome.failures += [f"traceback in {name}" for name in tracebacks(folder)]
    return outcome


FUZZ = Trial(
    "fuzzed messages", "no death, no traceback, memory flat, the loop works", 20_000, 500, fuzz
)
