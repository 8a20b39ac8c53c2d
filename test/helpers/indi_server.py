"""A real INDI server with the simulators of Debian's `indi-bin`, and a sky for its camera."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

GSC = '''#!{python}
"""Stands in for the star catalogue program that the camera simulator calls."""
import random, sys
at = sys.argv.index("-c")
ra, dec = float(sys.argv[at + 1]), float(sys.argv[at + 2])
radius = float(sys.argv[sys.argv.index("-r") + 1]) / 60
dice = random.Random(1)
for star in range({stars}):
    print(
        f"{{star:010d}} {{ra + dice.uniform(-radius, radius):.6f}} "
        f"{{dec + dice.uniform(-radius, radius):.6f}} 0.2 {{dice.uniform(4, 9):.2f}} "
        "0.1 0 0 abcd F 1.0 1"
    )
'''


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class IndiServer:
    """Runs `indiserver` with the given drivers; settings go to `folder`, not to the user's home."""

    drivers = ("indi_simulator_focus", "indi_simulator_ccd", "indi_simulator_telescope")

    def __init__(self, folder: Path, stars: int = 300):
        self.port = free_port()
        self._folder = folder
        self.catalogue = catalogue = folder / "bin" / "gsc"
        catalogue.parent.mkdir(parents=True)
        catalogue.write_text(GSC.format(python=sys.executable, stars=stars))
        catalogue.chmod(0o755)
        self._process = None
        self.start()

    @staticmethod
    def installed() -> bool:
        return all(map(shutil.which, ("indiserver", *IndiServer.drivers)))

    def start(self):
        environment = os.environ | {
            "PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self._folder),
        }
        with (self._folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                ["indiserver", "-p", str(self.port), "-u", str(self._folder / "s"), *self.drivers],
                env=environment,
                stderr=log,
            )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                time.sleep(0.02)

    def stop(self):
        self._process.terminate()
        self._process.wait(10)

    def address(self, device: str) -> str:
        return f"127.0.0.1:{self.port}/{device}"
