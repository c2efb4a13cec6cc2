"""Problems on a search space of the model hub, whose networks an evaluator measures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nas_search.contract import Candidate, Domain
from nas_search.domains import HubDomain
from nas_search.errors import ProblemError, UnreportedError
from nas_search.problems.function import checked_fidelities, evaluated
from nas_search.problems.goals import Bounds, Goals, check_known
from nas_search.problems.problem import (
    Evaluator,
    LocalProblem,
    Order,
    Outcome,
    Report,
    silent,
    within_known,
)

if TYPE_CHECKING:
    from model_hub.model_space import ModelSpace

__all__ = ["SpaceProblem"]

_KNOWN: Final = ("parameters", "macs")
"""Metrics that are computed from the architecture, before an evaluation."""

_CACHE_SIZE: Final = 1 << 16


class SpaceProblem(LocalProblem):
    """Search of a space of the model hub.

    Args:
        space: The space, as `model_hub.space` returns it.
        evaluator: An `Evaluator`; or a function of a sample that returns the value of the only
            objective, or metrics by name.
        objectives: Metrics of the evaluator, `parameters` or `macs`; `-` in front minimises.
        bounds: Smallest and largest value by metric. Architectures outside a bound on `parameters`
            or `macs` are never proposed; trials outside another bound are infeasible.
        fidelities: Epochs (or steps) after which an evaluation may end, ascending.

    Raises:
        ProblemError: An argument is invalid.
    """

    def __init__(
        self,
        space: ModelSpace,
        evaluator: Evaluator | Callable[[dict[str, Any]], Any],
        *,
        objectives: Sequence[str] = ("accuracy",),
        bounds: Bounds | None = None,
        fidelities: Sequence[int] = (),
    ) -> None:
        self.space = space
        self.evaluator = evaluator
        self.goals = Goals.of(objectives, bounds)
        self.fidelities = checked_fidelities(fidelities)
        self.order: Order = "arrival"
        if not callable(evaluator):
            check_known("metric", self.goals.metrics, (*evaluator.metrics, *_KNOWN))
        elif fidelities:
            raise ProblemError("fidelities need an Evaluator: a function of a sample takes none")
        self._counted = lru_cache(maxsize=_CACHE_SIZE)(self._count)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the cache of counts."""
        return {name: value for name, value in self.__dict__.items() if name != "_counted"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._counted = lru_cache(maxsize=_CACHE_SIZE)(self._count)

    @property
    def spec(self) -> dict[str, Any]:
        """The problem as JSON: the space, the evaluator's settings, objectives and bounds."""
        return {
            "kind": "space",
            "space": type(self.space).__name__,
            "arguments": self.space.arguments,
            "evaluator": {
                "name": getattr(self.evaluator, "__qualname__", type(self.evaluator).__name__),
                "settings": getattr(self.evaluator, "settings", None),
            },
            "fidelities": list(self.fidelities),
            **self.goals.spec,
        }

    def domain(self) -> Domain:
        """Return the architectures within the bounds on `parameters` and `macs`."""
        return within_known(HubDomain(self.space.choices), self.goals, _KNOWN, self._counted)

    def evaluate(self, candidate: Candidate, report: Report = silent) -> Outcome:
        """Evaluate a candidate; a failure is part of the outcome."""
        evaluator = self.evaluator

        def measure() -> Any:
            sample = self.space.choices.from_json(candidate.arch)
            if not callable(evaluator):
                return evaluator.evaluate(
                    self.space, sample, fidelity=candidate.fidelity, report=report
                )
            return evaluator(sample)

        return self.concluded(candidate, measure)

    def concluded(self, candidate: Candidate, measure: Callable[[], Any]) -> Outcome:
        """Return the outcome of a candidate, with the counted metrics added.

        Args:
            candidate: The candidate.
            measure: Returns the metrics of the evaluation; an exception becomes a failed outcome.

        Raises:
            OtherTrainerError: The trainer has been uninstalled, or its code has changed.
            UnreportedError: The trainer does not report a metric of an objective or bound.
        """

        def measured() -> Any:
            found = measure()
            self._refuse_unreported(found)
            return found

        return evaluated(measured, self.goals, lambda: self._known_metrics(candidate.arch))

    def _refuse_unreported(self, found: Any) -> None:
        """Raise if an optional metric is missing that is an objective or has a bound."""
        optional: tuple[str, ...] = getattr(self.evaluator, "optional_metrics", ())
        for name in self.goals.metrics:
            if name in optional and name not in found:
                raise UnreportedError(
                    f"the trainer reports no {name}, which is an objective or a bound: choose "
                    f"another one, of {', '.join(sorted(found))}"
                )

    def _known_metrics(self, arch: str) -> Mapping[str, float]:
        measured = getattr(self.evaluator, "metrics", ())
        wanted = [name for name in _KNOWN if name in self.goals.metrics and name not in measured]
        return {name: self._counted(arch, name) for name in wanted}

    def _count(self, arch: str, metric: str) -> float:
        sample = json.loads(arch)
        if metric == "parameters":
            by_formula = self.space.num_parameters(sample)
            if by_formula is not None:
                return float(by_formula)
        return float(getattr(self.space.profile(sample), metric))
