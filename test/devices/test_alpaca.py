"""Alpaca focusers.

The server is the simulated one, or an independent one where AIF_ALPACA_SERVER=HOST:PORT names it
(such as that of the package alpaca-simulators).
"""

import os
import time

import pytest
from lens_contract import LensContract

from aif_ros.devices.clock import SystemClock
from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.devices.simulators.alpaca import SimulatedAlpaca

pytest.importorskip("alpaca", reason="needs alpyca")

from aif_ros.devices.alpaca import AlpacaLens, AlpacaSettings, parse_address

EXTERNAL = os.environ.get("AIF_ALPACA_SERVER", "")
SETTINGS = AlpacaSettings(settling_time=0.01, stall_timeout=0.5)


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def server():
    with SimulatedAlpaca() as server:
        yield server


class TestContract(LensContract):
    resolution = 0.5e-6

    @pytest.fixture
    def lens(self, server, clock):
        lens = AlpacaLens(EXTERNAL or server.address, clock, SETTINGS)
        yield lens
        lens.close()


@pytest.fixture
def lens(server, clock):
    lens = AlpacaLens(server.address, clock, SETTINGS)
    yield lens
    lens.close()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b'{"Value": true}', b"[1, 2]", b"null", b'{"ErrorNumber": 0, "Value"'],
)
def test_garbage_is_asked_for_again(lens, server, body):
    server.garbage = [body]
    assert lens.state().position == pytest.approx(1e-3)


def test_lasting_garbage_is_an_error(lens, server):
    server.garbage = [b'{"ErrorNumber":0,"ErrorMessage":"","Value":"far"}'] * 10
    with pytest.raises(ConnectionLostError, match=r"does not answer \(not understood: 'far'\)"):
        lens.state()


def test_a_server_that_stops_and_comes_back(clock):
    server = SimulatedAlpaca()
    lens = AlpacaLens(server.address, clock, SETTINGS)
    port = int(server.address.split(":")[1])
    server.close()
    with pytest.raises(ConnectionLostError, match="see that the server runs"):
        lens.state()
    with SimulatedAlpaca(port=port):
        deadline = time.monotonic() + 10
        while True:
            try:
                assert lens.state().position == pytest.approx(1e-3)
                break
            except ConnectionLostError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        lens.close()


def test_a_refused_move_keeps_its_reason(lens, server):
    server.highest = 5000
    with pytest.raises(DeviceError, match=r"refuses: .*7000 lies outside 0 to 5000"):
        lens.move_to(7e-3)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        # All numbers that the API defines but 0x407 (not connected), which is asked again.
        (0x400, "cannot do this"),
        (0x401, "refuses"),
        (0x402, "refuses"),
        (0x408, "refuses"),
        (0x409, "refuses"),
        (0x40B, "refuses"),
        (0x40C, "cannot do this"),
        (0x40E, "refuses"),
        (0x500, "refuses"),
    ],
)
def test_an_error_number_is_a_refusal_with_its_reason(lens, server, number, words):
    server.garbage = [
        b'{"ErrorNumber": %d, "ErrorMessage": "the motor is hot", "Value": false}' % number
    ]
    with pytest.raises(DeviceError, match=f"{words}: the motor is hot") as caught:
        lens.state()
    assert not isinstance(caught.value, ConnectionLostError)
    assert lens.state()


def test_not_connected_is_asked_again(lens, server):
    server.garbage = [b'{"ErrorNumber": 1031, "ErrorMessage": "connect first"}']
    assert lens.state().position == pytest.approx(1e-3)


def test_a_focuser_with_relative_moves_only(clock, server):
    answer = b'{"ErrorNumber": 0, "ErrorMessage": "", "Value": false}'
    server.garbage = [answer, answer]  # of Connected and of Absolute
    with pytest.raises(DeviceError, match="supports relative moves only"):
        AlpacaLens(server.address, clock, SETTINGS)


def test_a_number_that_does_not_exist(clock, server):
    with pytest.raises(DeviceError, match=r"has no focuser 7: choose from 0 \(motor\)$"):
        AlpacaLens(f"{server.address}/7", clock)


def test_a_number_that_does_not_exist_on_a_server_that_lists_none(clock, server):
    """As alpaca-simulators 1.3.2 answers."""
    server.garbage = [
        b'{"ErrorNumber": 1024, "ErrorMessage": "Device focuser:0 not found"}',
        b'{"detail": "Not Found"}',
    ]
    with pytest.raises(DeviceError, match=r"0 not found .*; see that the server has a focuser 0:"):
        AlpacaLens(server.address, clock)


def test_no_server(clock):
    with pytest.raises(ConnectionLostError, match="see that the server runs"):
        AlpacaLens("127.0.0.1:9", clock)


@pytest.mark.parametrize("text", ["", "host", "host:", ":11111", "host:x", "host:1/x"])
def test_addresses_of_another_form(text):
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_address(text)


def test_addresses():
    assert parse_address("192.168.1.5:11111/2") == ("192.168.1.5:11111", 2)
    assert parse_address("localhost:11111") == ("localhost:11111", 0)
