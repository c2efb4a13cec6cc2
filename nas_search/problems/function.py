"""Problems evaluated by a Python function, or by the caller in an ask-and-tell loop."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nas_search.contract import Candidate, Domain
from nas_search.domains import HubDomain, choice_domain
from nas_search.errors import OtherTrainerError, ProblemError, StoppedEarlyError, UnreportedError
from nas_search.problems.goals import Bounds, Goals
from nas_search.problems.problem import LocalProblem, Order, Outcome, Report, silent, within_known

if TYPE_CHECKING:
    from model_hub import SearchSpace

__all__ = ["FunctionProblem", "checked_fidelities", "evaluated", "figures_by_name"]

_LONGEST_ERROR = 500
"""The most characters of an error message that are kept."""


class FunctionProblem(LocalProblem):
    """Search of choices that a Python function evaluates.

    Args:
        choices: The possible values of each choice by label, or the choices of a space of the model
            hub (`space.choices`).
        function: Takes a sample, a dict of values by label, and with `fidelities` also the
            fidelity. Returns the value of the only objective, or metrics by name. If it raises, the
            trial has failed. To run in worker processes it has to be defined at the top level of a
            module. None: the caller reports results with `study.tell`.
        objectives: Names of metrics it returns; `-` in front minimises.
        bounds: Smallest and largest value by metric. Architectures outside a bound on a metric in
            `known` are never proposed; trials outside another bound are infeasible.
        known: Metrics that are known before an evaluation: functions of a sample, by name.
        fidelities: The fidelities of evaluations, such as epochs, ascending.

    Raises:
        ProblemError: An argument is invalid.
    """

    def __init__(
        self,
        choices: Mapping[str, Sequence[Any]] | SearchSpace,
        function: Callable[..., Any] | None = None,
        *,
        objectives: Sequence[str] = ("value",),
        bounds: Bounds | None = None,
        known: Mapping[str, Callable[[dict[str, Any]], float]] | None = None,
        fidelities: Sequence[int] = (),
    ) -> None:
        if function is not None and not callable(function):
            raise ProblemError(f"the function is {function!r:.80}, which cannot be called")
        self.goals = Goals.of(objectives, bounds)
        self.fidelities = checked_fidelities(fidelities)
        self.order: Order = "numbered"
        self._choices = choices
        self._function = function
        self._known = dict(known or {})
        self._spec = _spec_of(self._plain_domain())

    @property
    def spec(self) -> dict[str, Any]:
        """The problem as JSON: choices, name of the function, objectives and bounds."""
        return {
            "kind": "function",
            "choices": self._spec,
            "function": getattr(self._function, "__qualname__", None),
            "known": sorted(self._known),
            "fidelities": list(self.fidelities),
            **self.goals.spec,
        }

    def domain(self) -> Domain:
        """Return the architectures within the bounds on `known` metrics."""

        def known(arch: str, metric: str) -> float:
            return float(self._known[metric](json.loads(arch)))

        return within_known(self._plain_domain(), self.goals, self._known, known)

    def evaluate(self, candidate: Candidate, report: Report = silent) -> Outcome:  # noqa: ARG002 - for evaluators
        """Evaluate a candidate with the function; an exception becomes a failed outcome."""
        if self._function is None:
            raise ProblemError(
                "this problem has no function: call study.ask and study.tell in your own loop"
            )
        function, arch = self._function, candidate.arch

        def measure() -> Any:
            self._reader.values(arch)  # raises on an architecture outside the choices
            arguments = (candidate.fidelity or self.fidelities[-1],) if self.fidelities else ()
            return function(json.loads(arch), *arguments)

        return evaluated(measure, self.goals, lambda: self._known_metrics(json.loads(arch)))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the cached domain, which is made again when needed."""
        return {name: value for name, value in self.__dict__.items() if name != "_reader"}

    @cached_property
    def _reader(self) -> Domain:
        return self._plain_domain()

    def _plain_domain(self) -> Domain:
        if isinstance(self._choices, Mapping):
            return choice_domain(self._choices)
        return HubDomain(self._choices)

    def _known_metrics(self, sample: dict[str, Any]) -> dict[str, float]:
        return {name: float(function(sample)) for name, function in self._known.items()}


def evaluated(
    measure: Callable[[], Any], goals: Goals, known: Callable[[], Mapping[str, float]]
) -> Outcome:
    """Run an evaluation and return its outcome, failed if it raises or lacks a needed metric.

    Args:
        measure: Returns metrics by name, or the value of the only objective.
        goals: The objectives and bounds.
        known: Returns the metrics that are known without the evaluation.

    Raises:
        OtherTrainerError: The trainer has been uninstalled, or its code has changed.
        UnreportedError: A metric of an objective or bound is never reported.
    """
    begun = time.perf_counter()
    try:
        found = measure()
        metrics = {**known(), **figures_by_name(found, goals)}
    except StoppedEarlyError as stopped:
        cost = stopped.figures.get("seconds", time.perf_counter() - begun)
        return Outcome(metrics=stopped.figures, cost=cost, stopped=True)
    except (OtherTrainerError, UnreportedError):
        # Every other evaluation would raise the same.
        raise
    except Exception as error:  # noqa: BLE001 - one failed trial does not end the search
        message = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
        return Outcome(cost=time.perf_counter() - begun, error=message)
    cost = metrics.get("seconds", time.perf_counter() - begun)
    lacking = goals.lacking(metrics)
    return Outcome(metrics={} if lacking else metrics, cost=cost, error=lacking)


def checked_fidelities(fidelities: Sequence[int]) -> tuple[int, ...]:
    """Return the fidelities, after checking that they are ascending integers from 1.

    Raises:
        ProblemError: They are not.
    """
    ascending = sorted({one for one in fidelities if type(one) is int and one >= 1})
    if list(fidelities) != ascending:
        raise ProblemError(
            f"fidelities are whole numbers from 1, ascending, not {fidelities!r:.80}"
        )
    return tuple(fidelities)


def figures_by_name(found: Any, goals: Goals) -> dict[str, float]:
    """Return the result of an evaluation as metrics by name.

    Raises:
        TypeError: It is a single number and there are several objectives, or it is no number.
    """
    if isinstance(found, Mapping):
        return {str(name): float(value) for name, value in found.items()}
    first, *others = goals.objectives
    if others:
        names = ", ".join(one.metric for one in goals.objectives)
        raise TypeError(f"the evaluation returns metrics by name ({names}), not {found!r:.80}")
    return {first.metric: float(found)}


def _spec_of(domain: Domain) -> dict[str, list[Any]]:
    return {label: list(domain.candidates(label)) for label in domain.labels}
