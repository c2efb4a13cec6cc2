"""Values and costs of simulated evaluations.

`Records` looks up the recorded runs of an architecture and chooses the one that counts; `Ledger`
charges evaluations to the simulated clock, in order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from bench_client.errors import BudgetExhausted, InvalidArchitectureError, NotRecordedError
from bench_client.models.answers import FieldError
from bench_client.operations import Steps, sleep
from bench_client.run_choice import chosen_run
from bench_client.simulation_settings import SimulationSettings
from bench_client.tables import query_table, query_table_many
from bench_client.trajectory import TrajectoryPoint
from benchmark_spec import BenchmarkSpec

__all__ = [
    "Evaluation",
    "Fidelity",
    "Ledger",
    "Observation",
    "Records",
]

_CHARGED: Final = "training_time"
"""Statistic that the clock charges."""
_TRAIN: Final = "train"
_POLLS: Final = 60
_POLL_SECONDS: Final = 0.5
"""Polls, and seconds between them, for the table version with a newly measured architecture."""


class Fidelity(NamedTuple):
    """Training budget and last epoch of a training.

    Attributes:
        num_epochs: Training budget that the learning-rate schedule was made for.
        epoch: Last epoch; `num_epochs` unless the training is stopped early.
    """

    num_epochs: int
    epoch: int

    def leads_to(self, other: Fidelity) -> bool:
        """Return whether a training at this fidelity may be continued to the other.

        Within one run it may. From one budget to a larger one it may once the smaller one is
        complete, under the assumption described at `continue_training`.
        """
        same_run = self.num_epochs == other.num_epochs
        return self.epoch < other.epoch and (same_run or self.epoch == self.num_epochs)


class Observation(NamedTuple):
    """Recorded value and times of an evaluation, before it is charged.

    Attributes:
        arch: Canonical spelling of the architecture.
        fidelity: Training budget and last epoch.
        value: Value of the metric.
        training_time: Training time up to the last epoch, in seconds.
        evaluation_time: Time of the pass that yields the value, in seconds; 0 if not charged.
        item: The run, or the mean over the runs.
    """

    arch: str
    fidelity: Fidelity
    value: float
    training_time: float
    evaluation_time: float
    item: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """An evaluation of a simulated search that was charged.

    Attributes:
        arch: Canonical spelling of the architecture, which every query accepts: the hash for
            NAS-Bench-101, else the architecture string.
        value: Value of the metric after `epoch` of `num_epochs` epochs.
        cost: Time charged, in seconds.
        time: Simulated time after the evaluation, in seconds.
        position: Position among the evaluations of the simulation, from 0.
        num_epochs: Training budget of the run; 0 if the benchmark has no such axis.
        epoch: Last epoch of the training: `num_epochs` unless it was stopped early.
        item: Item of the run, or of the mean over the runs, as queries return it.
    """

    arch: str
    value: float
    cost: float
    time: float
    position: int
    num_epochs: int
    epoch: int
    item: Any = field(repr=False)

    def _repr_html_(self) -> str:
        """Return the evaluation as an HTML table with units, for notebooks."""
        # Imported here because only notebooks need it.
        from bench_client.notebooks import html_of_values  # noqa: PLC0415

        told = {name: getattr(self, name) for name in self.__slots__ if name != "item"}
        units = {"cost": "seconds", "time": "seconds", "num_epochs": "epochs", "epoch": "epochs"}
        return html_of_values(type(self).__name__, told, units)


class Ledger:
    """Charges evaluations to the simulated clock until the budget is used up.

    Args:
        settings: Settings of the simulation.
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
        """Remaining budget, in seconds."""
        return max(0.0, self._settings.budget - self.time)

    def charge(self, seen: Observation) -> Evaluation:
        """Charge an evaluation.

        Raises:
            BudgetExhausted: The evaluation would exceed the budget.
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
        """Charge evaluations in order, up to the first that does not fit into the budget.

        Raises:
            BudgetExhausted: An evaluation would exceed the budget; those before it are charged and
                are the error's `evaluations`.
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
            # A longer recorded run may have taken less time than a shorter one; such shorter runs
            # are ignored, because their difference would be negative.
            usable = (
                seconds
                for fidelity, seconds in paid.items()
                if fidelity.leads_to(seen.fidelity) and seconds < seen.training_time
            )
            done = max(usable, default=0.0)
        return seen.training_time - done + seen.evaluation_time

    def _exhausted(self, seen: Observation, cost: float) -> BudgetExhausted:
        end = BudgetExhausted(
            f"{seen.arch} costs {cost:,.6g} s at {seen.fidelity.epoch} epochs, but only "
            f"{self.remaining:,.6g} s are left of the budget of {self._settings.budget:,.6g} s"
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


class Records:
    """Looks up the recorded runs of evaluations.

    Args:
        spec: Description of the benchmark.
        settings: Settings of the simulation.
    """

    def __init__(self, spec: BenchmarkSpec, settings: SimulationSettings) -> None:
        self._spec = spec
        self._settings = settings
        self._part = {n: v for n, v in settings.part.items() if not spec.implied(n)}
        self._timed_epochs = any(curve.name == _CHARGED for curve in spec.curves)

    def one(self, arch: Any, fidelity: Fidelity) -> Steps[Observation]:
        """Look up an architecture.

        Raises:
            InvalidArchitectureError: The architecture is malformed.
            NotRecordedError: The architecture is not recorded.
        """
        if arch is None or (isinstance(arch, str) and not arch):
            message = f"{arch!r} is not an architecture"
            raise InvalidArchitectureError(message, errors=[FieldError(loc=["arch"], msg=message)])
        filters = self._filters(fidelity)
        runs = yield from query_table(self._spec.name, arch, **filters)
        seen = self._observed(runs, fidelity)
        if seen is None and (yield from self._measured(arch, fidelity)):
            # The server opens the new version of the table within seconds.
            for _ in range(_POLLS):
                runs = yield from query_table(self._spec.name, arch, **filters)
                seen = self._observed(runs, fidelity)
                if seen is not None:
                    break
                yield from sleep(_POLL_SECONDS)
        if seen is None:
            raise NotRecordedError(f"{arch!r:.200} has {self._lacking(fidelity)}")
        return seen

    def many(self, archs: Iterable[Any], fidelity: Fidelity) -> Steps[list[Observation]]:
        """Look up architectures; the results have the same order.

        Raises:
            InvalidArchitectureError: Some architectures are malformed.
            NotRecordedError: Some architectures are not recorded.
        """
        filters = self._filters(fidelity)
        trains = self._settings.on_missing == _TRAIN and not isinstance(archs, str)
        # A list, because the architectures may be looked up again one by one.
        archs = list(archs) if trains else archs
        results = yield from query_table_many(self._spec.name, archs, **filters)
        found = [self._observed(runs, fidelity) for runs in results]
        lacking = [position for position, seen in enumerate(found) if seen is None]
        if lacking and trains:
            return (yield from self._one_by_one(archs, fidelity))
        if lacking:
            error = NotRecordedError(
                f"{len(lacking)} of {len(found)} architectures, the first of them "
                f"archs[{lacking[0]}], have {self._lacking(fidelity)}"
            )
            error.positions = tuple(lacking)
            raise error
        return [seen for seen in found if seen is not None]

    def _one_by_one(self, archs: Iterable[Any], fidelity: Fidelity) -> Steps[list[Observation]]:
        found = []
        for arch in archs:
            found.append((yield from self.one(arch, fidelity)))  # noqa: PERF401 - it yields
        return found

    def _measured(self, arch: Any, fidelity: Fidelity) -> Steps[bool]:
        """Have a plan measure an architecture, if so set; return whether a cell of it is done."""
        if self._settings.on_missing != _TRAIN:
            return False
        from bench_client.plans import measure_cells  # noqa: PLC0415 - rarely used

        cells = yield from measure_cells(self._spec.name, arch, fidelity.num_epochs)
        return any(cell.state == "done" for cell in cells)

    def _filters(self, fidelity: Fidelity) -> dict[str, Any]:
        mean = self._settings.seed is None and self._spec.label is not None
        budget = {"num_epochs": fidelity.num_epochs} if "num_epochs" in self._part else {}
        return {
            **self._part,
            **budget,
            "reduction": "mean" if mean else None,
            "include_intermediates": fidelity.epoch != fidelity.num_epochs,
        }

    def _observed(self, runs: Sequence[Any], fidelity: Fidelity) -> Observation | None:
        usable = [seen for run in runs if (seen := self._read(run, fidelity)) is not None]
        if not usable:
            return None
        if self._settings.seed is None:
            return usable[0]
        return chosen_run(usable, self._settings.seed, usable[0].arch)

    def _read(self, run: Any, fidelity: Fidelity) -> Observation | None:
        """Return metric and times of a run; None if one of them is not recorded."""
        value = self._value(run, fidelity)
        training = self._training_time(run, fidelity)
        evaluating = self._evaluation_time(run)
        if value is None or training is None or evaluating is None:
            return None
        arch: str = getattr(run.config, self._spec.spelled_by or "")
        return Observation(arch, fidelity, value, training, evaluating, run)

    def _value(self, run: Any, fidelity: Fidelity) -> float | None:
        holder = run if fidelity.epoch == fidelity.num_epochs else _epoch_of(run, fidelity.epoch)
        value: float | None = getattr(holder, self._settings.metric, None)
        return value

    def _evaluation_time(self, run: Any) -> float | None:
        split = self._settings.metric.rpartition("_")[0]
        field = f"{split}_evaluation_time"
        # Training metrics, sizes and times need no extra pass over a split.
        if not self._settings.evaluation_time or field not in type(run).model_fields:
            return 0.0
        value: float | None = getattr(run, field)
        return value

    def _training_time(self, run: Any, fidelity: Fidelity) -> float | None:
        whole: float | None = getattr(run, _CHARGED)
        if whole is None or fidelity.epoch == fidelity.num_epochs:
            return whole
        if self._timed_epochs:
            until: float | None = getattr(_epoch_of(run, fidelity.epoch), _CHARGED, None)
            return until
        # These benchmarks record the time of one epoch times the number of epochs.
        return whole * fidelity.epoch / fidelity.num_epochs

    def _lacking(self, fidelity: Fidelity) -> str:
        asked = self._settings
        others = [str(value) for name, value in asked.part.items() if name != "num_epochs"]
        told = f"no run of {asked.benchmark}{' on ' if others else ''}{', '.join(others)}"
        if not fidelity.num_epochs:
            return f"{told} that records {asked.metric} and its time"
        return (
            f"{told} at {fidelity.num_epochs} epochs that records {asked.metric} and its time "
            f"after epoch {fidelity.epoch}"
        )


def _epoch_of(run: Any, number: int) -> Any:
    return next((one for one in run.intermediates or () if one.current_epoch == number), None)
