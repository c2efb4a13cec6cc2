"""The progress of a plan as counts: a row per round, a column per range of architectures.

A plan may have millions of cells, and a picture has a thousand columns. So cells are counted here,
a part of the map at a time, without a list of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nas_search.plans import CellMap, Cells
from service.plans.records import PlanRecord

__all__ = ["progress_map"]

_MOST_COUNTS: Final = 65_536
"""Counts per state, unless there are more rounds than that."""
_AT_ONCE: Final = 2**17
"""Bytes of a cell map that are read at a time."""


def progress_map(
    record: PlanRecord, cells: Cells, outstanding: Sequence[int], *, bins: int
) -> dict[str, Any]:
    """Return the numbers of cells per state, by round and range of architectures.

    Args:
        record: The plan.
        cells: Its cells.
        outstanding: The numbers of its queued and running cells.
        bins: The largest number of ranges; there are fewer if there are many rounds.
    """
    rounds = len(cells.rounds)
    size = -(-cells.trained // min(bins, cells.trained, max(1, _MOST_COUNTS // rounds)))
    columns = -(-cells.trained // size)

    def counted(parts: Iterator[npt.NDArray[np.int64]]) -> list[list[int]]:
        counts = np.zeros(rounds * columns, np.int64)
        for numbers in parts:
            turns, places = cells.located(numbers)
            counts += np.bincount(turns * columns + places // size, minlength=len(counts))
        found: list[list[int]] = counts.reshape(rounds, columns).tolist()
        return found

    return {
        "revision": record.revision,
        "order": record.content["order"],
        "architectures": cells.trained,
        "size": size,
        "rounds": [{"seed": seed, "num_epochs": epochs} for seed, epochs in cells.rounds],
        "done": counted(_numbers(record.done)),
        "diverged": counted(_numbers(record.diverged)),
        "failed": counted(_numbers(record.failed)),
        "outstanding": counted(iter([np.array(outstanding, np.int64)])),
    }


def _numbers(cells: CellMap) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the cell numbers in a map, in batches."""
    bits = np.frombuffer(bytes(cells), np.uint8)
    for start in range(0, len(bits), _AT_ONCE):
        part = np.unpackbits(bits[start : start + _AT_ONCE], bitorder="little")
        yield np.flatnonzero(part) + 8 * start
