"""Rules that stop trainings early, by the metrics of their epochs.

    study.run(budget, workers="service", stop=MedianRule(min_trials=5))

A rule is called after each epoch that a trial reports. A trial that it ends is `stopped`: it keeps
the metrics of its last epoch, and strategies receive no value for it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final, Protocol

from nas_search.errors import ProblemError, UnreportedError
from nas_search.problems.goals import Goals, check_known
from nas_search.strategies.seeded import require
from nas_search.study.trials import State

if TYPE_CHECKING:
    from nas_search.study.study import Study

__all__ = ["RULES", "Curves", "HalvingRule", "MedianRule", "StoppingRule", "Watch", "rule_from"]

_ENDED = frozenset({State.OK, State.INFEASIBLE})
"""States of trials that were not stopped early and did not fail."""

Curves = Mapping[int, Mapping[int, float]]
"""The metric by trial number and epoch (from 1), with the sign for which larger is better."""


class StoppingRule(Protocol):
    """Decides which trainings to stop early."""

    @property
    def metric(self) -> str | None:
        """The metric by which epochs are compared; None: the first objective of the study."""
        ...

    def stops(
        self, trial: int, epoch: int, curves: Curves, *, ended: Callable[[int], bool]
    ) -> bool:
        """Return whether to stop a trial after an epoch.

        Args:
            trial: The number of the trial.
            epoch: The epoch just reported, from 1.
            curves: The reports of all trials, including this epoch.
            ended: Returns whether a trial, by number, ended regularly.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class MedianRule:
    """Stops a trial whose best value so far is worse than the median of finished trials.

    A trial is stopped after an epoch if its best report so far is below the median of the running
    averages, up to the same epoch, of all trials that ended regularly (Golovin et al., KDD 2017,
    section 3.2.2).

    Args:
        metric: The metric by which epochs are compared, with `-` in front if smaller is better;
            None: the first objective of the study.
        min_trials: The number of trials that have to end before one is stopped.
        min_epochs: The first epoch after which a trial may be stopped.

    Raises:
        ValueError: A number is out of range.
    """

    metric: str | None = None
    min_trials: int = 5
    min_epochs: int = 1

    def __post_init__(self) -> None:
        require("min_trials", self.min_trials, least=1)
        require("min_epochs", self.min_epochs, least=1)

    def stops(
        self, trial: int, epoch: int, curves: Curves, *, ended: Callable[[int], bool]
    ) -> bool:
        """Return whether the best of a trial is below the median of the averages of others."""
        if epoch < self.min_epochs:
            return False
        averages = []
        for other, curve in curves.items():
            if other != trial and ended(other):
                until = [value for at, value in curve.items() if at <= epoch]
                if until:
                    averages.append(sum(until) / len(until))
        if len(averages) < self.min_trials:
            return False
        best = max(value for at, value in curves[trial].items() if at <= epoch)
        return best < median(averages)


@dataclass(frozen=True, kw_only=True)
class HalvingRule:
    """Stops a trial at a rung unless it is among the best 1/`eta` that reached it: stopping ASHA.

    Rungs are at `min_epochs`, `eta` times as many epochs, and so on. The strategy `ASHA` promotes
    finished trials; this rule stops running ones (Li et al., MLSys 2020, arXiv:1810.05934, in the
    `stopping` variant of Syne Tune). The first `eta` - 1 trials at a rung always continue, as there
    is nothing to compare them with.

    Args:
        metric: As for `MedianRule`.
        min_epochs: The epochs of the first rung.
        eta: The inverse of the share of trials that continue.

    Raises:
        ValueError: A number is out of range.
    """

    metric: str | None = None
    min_epochs: int = 1
    eta: int = 3

    def __post_init__(self) -> None:
        require("min_epochs", self.min_epochs, least=1)
        require("eta", self.eta, least=2)

    def stops(
        self, trial: int, epoch: int, curves: Curves, *, ended: Callable[[int], bool]
    ) -> bool:
        """Return whether a trial is not among the best that reached this rung."""
        del ended
        if not self._is_rung(epoch):
            return False
        reached = sorted(
            (curve[epoch] for curve in curves.values() if epoch in curve), reverse=True
        )
        if len(reached) < self.eta:
            return False
        return curves[trial][epoch] < reached[len(reached) // self.eta - 1]

    def _is_rung(self, epoch: int) -> bool:
        rung = self.min_epochs
        while rung < epoch:
            rung *= self.eta
        return rung == epoch


RULES: Final[Mapping[str, type[MedianRule | HalvingRule]]] = {
    rule.__name__: rule for rule in (MedianRule, HalvingRule)
}
"""The rules by name, as TOML files refer to them."""


def rule_from(stated: Mapping[str, Any]) -> StoppingRule:
    """Make a rule from JSON: its `name` and its arguments.

    Raises:
        ProblemError: The rule or an argument is unknown, or a value is invalid.
    """
    arguments = dict(stated)
    name = arguments.pop("name", None)
    check_known("rule", [str(name)], tuple(RULES))
    try:
        return RULES[name](**arguments)
    except (TypeError, ValueError) as error:
        raise ProblemError(f"{name}: {error}") from error


class Watch:
    """Applies a rule to each epoch that is reported to a study.

    Reports of earlier runs are read from the study's events, so that a resumed study decides as an
    uninterrupted one would.

    Args:
        study: The study.
        rule: The rule.

    Raises:
        ProblemError: The problem has no trainings to stop, or the rule is invalid.

    Attributes:
        settings: The name of the rule and, for those of `RULES`, its arguments.
    """

    def __init__(self, study: Study, rule: StoppingRule) -> None:
        if isinstance(rule, type) or not callable(getattr(rule, "stops", None)):
            raise ProblemError(f"{rule!r:.80} is no rule: give one, such as MedianRule()")
        evaluator = getattr(study.problem, "evaluator", None)
        if evaluator is None or callable(evaluator):
            raise ProblemError(
                "a rule stops trainings, which report their epochs: this problem has none"
            )
        self._study, self._rule = study, rule
        arguments = asdict(rule) if isinstance(rule, MedianRule | HalvingRule) else {}
        self.settings = {"name": type(rule).__name__, **arguments}
        goal = (
            study.goals.objectives[0]
            if rule.metric is None
            else Goals.of([rule.metric], None).objectives[0]
        )
        self._metric, self._sign = goal.metric, 1 if goal.maximise else -1
        self._curves: defaultdict[int, dict[int, float]] = defaultdict(dict)
        for event in study.events():
            if event.kind == "epoch":
                self._note(event.payload)

    def stops(self, figures: Mapping[str, Any]) -> bool:
        """Take the metrics of an epoch, with its `trial`; return whether to stop the trial.

        Raises:
            UnreportedError: Epochs do not report the metric.
        """
        if not self._note(figures):
            raise UnreportedError(
                f"epochs are to be compared by {self._metric}, which they do not report: state the "
                f"metric of the rule, one of {', '.join(sorted(set(figures) - {'trial'}))}"
            )
        trial, epoch = int(figures["trial"]), int(figures["epoch"])
        states = {one.number: one.state for one in self._study.trials}
        return self._rule.stops(
            trial, epoch, self._curves, ended=lambda one: states.get(one) in _ENDED
        )

    def _note(self, figures: Mapping[str, Any]) -> bool:
        value = figures.get(self._metric)
        if value is None or "epoch" not in figures:
            return False
        # NaN is worse than any number.
        number = self._sign * float(value)
        self._curves[int(figures["trial"])][int(figures["epoch"])] = (
            -math.inf if math.isnan(number) else number
        )
        return True
