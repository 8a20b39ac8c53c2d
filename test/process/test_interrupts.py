"""Interrupts, in processes of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

import aif_ros
from aif_ros.process.interrupts import INTERRUPTS

ROOT = Path(aif_ros.__file__).parents[1]


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    return done.returncode, done.stdout.split(), done.stderr


@pytest.mark.parametrize("number", INTERRUPTS, ids=lambda each: each.name)
def test_noted_interrupts_raise_nothing_however_often(number):
    code = f"""
import signal
from aif_ros.process.interrupts import note_interrupts
noted = note_interrupts()
for _ in range(3):
    signal.raise_signal({int(number)})
print(len(noted), note_interrupts() is noted)
"""
    assert run(code) == (0, ["3", "True"], "")


@pytest.mark.parametrize("number", INTERRUPTS, ids=lambda each: each.name)
def test_deferred_interrupts_act_at_the_end_of_the_block(number):
    code = f"""
import signal
from aif_ros.process.interrupts import raising_interrupts, uninterrupted
try:
    with raising_interrupts():
        try:
            with uninterrupted():
                signal.raise_signal({int(number)})
                with uninterrupted():
                    signal.raise_signal({int(number)})
                print("done")
        finally:
            print("cleaned")
except KeyboardInterrupt:
    signal.raise_signal({int(number)})
    print("ended")
"""
    assert run(code) == (0, ["done", "cleaned", "ended"], "")


def test_an_interrupt_within_a_destructor_is_not_lost():
    code = """
import os, signal, time
from aif_ros.process.interrupts import raising_interrupts

class Struck:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass

try:
    with raising_interrupts():
        Struck()
        for _ in range(1000):
            time.sleep(0.01)
        print("lost")
except KeyboardInterrupt:
    print("ended")
"""
    assert run(code) == (0, ["ended"], "")


@pytest.mark.parametrize("number", INTERRUPTS, ids=lambda each: each.name)
def test_further_interrupts_do_not_stop_the_cleaning_up(number):
    code = f"""
import signal
from aif_ros.process.interrupts import raising_interrupts
try:
    with raising_interrupts():
        try:
            signal.raise_signal({int(number)})
        finally:
            signal.raise_signal({int(number)})
            print("cleaned")
except KeyboardInterrupt:
    print("ended")
"""
    assert run(code) == (0, ["cleaned", "ended"], "")


@pytest.mark.parametrize("number", INTERRUPTS, ids=lambda each: each.name)
def test_ignored_interrupts_do_not_end_a_process_that_ends_already(number):
    code = f"""
import os
from aif_ros.process.interrupts import ignore_interrupts, note_interrupts

class Late:
    kill, pid = os.kill, os.getpid()

    def __del__(self):  # after Python has reset the handlers
        self.kill(self.pid, {int(number)})

note_interrupts()
late = Late()
ignore_interrupts()
"""
    assert run(code) == (0, [], "")


@pytest.mark.parametrize("number", INTERRUPTS, ids=lambda each: each.name)
def test_an_interrupt_within_exec_is_over_once_it_is_caught(number):
    code = f"""
import signal
from aif_ros.process.interrupts import raising_interrupts
try:
    with raising_interrupts():
        exec("signal.raise_signal({int(number)})")
except KeyboardInterrupt:
    print("caught")
"""
    assert run(code) == (0, ["caught"], "")
