"""A simulated Optotune Lens Driver 4; the protocol is documented in `aif_ros.devices.optotune`."""

import struct

from aif_ros.devices.optotune import FULL_CURRENT, READY, crc16, with_crc

_LENGTHS = {b"H": 1, b"Mw": 4, b"Cr": 6, b"Ar": 4, b"Aw": 4, b"Pr": 8, b"Pw": 8}
"""Length of each command without its checksum, bytes."""


class SimulatedOptotune:
    """Answers the commands of `OptotuneLens`.

    Args:
        focal_powers: lowest and highest focal power, dioptres.
        maximum_current: milliamperes.
        memory: whether the lens has the memory that focal powers need.
    """

    def __init__(
        self,
        focal_powers: tuple[float, float] = (-2.0, 3.0),
        maximum_current: float = 293.0,
        memory: bool = True,
    ) -> None:
        self._focal_powers = focal_powers
        self._maximum_current = maximum_current
        self._memory = memory
        self._received = b""
        self.focal_power = 1000
        """Counts of 1/200 dioptre, with the offset of type A."""
        self.current = 0
        """Counts, 4095 for the highest current."""

    def receive(self, byte: bytes) -> bytes:
        """Take in one byte; commands have known lengths."""
        self._received += byte
        if self._received.endswith(b"Start"):
            self._received = b""
            return READY
        for name, length in _LENGTHS.items():
            if self._received.startswith(name) and len(self._received) == length + 2:
                command, crc = self._received[:-2], self._received[-2:]
                self._received = b""
                return self._execute(command) if with_crc(command)[-2:] == crc else b"N\r\n"
        # What begins no command is skipped.
        while self._received and not any(
            self._received.startswith(name) or name.startswith(self._received)
            for name in (*_LENGTHS, b"Start")
        ):
            self._received = self._received[1:]
        return b""

    def _execute(self, command: bytes) -> bytes:
        low, high = (round((power + 5) * 200) for power in self._focal_powers)
        match command[:4]:
            case b"H":
                return _reply(b"HA")
            case b"MwCA":
                return _reply(struct.pack(">3sBhh", b"MCA", 0 if self._memory else 2, high, low))
            case b"MwDA":
                return _reply(b"MDA")
            case b"CrMA":
                return _reply(struct.pack(">3sh", b"CMA", round(self._maximum_current * 100)))
            case b"PrDA":
                return _reply(struct.pack(">2sh", b"PD", self.focal_power))
            case b"PwDA":
                (count,) = struct.unpack(">h", command[4:6])
                self.focal_power = min(max(count, low), high)
                return b""
        if command.startswith(b"Ar"):
            return _reply(struct.pack(">ch", b"A", self.current))
        if command.startswith(b"Aw"):
            (count,) = struct.unpack(">h", command[2:4])
            self.current = min(max(count, -FULL_CURRENT), FULL_CURRENT)
        return b""


def _reply(data: bytes) -> bytes:
    return data + struct.pack("<H", crc16(data)) + b"\r\n"
