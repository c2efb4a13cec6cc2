"""The columns of figures, gathered from the rows of a benchmark while they pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmark_db.aggregates import Column, NamedColumn, Part, part_key
from benchmark_db.items import Row
from benchmark_db.reduction import reduce_values

__all__ = ["AggregateSums"]

_ROWS_AT_A_TIME: Final = 4096
_MOST_RUNS: Final = 255
"""Runs of a candidate whose number fits a byte; the mean of more is kept as that of one."""


class AggregateSums:
    """Sums the figures of each candidate while the rows go on to somebody else.

    Args:
        columns: Names of the columns of a row.
        numbered_by: The column that numbers the candidates; theirs are neighbours.
        parts_by: The columns that tell parts apart.
        aggregates: The columns that are summed.
        counted: Figures that stand in the place of the means, by number and part of a candidate.
    """

    def __init__(
        self,
        columns: Sequence[str],
        *,
        numbered_by: str,
        parts_by: Sequence[str],
        aggregates: Sequence[str],
        counted: Mapping[Row, Mapping[str, float]] = MappingProxyType({}),
    ) -> None:
        self._number = columns.index(numbered_by)
        self._parts_by = [columns.index(name) for name in parts_by]
        self._key = itemgetter(self._number, *self._parts_by)
        self._aggregates = {name: columns.index(name) for name in aggregates}
        self._numbered_by = numbered_by
        self._counted = counted
        self._found: dict[Part, dict[str, list[Column]]] = {}

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows, all of which must be taken, as they come."""
        source = iter(rows)
        rest: list[Row] = []
        while chunk := list(islice(source, _ROWS_AT_A_TIME)):
            yield from chunk
            rest += chunk
            start = self._start_of_last(rest)
            self._add(rest[:start])
            rest = rest[start:]
        self._add(rest)

    def columns(self) -> Iterator[NamedColumn]:
        """Yield every column with its part, as the database names it, and name, in order."""
        for key, part in sorted((part_key(part), part) for part in self._found):
            for name, pieces in sorted(self._found[part].items()):
                sums, counts = zip(*pieces, strict=True)
                yield key, name, np.concatenate(sums), np.concatenate(counts)

    def _start_of_last(self, rows: Sequence[Row]) -> int:
        """Return where the rows of the last candidate start: more of them may follow."""
        last = self._key(rows[-1])
        start = len(rows) - 1
        while start and self._key(rows[start - 1]) == last:
            start -= 1
        return start

    def _add(self, rows: Sequence[Row]) -> None:
        """Add the rows of whole candidates."""
        if not rows:
            return
        of = list(zip(*rows, strict=True))
        keys = np.array([of[place] for place in (self._number, *self._parts_by)])
        starts = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(axis=0)])
        sizes = np.diff(starts, append=len(rows))
        candidate = np.repeat(np.arange(len(starts)), sizes)
        run = np.arange(len(rows)) - np.repeat(starts, sizes)
        numbers, *parts = keys[:, starts]
        columns = {self._numbered_by: (numbers.astype(np.float64), np.ones(len(starts), np.uint8))}
        for name, column in self._aggregates.items():
            table = np.full((int(sizes.max()), len(starts)), np.nan)
            table[run, candidate] = np.array(of[column], dtype=np.float64)
            columns[name] = _summed(table)
        self._put_counted(columns, keys[:, starts])
        of_part: dict[Part, list[int]] = {}
        for place, part in enumerate(zip(*(column.tolist() for column in parts), strict=True)):
            of_part.setdefault(part, []).append(place)
        for part, places in of_part.items():
            pieces = self._found.setdefault(part, {name: [] for name in columns})
            for name, (sums, counts) in columns.items():
                pieces[name].append((sums[places], counts[places]))

    def _put_counted(self, columns: Mapping[str, Column], keys: NDArray[Any]) -> None:
        """Put what was counted into the columns of candidates with these numbers and parts."""
        if not self._counted:
            return
        for place, key in enumerate(zip(*keys.tolist(), strict=True)):
            for name, value in self._counted.get(key, {}).items():
                sums, counts = columns[name]
                sums[place], counts[place] = value, 1


def _summed(table: NDArray[np.float64]) -> Column:
    """Return exact sums and numbers of the runs of each candidate.

    Args:
        table: Shape (runs, candidates), NaN where there is no such run or it recorded nothing.
    """
    recorded = ~np.isnan(table)
    counts = recorded.sum(axis=0)
    filled = np.where(recorded, table, 0.0)
    with np.errstate(all="ignore"):
        sums, exact = _added(filled)
        largest = np.where(recorded, table, -np.inf).max(axis=0)
        equal = largest == np.where(recorded, table, np.inf).min(axis=0)
        # Equal values must come back as they are, which rounding the quotient does not promise.
        single = equal & ((sums / counts != largest) | (counts > _MOST_RUNS))
    sums[single], counts[single] = largest[single], 1
    sums[counts == 0] = 0.0
    rounded = np.flatnonzero(~single & (~exact | (counts > _MOST_RUNS)))
    for place, values in zip(rounded.tolist(), table.T[rounded].tolist(), strict=True):
        sums[place] = reduce_values([value for value in values if value == value], "mean")  # noqa: PLR0124 - NaN differs from itself
    counts[rounded] = 1
    return sums, counts.astype(np.uint8)


def _added(
    filled: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the sums of columns and whether no addition was rounded (Knuth's TwoSum)."""
    total = filled[0].copy()
    exact = np.isfinite(total)
    for term in filled[1:]:
        larger = total + term
        share = larger - total
        exact &= (total - (larger - share)) + (term - share) == 0
        total = larger
    return total, exact
