"""Cells that are trained twice, to measure the noise of a table.

One cell in a hundred, selected by a hash so that nobody can choose. The second training is a
separate job with the same request, on another worker if there is one. Its ledger entry has its own
key, because it is not a cell and the table counts each cell once.
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

__all__ = ["FIRST_REPEAT", "is_repeated", "noise_of", "repeat_of", "repeated_key"]

FIRST_REPEAT: Final = -100
"""Number of the repeat of cell 0 in the table of outstanding cells; that of cell 1 is one less."""
_DRAWN_BYTES: Final = 8
_REPEAT_THRESHOLD: Final[int] = 256**_DRAWN_BYTES // 100


def is_repeated(protocol: str, architecture: int, cell: Cell) -> bool:
    """Tell whether a cell is trained twice.

    Args:
        protocol: Digest of the protocol.
        architecture: Index of its architecture in the table.
        cell: The cell.
    """
    text = f"{protocol} {architecture} {cell.seed} {cell.epochs}"
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:_DRAWN_BYTES], "big")
    return number < _REPEAT_THRESHOLD


def repeated_key(key: str) -> str:
    """Return the key of the second training, given that of the first."""
    return hashlib.sha256(f"{key} again".encode()).hexdigest()


def repeat_of(job: NewJob, *, avoids_worker: str | None) -> NewJob:
    """Return the job of the second training.

    Args:
        job: The job of the first training.
        avoids_worker: The worker of the first training; None: there is no other worker.
    """
    return replace(job, key=repeated_key(job.key), avoids_worker=avoids_worker)


def noise_of(pairs: Iterable[tuple[Entry, Entry]]) -> dict[str, Any] | None:
    """Return the noise of a table; None if no cell was trained twice.

    Args:
        pairs: Both ledger entries of each cell.

    Returns:
        `cells`: number of pairs; `other_worker`: number of pairs by two workers; `largest`: the
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
