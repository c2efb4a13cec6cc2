"""Candidates: the architectures that a ranking compares, and the metrics used to compare them."""

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
    """The candidates that a question selects, ordered by part and index.

    Args:
        catalog: What is installed.
        name: The benchmark.
        filters: Which parts: `dataset` and `num_epochs`; for NDS, any field of its spaces.

    Raises:
        InvalidQuestionError: A filter is malformed, or a required one is missing.
        UnknownBenchmarkError: The benchmark is not installed.
    """

    def __init__(self, catalog: Catalog, name: str, filters: Mapping[str, Any]) -> None:
        self.benchmark: Benchmark = catalog[name]
        self._catalog = catalog
        self._filters = filters
        self.benchmark.check_dataset(filters)
        aggregates = self.benchmark.aggregates
        self.parts: list[Part] = self.benchmark.parts(filters)
        self._numbers = [aggregates.numbers(part) for part in self.parts]
        self._ends = np.cumsum([len(numbers) for numbers in self._numbers], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def by_part(self) -> Iterator[tuple[Part, NDArray[np.int64]]]:
        """Yield each part with the indices of its candidates, ascending."""
        yield from zip(self.parts, self._numbers, strict=True)

    def named_part(self) -> Item | None:
        """Return the values that identify the part, by axis; None if there are several parts."""
        return dict(self.benchmark.part_named(self.parts[0])) if len(self.parts) == 1 else None

    def values(self, metric: Metric) -> NDArray[np.float64]:
        """Return the mean of a metric over each candidate's runs, NaN where nothing is recorded.

        Raises:
            InvalidQuestionError: A filter does not apply to the metric.
            UnknownBenchmarkError: The data set that holds the metric is not installed.
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
        """Return the values of a metric; fail if no candidate has one.

        Args:
            metric: The metric.
            field: The field of the question that names the metric, for the error.

        Raises:
            InvalidQuestionError: No candidate has a value, so that the answer would be empty.
        """
        values = self.values(metric)
        if len(values) and not np.isnan(values).all():
            return values
        title = self.benchmark.spec.title
        if not len(self):
            known = [_text_of(self.benchmark.part_named(part)) for part in self._parts_with_runs()]
            asked = {name: self._filters.get(name) for name in self.benchmark.parts_by}
            raise InvalidQuestionError(
                next(iter(asked), field),
                f"{title}: there are no runs of {_text_of(asked)}; there are of {listed(known)}",
            )
        metrics = self._catalog.metrics(self.benchmark.spec.name)
        known = [
            name
            for name, other in metrics.items()
            if other.lies_in == metric.lies_in and not np.isnan(self.values(other)).all()
        ]
        where = "; ".join(_text_of(self.benchmark.part_named(part)) for part in self.parts[:1])
        raise InvalidQuestionError(
            field,
            f"{title} records no {metric.name} of {where if len(self.parts) == 1 else 'these'}; "
            f"recorded are {', '.join(known) or 'none'}",
        )

    def with_filters(self, filters: Mapping[str, Any]) -> Candidates:
        """Return the candidates of another part: the same filters, with some of them replaced.

        Args:
            filters: The filters that differ; if empty, these candidates are returned.

        Raises:
            InvalidQuestionError: As for the constructor.
        """
        given = {name: value for name, value in filters.items() if value is not None}
        if not given:
            return self
        return Candidates(self._catalog, self.benchmark.spec.name, {**self._filters, **given})

    def recorded_in(self, others: Candidates, metric: Metric, field: str) -> NDArray[np.float64]:
        """Return the values of a metric in another part, aligned with these candidates.

        Raises:
            InvalidQuestionError: As for `recorded`, or there are several parts.
        """
        values = others.recorded(metric, field)
        if others is self:
            return values
        return aligned(self.numbers(field), others.numbers(field), values)

    def numbers(self, field: str) -> NDArray[np.int64]:
        """Return the indices of the candidates, which are the same in every part of a benchmark.

        Args:
            field: The field of the question that needs them, for the error.

        Raises:
            InvalidQuestionError: The candidates are of several parts with indices of their own.
        """
        if len(self._numbers) != 1:
            raise InvalidQuestionError(
                field, f"{self.benchmark.spec.title}: name one part to compare with another"
            )
        return self._numbers[0]

    def metric_in_parts(self, metric: Metric) -> Metric:
        """Return a metric with the unit and the direction that it has in these parts."""
        if not metric.by or len(self.parts) != 1:
            return metric
        return metric.within(self.benchmark.part_named(self.parts[0]))

    def loss(self, metric: Metric, field: str) -> NDArray[np.float64]:
        """Return the values of a metric, negated if larger ones are better: smaller is better.

        Raises:
            InvalidQuestionError: As for `recorded`.
        """
        values = self.recorded(metric, field)
        return -values if self.metric_in_parts(metric).larger_is_better else values

    def _parts_with_runs(self) -> list[Part]:
        aggregates = self.benchmark.aggregates
        return [part for part in aggregates.parts() if len(aggregates.numbers(part))]

    def within(self, bounds: Sequence[Bound]) -> NDArray[np.bool_]:
        """Return whether each candidate is within all bounds; one without a value is not.

        Raises:
            InvalidQuestionError: A bounded metric is not recorded for any candidate.
        """
        kept = np.ones(len(self), dtype=np.bool_)
        for metric, side, value in bounds:
            aggregates = self.recorded(metric, f"{side}_{metric.name}")
            kept &= aggregates >= value if side == "min" else aggregates <= value
        return kept

    def place_of(self, number: int) -> int | None:
        """Return the position of the candidate with an index; None if no part has it."""
        start = 0
        for numbers in self._numbers:
            rank = int(np.searchsorted(numbers, number))
            if rank < len(numbers) and numbers[rank] == number:
                return start + rank
            start += len(numbers)
        return None

    def counted(self, place: int) -> Mapping[str, float]:
        """Return the statistics of a candidate that were computed because its runs disagree."""
        rank, number = self._part_and_number(place)
        return self.benchmark.counted_aggregates.get((number, *self.parts[rank]), {})

    def configs(self, places: Sequence[int]) -> list[Item]:
        """Return the `config` objects of the candidates at some positions, in the order given.

        Raises:
            TimeBudgetExceededError: The time budget of the database is spent.
        """
        found: dict[int, Item] = {}
        whereabouts = sorted((*self._part_and_number(place), place) for place in places)
        for rank, members in groupby(whereabouts, key=itemgetter(0)):
            by_number = {number: place for _, number, place in members}
            configs = self.benchmark.configs_of(self.parts[rank], list(by_number))
            found.update({by_number[number]: config for number, config in configs.items()})
        return [found[place] for place in places]

    def _part_and_number(self, place: int) -> tuple[int, int]:
        """Return the position of a candidate's part, and its index within that part."""
        rank = int(np.searchsorted(self._ends, place, side="right"))
        start = int(self._ends[rank - 1]) if rank else 0
        return rank, int(self._numbers[rank][place - start])


def _text_of(named: Mapping[str, Any]) -> str:
    """Return the values of a part as text for messages: `num_epochs 200, dataset cifar10`."""
    return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None)
