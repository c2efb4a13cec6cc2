"""Memory of processes that share some: what it takes away from the machine, counted once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from service.worker.os_process import group_takes_more_than

MEBIBYTE = 1 << 20
FAMILY = r"""
import os, time
held = bytearray(os.urandom(1 << 20)) * 100
for _ in range(3):
    if not os.fork():
        break
os.write(1, b"ready\n")
time.sleep(60)
"""


@pytest.fixture(scope="module")
def family() -> Iterator[int]:
    """A group of four processes that share a hundred mebibytes and have a few of their own."""
    process = subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, process_group=0
    )
    assert process.stdout is not None
    for _ in range(4):
        assert process.stdout.readline() == b"ready\n"
    yield process.pid
    os.killpg(process.pid, 9)
    process.wait()
    process.stdout.close()


def test_what_processes_share_is_counted_once(family: int) -> None:
    assert group_takes_more_than(90 * MEBIBYTE, family)
    assert not group_takes_more_than(200 * MEBIBYTE, family)


def test_a_group_without_processes_takes_nothing() -> None:
    assert not group_takes_more_than(0, None)
