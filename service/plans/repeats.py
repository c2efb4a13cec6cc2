"""Cells that are trained twice, and what the second training says of the noise of a table.

One cell in a hundred, drawn by a hash of what it is, so that nobody chooses. The second training is
a job of its own with the same request, done by another worker where there is one. Its entry in the
ledger has a key of its own: it is no cell, and the table counts each cell once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import replace
from statistics import fmean
from typing import Any, Final

from nas_search.plans import Cell
from service.jobs.ledger import Entry, EntryStatus
from service.jobs.records import NewJob

__all__ = ["FIRST_REPEAT", "drawn", "noise_of", "repeat_of", "repeated_key"]

FIRST_REPEAT: Final = -100
"""Number of the repeat of cell 0 among the rows of waiting cells; that of cell 1 is one less."""
_DRAWN_BYTES: Final = 8
_OF_THEM: Final[int] = 256**_DRAWN_BYTES // 100


def drawn(protocol: str, architecture: int, cell: Cell) -> bool:
    """Return whether a cell is trained twice.

    Args:
        protocol: Digest of the protocol.
        architecture: Its number in the table.
        cell: The cell.
    """
    text = f"{protocol} {architecture} {cell.seed} {cell.epochs}"
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:_DRAWN_BYTES], "big")
    return number < _OF_THEM


def repeated_key(key: str) -> str:
    """Return the key of the second training of a request, by that of the first."""
    return hashlib.sha256(f"{key} again".encode()).hexdigest()


def repeat_of(job: NewJob, *, avoids_worker: str | None) -> NewJob:
    """Return the job of a second training.

    Args:
        job: That of the first.
        avoids_worker: The worker that did the first; None: there is no other.
    """
    return replace(job, key=repeated_key(job.key), avoids_worker=avoids_worker)


def noise_of(pairs: Iterable[tuple[Entry, Entry]]) -> dict[str, Any] | None:
    """Return the noise floor of a table; None where no cell was trained twice.

    Args:
        pairs: Both entries of each cell.

    Returns:
        `cells`: how many pairs; `other_worker`: of them, those of two workers; `largest`: the
        largest difference of validation accuracy, in percentage points; `std`: the standard
        deviation of one training, the root of half the mean squared difference.
    """
    done = [pair for pair in pairs if all(one.status is EntryStatus.DONE for one in pair)]
    if not done:
        return None
    gaps = [abs(one.figures["accuracy"] - two.figures["accuracy"]) for one, two in done]
    workers = [one.provenance.get("worker") != two.provenance.get("worker") for one, two in done]
    return {
        "cells": len(done),
        "other_worker": sum(workers),
        "largest": max(gaps),
        "std": math.sqrt(fmean(gap * gap for gap in gaps) / 2),
    }
