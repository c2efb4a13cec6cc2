"""The simulated clock: what evaluations cost, in the order in which they are charged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from bench_client.errors import BudgetExhausted
from bench_client.models.nasbench101 import Nb101Stats
from bench_client.models.nasbench201 import Nb201Stats
from bench_client.models.natssss import NatsSssStats
from bench_client.simulation_settings import SimulationSettings

__all__ = ["Evaluation", "Fidelity", "Ledger", "Observation", "RunStats", "TrajectoryPoint"]

RunStats: TypeAlias = Nb101Stats | Nb201Stats | NatsSssStats
"""What the benchmarks with numbered architectures record of a run."""


class Fidelity(NamedTuple):
    """How far a training goes.

    Attributes:
        num_epochs: Budget that its learning-rate schedule is laid out for.
        epoch: Epoch after which it ends; `num_epochs` unless it is stopped early.
    """

    num_epochs: int
    epoch: int

    def leads_to(self, other: Fidelity) -> bool:
        """Tell whether a training that got here may be continued to the other.

        Within one run it may. From one budget to the next it may once the smaller one is
        complete, on the assumption that `continue_training` names.
        """
        same_run = self.num_epochs == other.num_epochs
        return self.epoch < other.epoch and (same_run or self.epoch == self.num_epochs)


class Observation(NamedTuple):
    """What the benchmark records of an evaluation, before it is charged.

    Attributes:
        arch: The spelling that stands for all spellings of the architecture.
        fidelity: How far the training goes.
        value: The metric.
        training_time: Of the whole training up to there, in seconds.
        evaluation_time: Of the evaluation that yields the value, in seconds, where it counts.
        item: The run, or the mean over the runs.
    """

    arch: str
    fidelity: Fidelity
    value: float
    training_time: float
    evaluation_time: float
    item: RunStats


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """An evaluation that was charged.

    Attributes:
        arch: The architecture, in the one spelling that stands for all others: the hash for
            NAS-Bench-101, else the published string. Every question takes it.
        value: The metric, after `epoch` of `num_epochs` epochs.
        cost: What was charged for it, in seconds.
        time: What the clock showed afterwards, in seconds.
        position: Its place among the evaluations of the simulation, from 0.
        num_epochs: Training budget of the run.
        epoch: Epoch after which the training ended: `num_epochs` unless it was stopped early.
        item: What the benchmark records of the run, or of the mean over the runs.
    """

    arch: str
    value: float
    cost: float
    time: float
    position: int
    num_epochs: int
    epoch: int
    item: RunStats


class TrajectoryPoint(NamedTuple):
    """A point on the way of a search.

    Attributes:
        time: What the clock showed after an evaluation, in seconds.
        value: Its value.
        best: The best value so far at the simulation's own budget; None before the first.
    """

    time: float
    value: float
    best: float | None


class Ledger:
    """Charges evaluations until the budget is reached.

    Args:
        settings: Budget, and what costs how much.
    """

    def __init__(self, settings: SimulationSettings) -> None:
        self._settings = settings
        self._whole = Fidelity(settings.num_epochs, settings.num_epochs)
        self._paid: defaultdict[str, dict[Fidelity, float]] = defaultdict(dict)
        self.time = 0.0
        self.evaluations: list[Evaluation] = []
        self.trajectory: list[TrajectoryPoint] = []
        self.best: Evaluation | None = None

    @property
    def remaining(self) -> float:
        """What is left of the budget, in seconds."""
        return max(0.0, self._settings.budget - self.time)

    def charge(self, seen: Observation) -> Evaluation:
        """Charge an evaluation.

        Raises:
            BudgetExhausted: It would pass the budget.
        """
        cost = self._cost(seen)
        time = self.time + cost
        if time > self._settings.budget:
            raise self._exhausted(seen, cost)
        evaluation = Evaluation(
            arch=seen.arch,
            value=seen.value,
            cost=cost,
            time=time,
            position=len(self.evaluations),
            num_epochs=seen.fidelity.num_epochs,
            epoch=seen.fidelity.epoch,
            item=seen.item,
        )
        self.time = time
        self._paid[seen.arch][seen.fidelity] = seen.training_time
        self._enter(evaluation)
        return evaluation

    def charge_all(self, seen: Iterable[Observation]) -> list[Evaluation]:
        """Charge evaluations one after the other, up to the first that does not fit.

        Raises:
            BudgetExhausted: One would pass the budget; those before it are charged and come with
                the error.
        """
        charged: list[Evaluation] = []
        for observation in seen:
            try:
                charged.append(self.charge(observation))
            except BudgetExhausted as end:
                end.evaluations = tuple(charged)
                raise
        return charged

    def _cost(self, seen: Observation) -> float:
        paid = self._paid.get(seen.arch, {})
        if self._settings.free_repeats and seen.fidelity in paid:
            return 0.0
        done = 0.0
        if self._settings.continue_training:
            # Recorded runs may contradict each other: a longer one may have taken less time.
            # There is no difference to charge then.
            usable = (
                seconds
                for fidelity, seconds in paid.items()
                if fidelity.leads_to(seen.fidelity) and seconds < seen.training_time
            )
            done = max(usable, default=0.0)
        return seen.training_time - done + seen.evaluation_time

    def _exhausted(self, seen: Observation, cost: float) -> BudgetExhausted:
        end = BudgetExhausted(
            f"{seen.arch} costs {cost:,.6g} s at {seen.fidelity.epoch} epochs; of the budget of "
            f"{self._settings.budget:,.6g} s, {self.remaining:,.6g} s are left"
        )
        end.cost = cost
        end.remaining = self.remaining
        return end

    def _enter(self, evaluation: Evaluation) -> None:
        self.evaluations.append(evaluation)
        if Fidelity(evaluation.num_epochs, evaluation.epoch) == self._whole and (
            self.best is None or self._is_better(evaluation.value, self.best.value)
        ):
            self.best = evaluation
        best = None if self.best is None else self.best.value
        self.trajectory.append(TrajectoryPoint(evaluation.time, evaluation.value, best))

    def _is_better(self, value: float, other: float) -> bool:
        return value > other if self._settings.larger_is_better else value < other
