"""Two network namespaces, and a link between them that delays packets and loses some.

Needs root or user namespaces, and a kernel with veth; netem is not needed.
"""

import heapq
import os
import random
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_VNET_HDR, _PACKET_IGNORE_OUTGOING = 263, 15, 23
# The kernel's header before each packet; it carries over checksums that are not computed yet.
_VNET_HEADER = 10

# What makes a namespace another computer to Fast DDS: a name, a machine id and shared memory.
_COMPUTER = """
set -e
hostname computer$$
if [ -e /etc/machine-id ]; then
  id=$(mktemp); tr -d - < /proc/sys/kernel/random/uuid > "$id"
  mount --bind "$id" /etc/machine-id; rm "$id"
fi
mount -t tmpfs aif_computer /dev/shm
exec sleep infinity
"""


class LinkError(RuntimeError):
    """There can be no such link here."""


def _ip(*words: str, within: int | None = None) -> None:
    prefix = [] if within is None else ["nsenter", "--net", "--target", str(within)]
    done = subprocess.run([*prefix, "ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise LinkError(f"ip {' '.join(words)}: {done.stderr.strip()}")


class LossyLink:
    """The link.

    Args:
        loss: probability that a packet is lost.
        delay: of each packet, seconds.
        seed: of the random numbers.
    """

    def __init__(self, loss: float, delay: float, seed: int = 0) -> None:
        self._loss = loss
        self._delay = delay
        self._numbers = random.Random(seed)
        self._ends: list[subprocess.Popen[bytes]] = []
        self._sockets: list[socket.socket] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._forward, name="lossy link", daemon=True)
        self.packets = self.lost = 0

    def open(self) -> None:
        """Make the namespaces and the link.

        Raises:
            LinkError: that is not allowed here.
        """
        for index in (0, 1):
            end = subprocess.Popen(["unshare", "--net", "--mount", "--uts", "sh", "-c", _COMPUTER])
            self._ends.append(end)
            self._await_namespace(end)
            here, there = f"aif{os.getpid() % 100000}{'ab'[index]}", f"lossy{index}"
            _ip("link", "add", here, "type", "veth", "peer", "name", there)
            _ip("link", "set", there, "netns", str(end.pid))
            _ip("link", "set", here, "up")
            _ip("link", "set", "lo", "up", within=end.pid)
            _ip("addr", "add", f"10.77.0.{index + 1}/24", "dev", there, within=end.pid)
            _ip("link", "set", there, "up", within=end.pid)
            _ip("route", "add", "224.0.0.0/4", "dev", there, within=end.pid)
            packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            packets.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
            packets.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
            packets.bind((here, 0))
            self._sockets.append(packets)
        self._thread.start()

    def _await_namespace(self, end: "subprocess.Popen[bytes]") -> None:
        own = Path("/proc/self/ns/net").readlink()
        deadline = time.monotonic() + 5.0
        while Path(f"/proc/{end.pid}/ns/net").readlink() == own:
            if end.poll() is not None or time.monotonic() > deadline:
                raise LinkError("no network namespace can be made")
            time.sleep(0.01)
        while "aif_computer" not in Path(f"/proc/{end.pid}/mounts").read_text():
            if end.poll() is not None or time.monotonic() > deadline:
                raise LinkError("no shared memory of its own can be made")
            time.sleep(0.01)

    def command(self, end: int, words: Sequence[str]) -> list[str]:
        """Return the command that runs another at one end of the link."""
        target = str(self._ends[end].pid)
        return ["nsenter", "--net", "--mount", "--uts", "--target", target, *words]

    def _forward(self) -> None:
        waiting: list[tuple[float, int, int, bytes]] = []
        while not self._stopping.is_set():
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, end, packet = heapq.heappop(waiting)
                try:
                    self._sockets[end].send(packet)
                except OSError:
                    self.lost += 1
            pause = min(0.05, waiting[0][0] - now) if waiting else 0.05
            for ready in select.select(self._sockets, [], [], max(0.0, pause))[0]:
                packet = ready.recv(_VNET_HEADER + 70_000)
                self.packets += 1
                if self._numbers.random() < self._loss:
                    self.lost += 1
                    continue
                other = 1 - self._sockets.index(ready)
                due = time.monotonic() + self._delay
                heapq.heappush(waiting, (due, self.packets, other, packet))

    def close(self) -> None:
        """Remove link and namespaces."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        for each in self._sockets:
            each.close()
        for end in self._ends:
            end.send_signal(signal.SIGKILL)
            end.wait()


@contextmanager
def lossy_link(loss: float, delay: float) -> Iterator[LossyLink]:
    """Make a link that exists until the block is left.

    Raises:
        LinkError: that is not allowed here.
    """
    link = LossyLink(loss, delay)
    try:
        link.open()
        yield link
    except FileNotFoundError as error:
        raise LinkError(str(error)) from error
    finally:
        link.close()
