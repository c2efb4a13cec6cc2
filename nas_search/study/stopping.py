"""Rules that end trainings early, by the figures of their epochs.

    study.run(budget, workers="service", stop=MedianRule(min_trials=5))

A rule is asked after each epoch that a trial reports. A trial that it ends is `stopped`: it has the
figures of its last epoch, and no strategy learns a number from it.
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
"""What went to its end."""

Curves = Mapping[int, Mapping[int, float]]
"""By trial and by epoch, from 1: a figure, larger being better."""


class StoppingRule(Protocol):
    """Says which trainings are not worth going on with."""

    @property
    def metric(self) -> str | None:
        """The figure that epochs are compared by; None: the first objective of the study."""
        ...

    def stops(
        self, trial: int, epoch: int, curves: Curves, *, ended: Callable[[int], bool]
    ) -> bool:
        """Tell whether a trial ends after an epoch.

        Args:
            trial: Its number.
            epoch: Which it has just reported, from 1.
            curves: What all trials have reported, this epoch among it.
            ended: Whether a trial went to its end.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class MedianRule:
    """Ends what has always been worse than the median of those before it.

    A trial is stopped after an epoch if the best that it reported up to then is below the median of
    the running averages, up to the same epoch, of all trials that went to their end (Golovin et
    al., KDD 2017, section 3.2.2).

    Args:
        metric: The figure that epochs are compared by, `-` in front where less is better; None:
            the first objective of the study.
        min_trials: How many trials have to end before one is stopped.
        min_epochs: After how many epochs a trial may be stopped at first.

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
        """Tell whether the best of a trial is below the median of the averages of others."""
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
    """Ends at each rung what is not among the best third that reached it: ASHA that stops.

    Rungs are `min_epochs`, `eta` times as many, and so on. Unlike the strategy `ASHA`, which lets
    trials go on that have ended, this ends those that go on (Li et al., MLSys 2020,
    arXiv:1810.05934, as Syne Tune's `stopping` variant has it): the first ones of a rung, with
    which nothing can be compared, go on.

    Args:
        metric: As that of `MedianRule`.
        min_epochs: Of the first rung.
        eta: One of so many goes on.

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
        """Tell whether a trial is not among the best that reached this rung."""
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
"""The rules by name, as a file states them."""


def rule_from(stated: Mapping[str, Any]) -> StoppingRule:
    """Return the rule that JSON states: a `name` and arguments.

    Raises:
        ProblemError: There is no such rule, or an argument is unknown or means nothing.
    """
    arguments = dict(stated)
    name = arguments.pop("name", None)
    check_known("rule", [str(name)], tuple(RULES))
    try:
        return RULES[name](**arguments)
    except (TypeError, ValueError) as error:
        raise ProblemError(f"{name}: {error}") from error


class Watch:
    """Asks a rule about each epoch that is reported to a study.

    What was reported before, in earlier runs, is read from the study's events, so that a study that
    goes on decides as it would have.

    Args:
        study: Whose epochs.
        rule: Is asked.

    Raises:
        ProblemError: No training is there to be stopped, or the rule is none.

    Attributes:
        settings: The name of the rule, and its arguments where it is one of `RULES`.
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
        """Take the figures of an epoch, with its `trial`; tell whether the trial is to end.

        Raises:
            UnreportedError: Epochs do not have the figure.
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
        # What is no number is worse than any.
        number = self._sign * float(value)
        self._curves[int(figures["trial"])][int(figures["epoch"])] = (
            -math.inf if math.isnan(number) else number
        )
        return True
