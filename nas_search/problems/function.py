"""Problems of a function of one's own, or of none: then a loop of one's own tells results."""

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
"""Characters of a message that are kept."""


class FunctionProblem(LocalProblem):
    """Searches choices by a function of them.

    Args:
        choices: The candidates of each label, or the choices of a space of the model hub
            (`space.choices`).
        function: Takes a sample, a dict of label and value, and with `fidelities` also how far to
            go; returns the value of the one objective, or figures by name. What it raises makes a
            failed trial. None: results are told by `study.tell`. For evaluations in processes of
            their own it stands at the top of a module.
        objectives: Names of what it returns; `-` in front minimises.
        bounds: By name, least and greatest value. Those of `known` are met by every trial; of the
            others, trials beyond are infeasible.
        known: Functions of a sample whose values are known before it is evaluated, by name.
        fidelities: How far an evaluation may go, ascending.

    Raises:
        ProblemError: An argument means nothing.
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
        """What makes the problem: choices, the name of the function, and what is sought."""
        return {
            "kind": "function",
            "choices": self._spec,
            "function": getattr(self._function, "__qualname__", None),
            "known": sorted(self._known),
            "fidelities": list(self.fidelities),
            **self.goals.spec,
        }

    def domain(self) -> Domain:
        """Return what a new search draws from."""

        def known(arch: str, metric: str) -> float:
            return float(self._known[metric](json.loads(arch)))

        return within_known(self._plain_domain(), self.goals, self._known, known)

    def evaluate(self, candidate: Candidate, report: Report = silent) -> Outcome:  # noqa: ARG002 - for evaluators
        """Evaluate a candidate by the function; what it raises is in the outcome."""
        if self._function is None:
            raise ProblemError(
                "this problem has no function to run: ask and tell in a loop of your own"
            )
        function, arch = self._function, candidate.arch

        def measure() -> Any:
            self._reader.values(arch)  # refuses what a strategy has made up
            arguments = (candidate.fidelity or self.fidelities[-1],) if self.fidelities else ()
            return function(json.loads(arch), *arguments)

        return evaluated(measure, self.goals, lambda: self._known_metrics(json.loads(arch)))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made anew where it is needed."""
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
    """Return the outcome of an evaluation, failed if it raises or lacks what is sought.

    Args:
        measure: Returns figures by name, or the value of the one objective.
        goals: What is sought.
        known: Returns what is known without it.

    Raises:
        OtherTrainerError: The trainer of the evaluation is not here any more, or its code changed.
        UnreportedError: Something that is sought is never reported.
    """
    begun = time.perf_counter()
    try:
        found = measure()
        metrics = {**known(), **figures_by_name(found, goals)}
    except StoppedEarlyError as stopped:
        cost = stopped.figures.get("seconds", time.perf_counter() - begun)
        return Outcome(metrics=stopped.figures, cost=cost, stopped=True)
    except (OtherTrainerError, UnreportedError):
        # Not of this evaluation: no other could do better.
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the search goes on
        message = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
        return Outcome(cost=time.perf_counter() - begun, error=message)
    cost = metrics.get("seconds", time.perf_counter() - begun)
    lacking = goals.lacking(metrics)
    return Outcome(metrics={} if lacking else metrics, cost=cost, error=lacking)


def checked_fidelities(fidelities: Sequence[int]) -> tuple[int, ...]:
    """Return fidelities that are whole numbers from 1, ascending.

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
    """Return what an evaluation returned as figures by name.

    Raises:
        TypeError: It is one number, and several are sought; or none at all.
    """
    if isinstance(found, Mapping):
        return {str(name): float(value) for name, value in found.items()}
    first, *others = goals.objectives
    if others:
        names = ", ".join(one.metric for one in goals.objectives)
        raise TypeError(f"the evaluation returns figures by name ({names}), not {found!r:.80}")
    return {first.metric: float(found)}


def _spec_of(domain: Domain) -> dict[str, list[Any]]:
    return {label: list(domain.candidates(label)) for label in domain.labels}
