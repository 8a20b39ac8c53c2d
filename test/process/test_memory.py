import platform
import subprocess
import sys

import pytest

# Page faults while pictures of 24 MB are made and dropped, after the first ones.
COUNT = """
import resource
import numpy as np
from aif_ros.process.memory import keep_freed_memory

if {kept}:
    keep_freed_memory()
pictures = lambda: [np.ones(6_000_000, np.float32) for _ in range(3)]
pictures()
pictures()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    pictures()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*, kept, **environment):
    command = [sys.executable, "-c", COUNT.format(kept=kept)]
    return int(subprocess.check_output(command, text=True, env=environment))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the GNU C library")
def test_freed_pictures_are_used_again():
    assert faults(kept=True) < 100
    assert faults(kept=False) > 100


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the GNU C library")
def test_what_the_user_has_set_stays():
    given = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    assert faults(kept=True, **given) > 100
