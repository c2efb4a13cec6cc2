"""Problems on a table given as a dict of the metrics of all architectures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from nas_search.contract import Candidate, Domain, Proposal
from nas_search.domains import AdmittedDomain, ListedDomain, Refusal, choice_domain, walk
from nas_search.errors import ProblemError
from nas_search.problems.goals import Bounds, Goals, check_known
from nas_search.problems.problem import LocalProblem, Order, Outcome, Report, Table, refused, silent

__all__ = ["FiguresProblem"]


class FiguresProblem(Table, LocalProblem):
    """Search of a table in memory, such as a benchmark that the service does not have.

    Args:
        choices: The possible values of each choice by label; None: architectures are plain texts.
        figures: For each architecture its metrics by name. The key is the tuple of its values in
            the order of the labels, or a text of one character for each; without choices it is
            the text of the architecture. A metric `seconds` drives the simulated clock.
            Architectures that are not in the dict are never proposed.
        objectives: Names of metrics; `-` in front minimises.
        bounds: Smallest and largest value by metric. Architectures outside a bound on a metric in
            `known` are never proposed; trials outside another bound are infeasible.
        known: Metrics that are known before an evaluation, such as `parameters`.
        free_repeats: Whether a repeated evaluation costs nothing.

    Raises:
        ProblemError: An argument is invalid, or a key is not among the choices.
    """

    def __init__(
        self,
        choices: Mapping[str, Sequence[Any]] | None,
        figures: Mapping[Any, Mapping[str, float]],
        *,
        objectives: Sequence[str] = ("value",),
        bounds: Bounds | None = None,
        known: Iterable[str] = (),
        free_repeats: bool = False,
    ) -> None:
        self.goals = Goals.of(objectives, bounds)
        self.fidelities: tuple[int, ...] = ()
        self.order: Order = "numbered"
        self.free_repeats = free_repeats
        self._choices = None if choices is None else dict(choices)
        self._known = frozenset(known)
        self._rows = self._read(figures)
        names = {name for row in self._rows.values() for name in row}
        check_known("figure", (*self.goals.metrics, *self._known), sorted(names))

    @property
    def spec(self) -> dict[str, Any]:
        """The problem as JSON: choices, the digest of the metrics, objectives and bounds."""
        return {
            "kind": "figures",
            "choices": self._choices
            and {label: list(values) for label, values in self._choices.items()},
            "content_digest": self._digest,
            "known": sorted(self._known),
            "fidelities": [],
            "free_repeats": self.free_repeats,
            **self.goals.spec,
        }

    @cached_property
    def _digest(self) -> str:
        """The digest of all metrics in sorted order; cached, as many studies may use it."""
        rows = json.dumps(sorted((arch, sorted(row.items())) for arch, row in self._rows.items()))
        return "sha256:" + hashlib.sha256(rows.encode()).hexdigest()

    def domain(self) -> Domain:
        """Return the architectures in the table that are within the bounds on `known` metrics."""
        plain = self._plain_domain()
        early = any(one.metric in self._known for one in self.goals.bounds)
        if not early and len(self._rows) == plain.size:
            return plain
        return AdmittedDomain(plain, self._screen)

    def evaluate(self, candidate: Candidate, report: Report = silent) -> Outcome:  # noqa: ARG002 - for evaluators
        """Look up a candidate; an unknown architecture is a failed trial."""
        row = self._rows.get(candidate.arch)
        if row is None:
            return Outcome(error="the table has no such architecture")
        error = self.goals.lacking(row)
        return Outcome(metrics={} if error else row, cost=row.get("seconds", 0.0), error=error)

    def table(self) -> dict[str, Mapping[str, float]]:
        """Return the metrics of every architecture within the bounds, in the order of the grid.

        Architectures that lack a metric of an objective or bound are left out.
        """
        return dict(self._whole)

    @cached_property
    def _whole(self) -> dict[str, Mapping[str, float]]:
        return self._sought((arch, self._rows.get(arch)) for arch in walk(self._plain_domain()))

    def _plain_domain(self) -> Domain:
        return (
            ListedDomain(list(self._rows))
            if self._choices is None
            else choice_domain(self._choices)
        )

    def _read(self, figures: Mapping[Any, Mapping[str, float]]) -> dict[str, dict[str, float]]:
        if not figures:
            raise ProblemError("there are no figures")
        rows = dict[str, dict[str, float]]()
        if self._choices is None:
            return {
                str(arch): {name: float(value) for name, value in row.items()}
                for arch, row in figures.items()
            }
        domain = choice_domain(self._choices)
        for values, row in figures.items():
            if len(values) != len(domain.labels):
                raise ProblemError(
                    f"{values!r:.80} has {len(values)} values; there are {len(domain.labels)} "
                    "choices"
                )
            arch = json.dumps(dict(zip(domain.labels, values, strict=True)))
            domain.values(arch)  # raises if a value is not among the choices
            rows[arch] = {name: float(value) for name, value in row.items()}
        return rows

    def _screen(self, archs: Sequence[str]) -> Proposal[list[Refusal | None]]:
        yield from ()
        return [self._refusal(self._rows.get(arch)) for arch in archs]

    def _refusal(self, row: Mapping[str, float] | None) -> Refusal | None:
        if row is None or self.goals.lacking(row) is not None:
            return Refusal("unrecorded")
        known = (bound for bound in self.goals.bounds if bound.metric in self._known)
        return refused(known, row.get)
