"""Answers to questions about all architectures of a benchmark at once."""

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
"""The 2.5 % and the 97.5 % quantile; None where the coefficient was never defined."""

_METRICS = (
    "The metrics that the question names, bounds included: means over the runs, in the units of "
    "the benchmark's fields; null where nothing is recorded."
)


class Found(WireModel, Generic[T]):
    """Everything that answers a question."""

    items: Listed[T] = Field(description="The items; empty when nothing matches.")
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")


class Sampled(Found[T], Generic[T]):
    """A random sample."""

    seed: int = Field(description="The seed: asked with it again, the sample is the same.")


class Ranked(WireModel, Generic[C]):
    """One of the best, and what makes it so."""

    rank: int = Field(description="Its place, from 1; of equals the smaller number comes first.")
    value: float = Field(description="The metric that is ranked by, as the mean over the runs.")
    metrics: Members[float | None] = Field(description=_METRICS)
    config: C = Field(description="What was trained.")
    size_source: SizeSource = "recorded"


class TradeOff(WireModel, Generic[C]):
    """One that no other beats in one metric without losing in the other."""

    metrics: Members[float | None] = Field(description=_METRICS)
    config: C = Field(description="What was trained.")
    size_source: SizeSource = "recorded"


class Standing(WireModel, Generic[C]):
    """Where an architecture stands among all."""

    rank: int = Field(description="One more than the number of those that are better.")
    of: int = Field(description="How many have a value of the metric.")
    value: float = Field(description="Its own, as the mean over the runs.")
    best: float = Field(description="The best of all: the oracle's.")
    regret: float = Field(description="How far it is from the best; 0 for the best.")
    config: C = Field(description="What was trained.")
    size_source: SizeSource = "recorded"


class Distribution(WireModel):
    """How a metric is distributed over architectures, each with the mean over its runs."""

    metric: str = Field(description="The metric.", examples=["test_acc"])
    count: int = Field(description="How many have a value, and are counted.")
    not_recorded: int = Field(description="How many have no value of the metric.")
    min: float | None = Field(description="Smallest value, in the unit of the metric.")
    max: float | None = Field(description="Largest value.")
    mean: float | None = Field(description="Mean value.")
    std: float | None = Field(description="Population standard deviation.")
    value: Listed[float] = Field(
        description="Values at which the empirical distribution function is given, ascending."
    )
    fraction: Listed[float] = Field(
        description="The function there: which part of all has at most that value."
    )


class Interval(WireModel):
    """Ends of 95 % intervals of the coefficients, by a bootstrap over the candidates."""

    kendall: Ends = Field(description="Of Kendall's tau-b.")
    spearman: Ends = Field(description="Of Spearman's rho.")
    pearson: Ends = Field(description="Of Pearson's r.")


class Correlation(WireModel):
    """How well two metrics agree over the architectures that have both."""

    x: str = Field(description="One metric.", examples=["test_acc"])
    y: str = Field(description="The other.", examples=["parameters"])
    n: int = Field(description="How many have a value of both, and are counted.")
    kendall: float | None = Field(description="Kendall's tau-b; null where one does not vary.")
    spearman: float | None = Field(
        description="Spearman's rho, ties having their mean rank; null likewise."
    )
    pearson: float | None = Field(description="Pearson's r; null likewise.")
    top_k: int = Field(description="How many of the best of both were compared.")
    top_k_overlap: float | None = Field(
        description="Which part of the best by one are among the best by the other, each by its "
        "own direction; null where there are fewer than `top_k`."
    )
    intervals: Interval | None = Field(description="Intervals; null unless asked for.")
