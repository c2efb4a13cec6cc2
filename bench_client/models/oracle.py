"""Wire models of queries over all architectures of a benchmark, such as rankings."""

from __future__ import annotations

from typing import Annotated, Generic, TypeAlias, TypeVar

from pydantic import Field

from bench_client.models.answers import Listed, Members, ProvenanceMark, WireModel
from bench_client.models.quantities import SizeSource

__all__ = [
    "Correlation",
    "Distribution",
    "Found",
    "Ranked",
    "Sampled",
    "Standing",
    "TradeOff",
]

T = TypeVar("T", bound=WireModel)
C = TypeVar("C", bound=WireModel)

Ends: TypeAlias = Annotated[list[float], Field(min_length=2, max_length=2)] | None
"""The 2.5 % and 97.5 % quantiles; None if the coefficient was not defined in any resample."""

_METRICS = (
    "Metrics that the query names, including those of bounds: means over the runs, in the units "
    "of the benchmark's fields; null if not recorded."
)


class Found(WireModel, Generic[T]):
    """All items that match a query."""

    items: Listed[T] = Field(description="The items; empty if nothing matches.")
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")


class Sampled(Found[T], Generic[T]):
    """A random sample."""

    seed: int = Field(description="Seed of the sample; the same seed gives the same sample.")


class Ranked(WireModel, Generic[C]):
    """One of the best architectures, with its rank and metrics."""

    rank: int = Field(description="Rank, from 1; among equals the smaller number comes first.")
    value: float = Field(description="Metric of the ranking, as the mean over the runs.")
    metrics: Members[float | None] = Field(description=_METRICS)
    config: C = Field(description="Trained configuration.")
    size_source: SizeSource = "recorded"


class TradeOff(WireModel, Generic[C]):
    """An architecture on the Pareto front of two metrics."""

    metrics: Members[float | None] = Field(description=_METRICS)
    config: C = Field(description="Trained configuration.")
    size_source: SizeSource = "recorded"


class Standing(WireModel, Generic[C]):
    """Rank and regret of an architecture among all."""

    rank: int = Field(description="One more than the number of better architectures.")
    of: int = Field(description="Number of architectures with a value of the metric.")
    value: float = Field(description="Value of this architecture, as the mean over its runs.")
    best: float = Field(description="Best value of all architectures.")
    regret: float = Field(description="Distance from the best value; 0 for the best.")
    config: C = Field(description="Trained configuration.")
    size_source: SizeSource = "recorded"


class Distribution(WireModel):
    """Distribution of a metric over architectures, each with the mean over its runs."""

    metric: str = Field(description="The metric.", examples=["test_acc"])
    count: int = Field(description="Number of architectures with a value.")
    not_recorded: int = Field(description="Number of architectures without a value.")
    min: float | None = Field(description="Smallest value, in the unit of the metric.")
    max: float | None = Field(description="Largest value.")
    mean: float | None = Field(description="Mean value.")
    std: float | None = Field(description="Population standard deviation.")
    value: Listed[float] = Field(
        description="Ascending values at which the empirical distribution function is given."
    )
    fraction: Listed[float] = Field(
        description="Fraction of architectures with at most the value at the same index."
    )


class Interval(WireModel):
    """Ends of 95 % bootstrap intervals of the coefficients."""

    kendall: Ends = Field(description="Interval of Kendall's tau-b.")
    spearman: Ends = Field(description="Interval of Spearman's rho.")
    pearson: Ends = Field(description="Interval of Pearson's r.")


class Correlation(WireModel):
    """Correlations of two metrics over the architectures that have both."""

    x: str = Field(description="First metric.", examples=["test_acc"])
    y: str = Field(description="Second metric.", examples=["parameters"])
    n: int = Field(description="Number of architectures with both values.")
    kendall: float | None = Field(description="Kendall's tau-b; null if a metric is constant.")
    spearman: float | None = Field(
        description="Spearman's rho, with mean ranks for ties; null if a metric is constant."
    )
    pearson: float | None = Field(description="Pearson's r; null if a metric is constant.")
    top_k: int = Field(description="Size of the two sets of best architectures.")
    top_k_overlap: float | None = Field(
        description="Fraction of the `top_k` best by one metric that are among the `top_k` best by "
        "the other, each by its own direction; null if there are fewer than `top_k`."
    )
    intervals: Interval | None = Field(description="Bootstrap intervals; null unless requested.")
