"""What a study needs of a problem, and an evaluator of networks has to offer."""

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
"""Whether results are told in the order of their trials, or as they come."""

Report: TypeAlias = Callable[[str, Mapping[str, Any]], bool]
"""Takes an event of an evaluation under way: its kind (`epoch`, `step`) and its figures.

Where it returns True, the evaluation is to end here and to raise `StoppedEarlyError`; one that
cannot goes on."""


def silent(kind: str, figures: Mapping[str, Any]) -> bool:  # noqa: ARG001 - as every report
    """Take no notice of an event."""
    return False


def check_client(bench: Any) -> None:
    """Refuse to ask what is no client.

    Raises:
        ProblemError: It is none, or one that is awaited.
    """
    if not isinstance(bench, BenchClient):
        raise ProblemError(
            f"bench is {bench!r:.80}: give a BenchClient, such as BenchClient.local(folder) or, "
            "with the address of a server, BenchClient(url)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an evaluation brought.

    Args:
        metrics: Figures by name; finite ones where nothing failed.
        cost: Seconds that it took, or would have taken.
        error: Why it failed, in one line; None if it did not.
        stopped: Whether it was ended early; the figures are those so far.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    cost: float = 0.0
    error: str | None = None
    stopped: bool = False


class Problem(Protocol):
    """What is searched for, and who evaluates it.

    Attributes:
        goals: Objectives and bounds.
        fidelities: Epochs (or steps) that an evaluation may end after, ascending; empty where it
            goes to its end.
        order: In which order results are told unless a run says otherwise.
        looks_up: Whether evaluations only look up what is recorded, so that no process of their
            own is worth its while.
        continues: Whether an evaluation is charged only what lies beyond a shorter one of the same
            architecture.
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
        """What makes the problem, as JSON: equal for equal problems."""
        ...

    def domain(self) -> Domain:
        """Return what a new search draws from."""
        ...

    def answer(self, ask: Ask) -> Any:
        """Answer what a domain asks."""
        ...

    def evaluate(self, candidate: Candidate, report: Report = silent) -> Outcome:
        """Evaluate a candidate; what goes wrong is in the outcome."""
        ...


class LocalProblem:
    """Base of problems that ask no benchmark."""

    looks_up = False
    continues = False
    free_repeats = False

    def answer(self, ask: Ask) -> NoReturn:
        """Refuse: there is nobody to ask.

        Raises:
            ProblemError: Always.
        """
        raise ProblemError(
            f"the strategy asks a benchmark, but this problem has none ({ask!r:.80})"
        )


class Table:
    """Base of problems all of whose figures are known: nothing is evaluated."""

    looks_up = True
    goals: Goals

    def table(self) -> dict[str, Mapping[str, float]]:
        """Return the figures of every architecture within the bounds."""
        raise NotImplementedError

    def optimum(self) -> float:
        """Return the best first objective that there is, within the bounds: the oracle's value.

        Raises:
            ProblemError: Nothing is within the bounds.
        """
        return self._optimum

    @cached_property
    def _optimum(self) -> float:
        # Asked for once a run, and it looks at every architecture.
        return self.goals.best(self.table().values())

    def _sought(
        self, rows: Iterable[tuple[str, Mapping[str, float] | None]]
    ) -> dict[str, Mapping[str, float]]:
        """Return the rows that have all that is sought, within the bounds."""
        return {
            arch: row
            for arch, row in rows
            if row is not None and self.goals.lacking(row) is None and not self.goals.violation(row)
        }


def refused(bounds: Iterable[Bound], value: Callable[[str], float | None]) -> Refusal | None:
    """Return why bounds on what is known beforehand refuse an architecture; None: they do not.

    Args:
        bounds: On such metrics.
        value: Returns one of its metrics; None: it is not recorded.
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
    """Return a domain without what is out of the bounds of metrics that are known beforehand.

    Args:
        domain: All architectures.
        goals: What is sought.
        known: Names of the metrics that are known of an architecture before it is evaluated.
        value: Returns such a metric of an architecture.
    """
    early = [bound for bound in goals.bounds if bound.metric in known]

    def screen(archs: Sequence[str]) -> Proposal[list[Refusal | None]]:
        yield from ()
        return [refused(early, partial(value, arch)) for arch in archs]

    return AdmittedDomain(domain, screen) if early else domain


class Evaluator(Protocol):
    """Evaluates networks of a space, as training on a data set does.

    It is pickled for evaluations in processes of their own.

    Attributes:
        metrics: What it measures. `seconds` among them is the cost; else it is timed.
        settings: Every argument by name, as JSON has it; data by its digest.

    Those of `metrics` that an evaluation may lack are named by a further attribute,
    `optional_metrics`, which need not be there: a search that seeks one ends where it is missing.
    """

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it measures."""
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
            sample: Of it.
            fidelity: Epochs (or steps); None for all there are.
            report: Takes events of kind `epoch` or `step`, and tells whether to end here.

        Raises:
            StoppedEarlyError: The report said so.
        """
        ...
