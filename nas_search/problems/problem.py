"""The interfaces of problems and of evaluators, and base classes of problems."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal, NoReturn, Protocol, TypeAlias

from bench_client import BenchClient
from nas_search.contract import Ask, Candidate, Domain, Proposal
from nas_search.domains import AdmittedDomain, Refusal
from nas_search.errors import ProblemError
from nas_search.problems.goals import Bound, Goals

__all__ = [
    "Evaluator",
    "LocalProblem",
    "Order",
    "Outcome",
    "Problem",
    "Report",
    "Table",
    "check_client",
    "refused",
    "silent",
    "within_known",
]

Order: TypeAlias = Literal["numbered", "arrival"]
"""Whether results are told in the order of trial numbers, or as they arrive."""

Report: TypeAlias = Callable[[str, Mapping[str, Any]], bool]
"""Takes an event of a running evaluation: its kind (`epoch`, `step`) and its metrics.

If it returns True, the evaluation should raise `StoppedEarlyError`, or continue if it cannot."""


def silent(kind: str, figures: Mapping[str, Any]) -> bool:  # noqa: ARG001 - as every report
    """Ignore an event."""
    return False


def check_client(bench: Any) -> None:
    """Raise if an argument is not a `BenchClient`.

    Raises:
        ProblemError: It is no client, or an asynchronous one.
    """
    if not isinstance(bench, BenchClient):
        raise ProblemError(
            f"bench is {bench!r:.80}: give a BenchClient, such as BenchClient.local(folder) or, "
            "with the address of a server, BenchClient(url)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of an evaluation.

    Args:
        metrics: The metrics by name; finite unless the evaluation failed.
        cost: Seconds that it took, or would have taken.
        error: Why it failed, in one line; None if it did not.
        stopped: Whether it was stopped early; the metrics are then those so far.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    cost: float = 0.0
    error: str | None = None
    stopped: bool = False


class Problem(Protocol):
    """Objectives, bounds, a domain of architectures, and their evaluation.

    Attributes:
        goals: Objectives and bounds.
        fidelities: Epochs (or steps) after which an evaluation may end, ascending; empty if there
            are only full evaluations.
        order: The default order in which results are told.
        looks_up: Whether evaluations only look up recorded results, which needs no worker process.
        continues: Whether an evaluation is charged only for the part beyond a shorter one of the
            same architecture.
        free_repeats: Whether a repeated evaluation costs nothing.
    """

    goals: Goals
    fidelities: tuple[int, ...]
    order: Order
    looks_up: bool
    continues: bool
    free_repeats: bool

    @property
    def spec(self) -> dict[str, Any]:
        """The problem as JSON, equal for equal problems."""
        ...

    def domain(self) -> Domain:
        """Return a new domain of the architectures to search."""
        ...

    def answer(self, ask: Ask) -> Any:
        """Answer a question of a domain."""
        ...

    def evaluate(self, candidate: Candidate, report: Report = silent) -> Outcome:
        """Evaluate a candidate; a failure is part of the outcome."""
        ...


class LocalProblem:
    """Base of problems that need no client."""

    looks_up = False
    continues = False
    free_repeats = False

    def answer(self, ask: Ask) -> NoReturn:
        """Raise, as there is no client to ask.

        Raises:
            ProblemError: Always.
        """
        raise ProblemError(
            f"the strategy asks a benchmark, but this problem has none ({ask!r:.80})"
        )


class Table:
    """Base of problems whose metrics are all recorded, so that evaluations are look-ups."""

    looks_up = True
    goals: Goals

    def table(self) -> dict[str, Mapping[str, float]]:
        """Return the metrics of every architecture within the bounds."""
        raise NotImplementedError

    def optimum(self) -> float:
        """Return the best value of the first objective within the bounds, the oracle.

        Raises:
            ProblemError: No architecture is within the bounds.
        """
        return self._optimum

    @cached_property
    def _optimum(self) -> float:
        # Cached, as every run needs it and it scans all architectures.
        return self.goals.best(self.table().values())

    def _sought(
        self, rows: Iterable[tuple[str, Mapping[str, float] | None]]
    ) -> dict[str, Mapping[str, float]]:
        """Return the rows with all needed metrics that are within the bounds."""
        return {
            arch: row
            for arch, row in rows
            if row is not None and self.goals.lacking(row) is None and not self.goals.violation(row)
        }


def refused(bounds: Iterable[Bound], value: Callable[[str], float | None]) -> Refusal | None:
    """Return why bounds on metrics known before an evaluation refuse an architecture, or None.

    Args:
        bounds: Bounds on such metrics.
        value: Returns a metric of the architecture; None: it is not recorded.
    """
    for bound in bounds:
        found = value(bound.metric)
        if found is None:
            return Refusal("unrecorded")
        side = bound.broken_by(found)
        if side is not None:
            return Refusal(bound.metric, found, side)
    return None


def within_known(
    domain: Domain, goals: Goals, known: Collection[str], value: Callable[[str, str], float]
) -> Domain:
    """Return a domain restricted by the bounds on metrics known before an evaluation.

    Args:
        domain: All architectures.
        goals: The objectives and bounds.
        known: Names of the metrics that are known before an evaluation.
        value: Returns such a metric of an architecture.
    """
    early = [bound for bound in goals.bounds if bound.metric in known]

    def screen(archs: Sequence[str]) -> Proposal[list[Refusal | None]]:
        yield from ()
        return [refused(early, partial(value, arch)) for arch in archs]

    return AdmittedDomain(domain, screen) if early else domain


class Evaluator(Protocol):
    """Measures networks of a space, for example by training them.

    It is pickled for evaluations in worker processes. An optional attribute `optional_metrics`
    names those of `metrics` that an evaluation may lack; a search for such a metric ends with an
    error when it is missing.

    Attributes:
        metrics: Names of the metrics. If `seconds` is among them, it is the cost; otherwise the
            evaluation is timed.
        settings: Every argument by name, as JSON; data by its digest.
    """

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """Every argument by name."""
        ...

    def evaluate(
        self, space: Any, sample: dict[str, Any], *, fidelity: int | None, report: Report
    ) -> Mapping[str, float]:
        """Return the metrics of the network of a sample.

        Args:
            space: The model space.
            sample: A sample of the space.
            fidelity: Epochs (or steps); None: all.
            report: Takes events of kind `epoch` or `step`, and returns whether to stop.

        Raises:
            StoppedEarlyError: `report` returned True.
        """
        ...
