"""Recorded searches, and how they compare."""

from __future__ import annotations

from pydantic import Field

from bench_client.models.answers import Listed, WireModel

__all__ = ["SearchFront", "StudyBand", "StudyComparison", "StudyFinal", "StudyInfo", "StudyList"]
__all__ += ["RecordedSearch", "SkippedFile", "StudyDetails", "StudyTest"]


class StudyInfo(WireModel):
    """A study: searches that lie in one folder."""

    name: str = Field(description="Its name.", examples=["main"])
    files: int = Field(description="Files of searches in it.")


class StudyList(WireModel):
    """The studies that the server shows."""

    items: Listed[StudyInfo] = Field(description="The studies; none where no folder is set.")


class RecordedSearch(WireModel):
    """One search of a study."""

    file: str = Field(description="Name of its file.")
    strategy: str = Field(description="Name of the strategy.")
    seed: int = Field(description="Of the strategy.")
    benchmark: str = Field(description="What was searched.")
    dataset: str | None = Field(description="The data set; null where there is one or none.")
    num_epochs: int = Field(description="Epochs of a whole evaluation; 0 where it says none.")
    metric: str = Field(description="What was sought.")
    larger_is_better: bool = Field(description="Which way of it is better.")
    trials: int = Field(description="Evaluations that have a result.")
    seconds: float | None = Field(description="Simulated seconds; null without such a clock.")
    best: float | None = Field(description="Best value so far; null before the first.")
    growing: bool = Field(description="Whether it was written to within the last minute.")


class SkippedFile(WireModel):
    """A file of a study that was left out."""

    file: str = Field(description="Its name.")
    reason: str = Field(description="Why.")


class StudyBand(WireModel):
    """A strategy over time: quartiles over its searches; lists are aligned."""

    strategy: str = Field(description="Its name.")
    searches: int = Field(description="How many searches, each with a seed of its own.")
    at: Listed[float] = Field(description="Simulated seconds or evaluations, ascending.")
    lower: Listed[float | None] = Field(description="First quartile; null where not all have one.")
    median: Listed[float | None] = Field(description="Second quartile, likewise.")
    upper: Listed[float | None] = Field(description="Third quartile, likewise.")


class StudyFinal(WireModel):
    """What the searches of a strategy had at the common end."""

    strategy: str = Field(description="Its name.")
    values: Listed[float] = Field(description="A value a search, ascending.")


class StudyTest(WireModel):
    """The test of Mann and Whitney on the last values of two strategies."""

    first: str = Field(description="One strategy.")
    second: str = Field(description="The other.")
    superiority: float = Field(
        description="How probable it is that a value of the first is larger, ties counting half."
    )
    p_two_sided: float = Field(
        description="How probable such a difference is if there is none: the normal approximation, "
        "good from about 20 searches of each on."
    )


class StudyComparison(WireModel):
    """Searches that measure the same, compared."""

    benchmark: str = Field(description="What was searched.")
    dataset: str | None = Field(description="The data set; null where there is one or none.")
    num_epochs: int = Field(description="Epochs of a whole evaluation; 0 where it says none.")
    metric: str = Field(description="What was sought.")
    larger_is_better: bool = Field(description="Which way of it is better.")
    oracle: float | None = Field(
        description="The best value there is. With it, values are regrets, distances from it; "
        "null: not known, and values are those of the metric."
    )
    files: Listed[str] = Field(description="The searches.")
    end: float | None = Field(
        description="Where the comparison ends: what the shortest search has reached; null where "
        "they have nothing in common yet."
    )
    bands: Listed[StudyBand] = Field(description="Each strategy.")
    final: Listed[StudyFinal] = Field(description="Values at the end.")
    tests: Listed[StudyTest] = Field(description="Each pair of strategies at the end.")


class SearchFront(WireModel):
    """The trade-offs that a search of several objectives has found."""

    file: str = Field(description="Of the search.")
    metrics: Listed[str] = Field(description="The objectives.")
    larger_is_better: Listed[bool] = Field(description="Which way of each is better.")
    values: Listed[Listed[float]] = Field(
        description="A value of each objective, for each point; the best by the first comes first."
    )
    archs: Listed[str] = Field(description="The architecture of each point.")


class StudyDetails(WireModel):
    """A study, as its files have it now."""

    name: str = Field(description="Its name.")
    over: str = Field(description="`seconds` or `evaluations`.")
    searches: Listed[RecordedSearch] = Field(description="The searches.")
    skipped: Listed[SkippedFile] = Field(description="Files that were left out.")
    comparisons: Listed[StudyComparison] = Field(description="Those together that can be compared.")
    fronts: Listed[SearchFront] = Field(description="Of searches of several objectives.")
