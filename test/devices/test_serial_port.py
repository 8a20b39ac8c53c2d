"""The serial line itself, against a device that answers on a pseudo-terminal."""

import os
import select
import threading
import time
import tty

import pytest

from aif_ros.devices import serial_port
from aif_ros.devices.serial_port import SerialPort

END = b"\x04"


class Answering:
    """Answers each byte with `parts`, `pause` seconds apart, until it receives END."""

    def __init__(self, parts, pause):
        self.received = b""
        self.ended = threading.Event()
        self._parts = parts
        self._pause = pause
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while (byte := os.read(self._master, 1)) != END:
            self.received += byte
            for part in self._parts:
                os.write(self._master, part)
                time.sleep(self._pause)
        self.ended.set()


def number(reply):
    return int(reply.removeprefix(b"<").removesuffix(b">"))


@pytest.fixture
def port():
    line = Answering([b"\xff noise>", b"<4", b"2>"], pause=0.05)
    port = SerialPort(line.path, "stage", 9600)
    yield port, line
    port.close()


def test_garbage_before_a_late_reply_is_skipped_without_a_second_request(port):
    port, line = port
    assert port.ask(b"?", number, end=b">", timeout=30.0) == 42
    port.send(END)
    assert line.ended.wait(30.0)
    assert line.received == b"?"


class Late:
    """Answers ``7?`` with ``7>``: the first request when it is repeated, the second one later."""

    def __init__(self):
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        first, second = self._request(), self._request()
        os.write(self._master, first)
        select.select([self._master], [], [], 0.2)
        os.write(self._master, second)
        while reply := self._request():
            os.write(self._master, reply)

    def _request(self):
        request = b""
        while (byte := os.read(self._master, 1)) not in (b"?", END):
            request += byte
        return request + b">" if byte != END else b""


def test_a_reply_that_is_late_is_not_taken_for_that_of_the_next_request(monkeypatch):
    line = Late()
    monkeypatch.setattr(serial_port, "REPLY_TIMEOUT", 3.0)
    port = SerialPort(line.path, "stage", 9600)
    assert port.ask(b"1?", number, end=b">") == 1
    # The reply to the repeated request is still to come.
    assert port.ask(b"2?", number, end=b">") == 2
    assert port.ask(b"3?", number, end=b">") == 3
    port.send(END)
    port.close()


def test_a_process_that_is_stopped_while_it_writes_has_not_lost_the_line(monkeypatch):
    """A busy computer: pyserial counts that time as time in which nothing could be written."""
    line = Answering([], pause=0.0)
    monkeypatch.setattr(serial_port, "REPLY_TIMEOUT", 0.05)
    port = SerialPort(line.path, "stage", 9600)
    write = os.write

    def slow(descriptor, content):
        written = write(descriptor, content)
        time.sleep(0.2)
        return written

    monkeypatch.setattr(os, "write", slow)
    port.send(b"?")
    port.send(END)
    assert line.ended.wait(30.0)
    assert line.received == b"?"
    port.close()
