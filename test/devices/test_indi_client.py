"""The INDI client against a server that is scripted in the test; real drivers: `test_indi.py`."""

import math
import socket

import pytest

from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.devices.indi_client import IndiAddress, IndiClient, number

PATIENCE = 30.0
"""Seconds that anything may take on a busy machine."""


def switch(state):
    return (
        '<defSwitchVector device="Focuser &amp; Co" name="CONNECTION" state="Ok">'
        f'<defSwitch name="CONNECT">{state}</defSwitch></defSwitchVector>'
    )


def position(value, *, tag="set", message=""):
    return (
        f'<{tag}NumberVector device="Focuser &amp; Co" name="POSITION" state="Ok"'
        f'{message}><{"def" if tag == "def" else "one"}Number name="P" min="0" max="100">{value}'
        f"</{'def' if tag == 'def' else 'one'}Number></{tag}NumberVector>"
    )


class Server:
    """One connection; the test reads what the client sends and writes what it shall receive."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self.port = self._listener.getsockname()[1]
        self.connection = None

    def accept(self):
        self.connection, _ = self._listener.accept()
        self.connection.settimeout(PATIENCE)

    def send(self, text):
        self.connection.sendall(text.encode())

    def read_until(self, end):
        received = ""
        while end not in received:
            part = self.connection.recv(65536).decode()
            assert part, f"closed before {end}: {received}"
            received += part
        return received

    def close(self):
        for each in (self.connection, self._listener):
            if each is not None:
                each.close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def client(server):
    client = IndiClient(IndiAddress("127.0.0.1", server.port, "Focuser & Co"), "the focuser")
    server.accept()
    yield client
    client.close()


def test_it_asks_for_the_properties_of_its_device(server, client):
    sent = server.read_until("/>")
    assert sent == '<getProperties version="1.7" device="Focuser &amp; Co"/>'


def test_it_connects_a_device_that_is_not_connected(server, client):
    server.send(switch("Off") + position(7, tag="def"))
    vector = client.connect("POSITION", 1)
    assert 'name="CONNECT">On<' in server.read_until("</newSwitchVector>")
    assert (vector.values, vector.bounds) == ({"P": "7"}, {"P": (0.0, 100.0)})


def test_a_connected_device_is_left_connected(server, client):
    server.send(switch("On") + position(7, tag="def"))
    client.connect("POSITION", 1)
    client.send_number("POSITION", "P", 12.5)
    sent = server.read_until("</newNumberVector>")
    assert "newSwitchVector" not in sent
    assert '<oneNumber name="P">12.5</oneNumber>' in sent


def test_it_waits_for_a_report_newer_than_the_known_ones(server, client):
    server.send(position(7, tag="def"))
    first = client.wait_for("POSITION", PATIENCE, "is silent").revision
    server.send(position(8))
    assert client.wait_for("POSITION", PATIENCE, "is silent", first).values == {"P": "8"}


def test_a_report_that_does_not_come_is_an_error_with_what_the_driver_says(server, client):
    server.send(position(7, tag="def", message=' message="[ERROR] the motor is hot"'))
    client.wait_for("POSITION", PATIENCE, "is silent")
    with pytest.raises(DeviceError, match=r"the focuser is silent \(it reports: the motor is hot"):
        client.wait_for("TEMPERATURE", 0.0, "is silent")


def test_a_property_that_is_not_defined_is_empty(client):
    assert client.vector("TEMPERATURE").revision == 0


@pytest.mark.parametrize("last", ["", "</indi>"], ids=["closed", "no XML"])
def test_a_lost_connection_wakes_who_waits(server, client, last):
    server.send(last)
    server.connection.shutdown(socket.SHUT_RDWR)
    with pytest.raises(ConnectionLostError, match="connection to the INDI server was lost"):
        client.wait_for("POSITION", PATIENCE, "is silent")


def test_a_closed_client_says_so(client):
    client.close()
    with pytest.raises(ConnectionLostError, match="open it again"):
        client.vector("POSITION")


@pytest.mark.parametrize("text, value", [("1.5", 1.5), ("", math.nan), ("12:30", math.nan)])
def test_numbers(text, value):
    assert number(text) == pytest.approx(value, nan_ok=True)
