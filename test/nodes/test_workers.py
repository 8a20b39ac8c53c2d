"""Worker threads of a node."""

import threading

import pytest
from patience import PATIENCE

from aif_ros.nodes.workers import Workers


@pytest.fixture
def errors():
    return []


@pytest.fixture
def workers(errors):
    made = Workers(errors.append)
    yield made
    made.stop()


def test_a_function_is_called_again_and_again(workers):
    called = threading.Semaphore(0)
    workers.repeat(called.release, "again")
    for _ in range(3):
        assert called.acquire(timeout=PATIENCE)


def test_threads_have_their_names_and_end_when_stopped(workers):
    names, seen = [], threading.Event()

    def body():
        names.append(threading.current_thread().name)
        seen.set()
        workers.pause(PATIENCE)

    workers.repeat(body, "patient")
    assert seen.wait(PATIENCE)
    workers.stop()
    assert names == ["patient"]
    assert workers.stopping
    assert "patient" not in {thread.name for thread in threading.enumerate()}


def test_an_error_is_reported_and_the_function_called_again(workers, errors):
    again = threading.Event()

    def body():
        if errors:
            again.set()
        else:
            raise ValueError("once")

    workers.repeat(body, "failing")
    assert again.wait(PATIENCE)
    assert [str(error) for error in errors] == ["once"]


def test_errors_while_stopping_are_not_reported(workers, errors):
    begun = threading.Event()

    def body():
        begun.set()
        workers.pause(PATIENCE)
        raise OSError("the other node has gone")

    workers.repeat(body, "late")
    assert begun.wait(PATIENCE)
    workers.stop()
    assert errors == []


def test_after_a_stop_nothing_runs_until_it_is_allowed(workers):
    workers.stop()
    called = threading.Event()
    workers.repeat(called.set, "early")
    workers.stop()
    assert not called.is_set()
    workers.allow()
    workers.repeat(called.set, "allowed")
    assert called.wait(PATIENCE)
