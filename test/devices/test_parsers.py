"""Replies that are damaged in every way: a parser returns a value or refuses, nothing else.

AIF_FUZZED_REPLIES sets the number of replies for each parser (100000 before a release).
"""

import base64
import math
import os
import random
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from aif_ros.devices import gcode, moonlite, optotune
from aif_ros.devices.alpaca import parse_address
from aif_ros.devices.backends import LENSES, DeviceUri
from aif_ros.devices.device import ConnectionLostError
from aif_ros.devices.fits import read_fits
from aif_ros.devices.indi import decode_image
from aif_ros.devices.indi_client import IndiAddress, IndiParser
from aif_ros.devices.simulators.gcode import SimulatedGrbl, SimulatedMarlin

COUNT = int(os.environ.get("AIF_FUZZED_REPLIES", "1500"))


def said(device, command):
    """What a simulated device answers."""
    return b"".join(device.receive(bytes([byte])) for byte in command)


def marlin(command):
    device = SimulatedMarlin()
    return said(device, gcode.marlin_checksum(f"N1 {command}")).decode()


def indi(content):
    vectors = {}
    IndiParser("F").feed(content, vectors)
    return vectors


FITS = (
    b"SIMPLE  =                    T".ljust(80)
    + b"BITPIX  =                    8".ljust(80)
    + b"NAXIS   =                    2".ljust(80)
    + b"NAXIS1  =                    3".ljust(80)
    + b"NAXIS2  =                    2".ljust(80)
    + b"END".ljust(80)
).ljust(2880) + bytes(2880)
FOCAL_POWER = optotune.with_crc(b"PD\x03\xe8") + b"\r\n"
VECTOR = (
    b'<defNumberVector device="F" name="ABS_FOCUS_POSITION" state="Ok"><defNumber name="A" min="0" '
    b'max="9">3</defNumber></defNumberVector><setNumberVector device="F" name="ABS_FOCUS_POSITION">'
    b'<oneNumber name="A">4</oneNumber></setNumberVector>'
)

PARSERS = {
    "moonlite position": (moonlite.parse_position, b"12AF#"),
    "moonlite moving": (moonlite.parse_moving, b"01#"),
    "moonlite version": (moonlite.parse_version, b"13"),
    "optotune": (
        lambda reply: optotune.parse_reply(optotune.GET_FOCAL_POWER, ">2xh", reply),
        FOCAL_POWER,
    ),
    "grbl status": (
        lambda reply: gcode.parse_grbl_status(reply, 2),
        b"<Idle|MPos:0.000,0.000,-5.000|FS:0,0>",
    ),
    "grbl settings": (
        lambda reply: gcode.parse_grbl_settings(reply.decode("ascii", "replace")),
        said(SimulatedGrbl(), b"$$\n"),
    ),
    "marlin steps": (
        lambda reply: gcode.parse_marlin_steps(reply.decode("ascii", "replace"), "Z"),
        marlin("M503").encode(),
    ),
    "marlin limits": (
        lambda reply: gcode.parse_marlin_limits(reply.decode("ascii", "replace"), "Z"),
        marlin("M211").encode(),
    ),
    "marlin position": (
        lambda reply: gcode.parse_marlin_count(reply.decode("ascii", "replace"), "Z"),
        marlin("M114").encode(),
    ),
    "indi": (indi, VECTOR),
    "indi image": (
        lambda reply: decode_image(reply.decode("ascii", "replace"), ".fits"),
        base64.b64encode(FITS),
    ),
    "fits": (
        lambda reply: read_fits(reply.ljust(2880) + bytes(64)),
        FITS[:480],
    ),
    "indi address": (lambda text: IndiAddress.parse(text.decode("latin1")), b"pi:7624/Focuser"),
    "alpaca address": (lambda text: parse_address(text.decode("latin1")), b"pi:11111/0"),
    "device text": (
        lambda text: DeviceUri.parse(text.decode("latin1"), LENSES).settings({}),
        b"moonlite:/dev/ttyUSB0?high=8000&settling_time=0.1",
    ),
}
REFUSALS = (ValueError, ConnectionLostError, ElementTree.ParseError)


def damaged(reply, dice):
    """A reply with bits flipped, bytes lost, repeated, inserted, or replaced altogether."""
    reply = bytearray(reply)
    for _ in range(dice.choice((1, 1, 2, 3, 8))):
        at = dice.randrange(len(reply) + 1)
        match dice.randrange(6):
            case 0 if at < len(reply):
                reply[at] ^= 1 << dice.randrange(8)
            case 1:
                del reply[at : at + dice.randrange(1, 6)]
            case 2:
                reply[at:at] = dice.randbytes(dice.randrange(1, 6))
            case 3:
                reply[at:at] = dice.choice((b"nan", b"inf", b"-", b"9" * 40, b"1e999", b"#", b"\0"))
            case 4:
                reply[at:at] = reply[: dice.randrange(len(reply) + 1)]
            case 5:
                del reply[at:]
    return bytes(reply) if dice.random() < 0.97 else dice.randbytes(dice.randrange(64))


def numbers(value):
    """All numbers in a parsed value that a lens could be sent to or scaled by."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        return [number for part in value for number in numbers(part)]
    return [value] if isinstance(value, int | float) else []


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_replies_are_understood_or_refused(name):
    parser, reply = PARSERS[name]
    assert parser(reply) is not None
    dice = random.Random(name)
    refused = 0
    for _ in range(COUNT):
        text = damaged(reply, dice)
        try:
            value = parser(text)
        except REFUSALS:
            refused += 1
            continue
        assert all(math.isfinite(number) for number in numbers(value)), text
        if isinstance(value, np.ndarray):
            assert value.dtype in (np.uint8, np.uint16), text
    # The damage is worth something.
    assert refused > 0 or name in ("grbl settings", "marlin steps", "marlin limits")


def test_a_checksum_catches_every_single_bit():
    for bit in range(8 * 4):
        reply = bytearray(FOCAL_POWER)
        reply[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match="wrong checksum"):
            optotune.parse_reply(optotune.GET_FOCAL_POWER, ">2xh", bytes(reply))


def test_known_checksums():
    # CRC-16/ARC of the standard check string (catalogue of parametrised CRC algorithms).
    assert optotune.crc16(b"123456789") == 0xBB3D
    # Example of the RepRap wiki on line checksums.
    assert gcode.marlin_checksum("N3 T0") == b"N3 T0*57\n"
