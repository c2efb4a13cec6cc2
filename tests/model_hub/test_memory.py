"""Memory that a process keeps, seen by the pages that it takes anew."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from model_hub.memory import keep_freed_memory

def use():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def faults():
    # After some, which may lie beside each other.
    for _ in range(15):
        use()
    return use()

print(faults(), keep_freed_memory(), faults())
"""


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library is that of Linux")
def test_freed_memory_is_kept_when_asked() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    given_back, can, kept = done.stdout.split()
    # 64 MiB are 16,384 pages of 4 KiB, or 32 of 2 MiB.
    assert int(given_back) >= 32
    assert can == "True"
    assert int(kept) <= 16
