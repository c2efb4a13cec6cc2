"""Candidates: the architectures that a ranking compares, and the metrics it compares them by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark_db.aggregates import Part, aligned
from benchmark_db.benchmark import Benchmark
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError
from benchmark_db.items import Item
from benchmark_db.metrics import Bound, Metric
from benchmark_db.questions import listed

__all__ = ["Candidates"]


class Candidates:
    """The candidates that a question selects, in the order of parts and numbers.

    Args:
        catalog: What is installed.
        name: The benchmark.
        filters: Which parts: `dataset` and `num_epochs`; for NDS, any field of its spaces.

    Raises:
        InvalidQuestionError: A filter is malformed, or one is missing by which figures differ.
        UnknownBenchmarkError: The benchmark is not installed.
    """

    def __init__(self, catalog: Catalog, name: str, filters: Mapping[str, Any]) -> None:
        self.benchmark: Benchmark = catalog[name]
        self._catalog = catalog
        self._filters = filters
        self.benchmark.refuse_wrong_dataset(filters)
        aggregates = self.benchmark.aggregates
        self.parts: list[Part] = self.benchmark.parts(filters)
        self._numbers = [aggregates.numbers(part) for part in self.parts]
        self._ends = np.cumsum([len(numbers) for numbers in self._numbers], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def by_part(self) -> Iterator[tuple[Part, NDArray[np.int64]]]:
        """Yield each part with the numbers of its candidates, ascending."""
        yield from zip(self.parts, self._numbers, strict=True)

    def named_part(self) -> Item | None:
        """Return what tells the part apart, by axis; None where there are several."""
        return dict(self.benchmark.part_named(self.parts[0])) if len(self.parts) == 1 else None

    def values(self, metric: Metric) -> NDArray[np.float64]:
        """Return a metric of every candidate: the mean over its runs, NaN where there is none.

        Raises:
            InvalidQuestionError: A filter has no meaning for the metric.
            UnknownBenchmarkError: The data that holds the metric is not installed.
        """
        if metric.lies_in == metric.benchmark:
            aggregates = self.benchmark.aggregates
            columns = [aggregates.means(part, metric.column) for part in self.parts]
        else:
            other = self._catalog.entry(metric.lies_in)
            (part,) = other.parts({**self._filters, **metric.fixed})
            numbers = other.aggregates.numbers(part)
            costs = other.aggregates.means(part, metric.column)
            columns = [aligned(wanted, numbers, costs) for wanted in self._numbers]
        # Filters may leave no part at all.
        return columns[0] if len(columns) == 1 else np.concatenate([np.empty(0), *columns])

    def recorded(self, metric: Metric, field: str) -> NDArray[np.float64]:
        """Return the values of a metric, and refuse one that no candidate has a value of.

        Args:
            metric: The metric.
            field: Which field of the question names it.

        Raises:
            InvalidQuestionError: No candidate has a value, so that the answer would be empty.
        """
        values = self.values(metric)
        if len(values) and not np.isnan(values).all():
            return values
        title = self.benchmark.spec.title
        if not len(self):
            known = [_told(self.benchmark.part_named(part)) for part in self._parts_with_runs()]
            asked = {name: self._filters.get(name) for name in self.benchmark.parts_by}
            raise InvalidQuestionError(
                next(iter(asked), field),
                f"{title}: there are no runs of {_told(asked)}; there are of {listed(known)}",
            )
        metrics = self._catalog.metrics(self.benchmark.spec.name)
        known = [
            name
            for name, other in metrics.items()
            if other.lies_in == metric.lies_in and not np.isnan(self.values(other)).all()
        ]
        where = "; ".join(_told(self.benchmark.part_named(part)) for part in self.parts[:1])
        raise InvalidQuestionError(
            field,
            f"{title} records no {metric.name} of {where if len(self.parts) == 1 else 'these'}; "
            f"recorded are {', '.join(known) or 'none'}",
        )

    def otherwise(self, filters: Mapping[str, Any]) -> Candidates:
        """Return the candidates of another part: these, with some filters otherwise.

        Args:
            filters: The filters that differ; where none is given, these candidates are returned.

        Raises:
            InvalidQuestionError: As for the class.
        """
        given = {name: value for name, value in filters.items() if value is not None}
        if not given:
            return self
        return Candidates(self._catalog, self.benchmark.spec.name, {**self._filters, **given})

    def recorded_among(self, others: Candidates, metric: Metric, field: str) -> NDArray[np.float64]:
        """Return the values that a metric has among others, aligned with these candidates.

        Raises:
            InvalidQuestionError: As for `recorded`, or there are several parts.
        """
        values = others.recorded(metric, field)
        if others is self:
            return values
        return aligned(self.numbers(field), others.numbers(field), values)

    def numbers(self, field: str) -> NDArray[np.int64]:
        """Return the numbers of the candidates, which are the same in every part of a benchmark.

        Args:
            field: Which field of the question needs them.

        Raises:
            InvalidQuestionError: The candidates are of several parts, where each has its own.
        """
        if len(self._numbers) != 1:
            raise InvalidQuestionError(
                field, f"{self.benchmark.spec.title}: name one part to compare with another"
            )
        return self._numbers[0]

    def meant(self, metric: Metric) -> Metric:
        """Return a metric with the unit and the direction that it has in these parts."""
        if not metric.by or len(self.parts) != 1:
            return metric
        return metric.within(self.benchmark.part_named(self.parts[0]))

    def loss(self, metric: Metric, field: str) -> NDArray[np.float64]:
        """Return the values of a metric, turned so that the smaller is the better.

        Raises:
            InvalidQuestionError: As for `recorded`.
        """
        values = self.recorded(metric, field)
        return -values if self.meant(metric).larger_is_better else values

    def _parts_with_runs(self) -> list[Part]:
        aggregates = self.benchmark.aggregates
        return [part for part in aggregates.parts() if len(aggregates.numbers(part))]

    def within(self, bounds: Sequence[Bound]) -> NDArray[np.bool_]:
        """Return whether each candidate is within all bounds; one without a value is within none.

        Raises:
            InvalidQuestionError: Nothing is recorded of a metric that is bounded.
        """
        kept = np.ones(len(self), dtype=np.bool_)
        for metric, side, value in bounds:
            aggregates = self.recorded(metric, f"{side}_{metric.name}")
            kept &= aggregates >= value if side == "min" else aggregates <= value
        return kept

    def place_of(self, number: int) -> int | None:
        """Return the place of the candidate with a number; None if no part has it."""
        start = 0
        for numbers in self._numbers:
            rank = int(np.searchsorted(numbers, number))
            if rank < len(numbers) and numbers[rank] == number:
                return start + rank
            start += len(numbers)
        return None

    def counted(self, place: int) -> Mapping[str, float]:
        """Return the statistics of a candidate that were counted because its runs disagree."""
        rank, number = self._whereabouts(place)
        return self.benchmark.counted_aggregates.get((number, *self.parts[rank]), {})

    def configs(self, places: Sequence[int]) -> list[Item]:
        """Return the `config` object of the candidates at some places, in their order.

        Raises:
            TimeBudgetExceededError: The time budget of the database is spent.
        """
        found: dict[int, Item] = {}
        whereabouts = sorted((*self._whereabouts(place), place) for place in places)
        for rank, members in groupby(whereabouts, key=itemgetter(0)):
            by_number = {number: place for _, number, place in members}
            configs = self.benchmark.configs_of(self.parts[rank], list(by_number))
            found.update({by_number[number]: config for number, config in configs.items()})
        return [found[place] for place in places]

    def _whereabouts(self, place: int) -> tuple[int, int]:
        """Return the rank of a candidate's part and its number."""
        rank = int(np.searchsorted(self._ends, place, side="right"))
        start = int(self._ends[rank - 1]) if rank else 0
        return rank, int(self._numbers[rank][place - start])


def _told(named: Mapping[str, Any]) -> str:
    """Return what tells a part apart as a message says it: `num_epochs 200, dataset cifar10`."""
    return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None)
