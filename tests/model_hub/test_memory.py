"""Memory that a process keeps, seen by the pages that it takes anew."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from model_hub.memory import keep_freed_memory

def use():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

kept = keep_freed_memory() if sys.argv[1] == "kept" else None
for _ in range(30):
    use()
print(kept, use())
"""


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library is that of Linux")
def test_freed_memory_is_kept_when_asked() -> None:
    def faults(way: str) -> tuple[str, int]:
        command = [sys.executable, "-c", FAULTS, way]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return told[0], int(told[1])

    # After some, which may lie beside each other. 64 MiB are 16,384 pages of 4 KiB, or 32 of 2 MiB.
    assert faults("given back")[1] >= 32
    assert faults("kept") == ("True", pytest.approx(0, abs=16))
