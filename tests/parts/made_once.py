"""What is only read is made once in a run, by whichever process of the tests is first."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from measuring import unmeasured

__all__ = ["made_once"]


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that all processes of this run share; nothing may be written to it.

    Args:
        factory: Knows the folder of the run.
        name: Of the folder, the same in every process.
        make: Fills an empty folder; nothing of it is measured.
    """
    run = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent
    folder = run / f"once-{name}"
    with (run / f"once-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            unfinished = run / f"unfinished-{name}"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            with unmeasured():
                make(unfinished)
            unfinished.rename(folder)
    return folder
