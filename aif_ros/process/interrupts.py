"""Interrupts: Ctrl-C and the signals that ask a process to end.

A process chooses one of two ways:

- `note_interrupts` notes them, for a main loop that looks at the note. Nodes do so, because an
  exception raised within rclpy gets lost or leaves it in a mess.
- `raising_interrupts` raises KeyboardInterrupt, for a command that cleans up in `finally` blocks.

Either way `uninterrupted` defers them while something must be done to its end.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

_noted: list[int] = []
# Seconds until an interrupt that Python has dropped is raised again: long enough for the
# destructor that it struck to end.
_RAISE_AGAIN = 0.01


def note_interrupts() -> list[int]:
    """Note interrupts from now on until the process ends, instead of raising an exception.

    Returns:
        The signals noted since the first call; a later call returns the same list.
    """
    for each in INTERRUPTS:
        signal.signal(each, _note)
    return _noted


def ignore_interrupts() -> None:
    """Ignore interrupts until the process has ended: Python resets handlers before its end."""
    for each in INTERRUPTS:
        signal.signal(each, signal.SIG_IGN)


def _note(number: int, frame: FrameType | None) -> None:
    _noted.append(number)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Defer interrupts until the block is left; they then act as they would have before.

    Does nothing in other threads than the main one: only that one is interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    deferred: list[int] = []
    previous = {each: signal.getsignal(each) for each in INTERRUPTS}
    for each in INTERRUPTS:
        signal.signal(each, lambda number, _: deferred.append(number))
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
    for number in deferred[:1]:
        signal.raise_signal(number)


class Interrupted(KeyboardInterrupt):
    """An interrupt.

    Not KeyboardInterrupt itself: where that is raised within `exec`, as in the making of a
    dataclass, Python ends as killed by SIGINT, even if it is caught.
    """


@contextmanager
def raising_interrupts() -> Iterator[None]:
    """Let the first interrupt raise KeyboardInterrupt within the block; ignore all others.

    What follows the first one is cleaning up, which nothing may interrupt. Python drops exceptions
    raised within destructors: such an interrupt is raised again, by an alarm of the operating
    system. For the main thread, and the whole run of a command: after the block, too, interrupts
    are ignored.
    """
    previous_hook = sys.unraisablehook
    raised: list[int] = []

    def raise_once(number: int, frame: FrameType | None) -> None:
        if not raised:
            raised.append(number)
            raise Interrupted

    def raise_late(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    def raise_again(unraisable: "sys.UnraisableHookArgs") -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, _RAISE_AGAIN)
        else:
            previous_hook(unraisable)

    for each in INTERRUPTS:
        signal.signal(each, raise_once)
    signal.signal(signal.SIGALRM, raise_late)
    sys.unraisablehook = raise_again
    try:
        yield
    finally:
        for each in (*INTERRUPTS, signal.SIGALRM):
            signal.signal(each, signal.SIG_IGN)
        sys.unraisablehook = previous_hook
