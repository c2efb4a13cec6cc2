"""Wire models of studies: recorded searches and comparisons of strategies."""

from __future__ import annotations

from pydantic import Field

from bench_client.models.answers import Listed, WireModel

__all__ = ["SearchFront", "StudyBand", "StudyComparison", "StudyFinal", "StudyInfo", "StudyList"]
__all__ += ["RecordedSearch", "SkippedFile", "StudyDetails", "StudyTest"]


class StudyInfo(WireModel):
    """A study: the recorded searches of one folder."""

    name: str = Field(description="Name of the study.", examples=["main"])
    files: int = Field(description="Number of its files of searches.")


class StudyList(WireModel):
    """The studies of a server."""

    items: Listed[StudyInfo] = Field(description="The studies; empty if no folder is set.")


class RecordedSearch(WireModel):
    """A search of a study."""

    file: str = Field(description="File name.")
    strategy: str = Field(description="Name of the strategy.")
    seed: int = Field(description="Seed of the strategy.")
    benchmark: str = Field(description="Benchmark or problem that was searched.")
    dataset: str | None = Field(description="Data set; null if there is only one or none.")
    num_epochs: int = Field(description="Epochs of a complete evaluation; 0 if not stated.")
    metric: str = Field(description="Objective.")
    larger_is_better: bool = Field(description="Whether larger values of the metric are better.")
    trials: int = Field(description="Number of evaluations with a result.")
    seconds: float | None = Field(description="Simulated seconds; null without a simulated clock.")
    best: float | None = Field(description="Best value so far; null before the first.")
    growing: bool = Field(description="Whether the file changed within the last minute.")


class SkippedFile(WireModel):
    """A file of a study that was skipped."""

    file: str = Field(description="File name.")
    reason: str = Field(description="Why the file was skipped.")


class StudyBand(WireModel):
    """Quartiles of a strategy's searches over time; the lists are aligned."""

    strategy: str = Field(description="Name of the strategy.")
    searches: int = Field(description="Number of searches, each with its own seed.")
    at: Listed[float] = Field(description="Simulated seconds or evaluations, ascending.")
    lower: Listed[float | None] = Field(
        description="First quartile; null if a search has no value."
    )
    median: Listed[float | None] = Field(description="Median; null as for `lower`.")
    upper: Listed[float | None] = Field(description="Third quartile; null as for `lower`.")


class StudyFinal(WireModel):
    """Values of a strategy's searches at the end of the comparison."""

    strategy: str = Field(description="Name of the strategy.")
    values: Listed[float] = Field(description="One value per search, ascending.")


class StudyTest(WireModel):
    """Mann-Whitney U test of the final values of two strategies."""

    first: str = Field(description="First strategy.")
    second: str = Field(description="Second strategy.")
    superiority: float = Field(
        description="Probability that a value of the first strategy is larger; ties count half."
    )
    p_two_sided: float = Field(
        description="Two-sided p-value by the normal approximation, which needs about 20 searches "
        "of each strategy."
    )


class StudyComparison(WireModel):
    """Comparison of searches with the same problem and metric."""

    benchmark: str = Field(description="Benchmark or problem that was searched.")
    dataset: str | None = Field(description="Data set; null if there is only one or none.")
    num_epochs: int = Field(description="Epochs of a complete evaluation; 0 if not stated.")
    metric: str = Field(description="Objective.")
    larger_is_better: bool = Field(description="Whether larger values of the metric are better.")
    oracle: float | None = Field(
        description="Best value of the benchmark; values below are then regrets, the distances "
        "from it. Null: not known, and values are those of the metric."
    )
    files: Listed[str] = Field(description="Files of the searches.")
    end: float | None = Field(
        description="End of the comparison, where the shortest search ends; null if the searches "
        "have nothing in common yet."
    )
    bands: Listed[StudyBand] = Field(description="One band per strategy.")
    final: Listed[StudyFinal] = Field(description="Values at the end, by strategy.")
    tests: Listed[StudyTest] = Field(description="One test per pair of strategies, at the end.")


class SearchFront(WireModel):
    """Pareto front that a search of several objectives has found."""

    file: str = Field(description="File of the search.")
    metrics: Listed[str] = Field(description="Objectives.")
    larger_is_better: Listed[bool] = Field(description="Whether larger is better, by objective.")
    values: Listed[Listed[float]] = Field(
        description="Values of the objectives for each point; the best by the first comes first."
    )
    archs: Listed[str] = Field(description="Architecture of each point.")


class StudyDetails(WireModel):
    """A study with its searches and comparisons, from its current files."""

    name: str = Field(description="Name of the study.")
    over: str = Field(description="Axis of the comparison: `seconds` or `evaluations`.")
    searches: Listed[RecordedSearch] = Field(description="The searches.")
    skipped: Listed[SkippedFile] = Field(description="Skipped files.")
    comparisons: Listed[StudyComparison] = Field(
        description="Comparisons of searches that measure the same."
    )
    fronts: Listed[SearchFront] = Field(description="Pareto fronts of multi-objective searches.")
