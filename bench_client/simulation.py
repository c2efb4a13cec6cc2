"""Simulated searches on a benchmark, with a clock that adds up recorded training times.

    simulation = bench.simulate("nasbench201", "cifar10-valid", 200, budget=200_000)
    while True:
        try:
            found = simulation.evaluate(next_arch())
        except BudgetExhausted:
            break
        learn_from(found.arch, found.value)
    print(simulation.best, simulation.time)

The clock models one worker: evaluations run one after another, and the time is the sum of their
costs. The simulation lives in the client; a server keeps no state of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, Self, TypeAlias

from bench_client.arguments import checked_name, integer, refused
from bench_client.operations import Question, drive, drive_async
from bench_client.simulation_ledger import Evaluation, Fidelity, Ledger, Records
from bench_client.simulation_settings import SimulationSettings
from bench_client.tables import known_table
from bench_client.trajectory import Trajectory
from benchmark_spec import BenchmarkSpec
from benchmark_spec.published import PUBLISHED

__all__ = ["AsyncSimulation", "Simulation"]

_Ask: TypeAlias = Callable[[Question[Any]], Any]
_AskAwaited: TypeAlias = Callable[[Question[Any]], Awaitable[Any]]


class _State(NamedTuple):
    """State of a simulation that depends on the description of the benchmark."""

    settings: SimulationSettings
    ledger: Ledger
    records: Records


class _Clock:
    """Clock, best value and history, as both kinds of simulations have them.

    Args:
        benchmark: Name of the benchmark.
        part: Values by axis, None where none is given.
        options: The other arguments of `BenchClient.simulate`.
    """

    def __init__(self, benchmark: str, part: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self._benchmark = benchmark
        self._part = part
        self._options = options
        self._known: _State | None = None
        if checked_name(benchmark) in PUBLISHED:
            self._begin(PUBLISHED[benchmark])

    @property
    def settings(self) -> SimulationSettings:
        """Settings of the simulation: benchmark, data set, metric, budget and options.

        For a declared table, an `AsyncSimulation` knows them after its first evaluation.

        Raises:
            InvalidRequestError: The settings are not known yet.
        """
        return self._state.settings

    @property
    def _state(self) -> _State:
        if self._known is None:
            raise refused(
                "benchmark", f"the description of {self._benchmark} is read at the first evaluation"
            )
        return self._known

    @property
    def _ledger(self) -> Ledger:
        return self._state.ledger

    def _begin(self, spec: BenchmarkSpec) -> None:
        settings = SimulationSettings.of(spec, self._part, **self._options)
        self._known = _State(settings, Ledger(settings), Records(spec, settings))

    @property
    def time(self) -> float:
        """Simulated time charged so far, in seconds; never above the budget."""
        return 0.0 if self._known is None else self._ledger.time

    @property
    def remaining(self) -> float:
        """Remaining budget, in seconds."""
        return self._options["budget"] if self._known is None else self._ledger.remaining

    @property
    def best(self) -> Evaluation | None:
        """The best evaluation so far, the earliest among equals; None before the first.

        Only complete trainings at the simulation's own `num_epochs` count: values at other budgets
        or of trainings that were stopped early are not comparable.
        """
        return None if self._known is None else self._ledger.best

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """All evaluations, in the order they were charged."""
        return () if self._known is None else tuple(self._ledger.evaluations)

    @property
    def trajectory(self) -> Trajectory:
        """The clock, the value and the best value so far after each evaluation."""
        if self._known is None:
            return Trajectory()
        return Trajectory(self._ledger.trajectory, metric=self.settings.metric)

    def __repr__(self) -> str:
        if self._known is None:
            return f"{type(self).__name__}({self._benchmark!r})"
        asked = self.settings
        return (
            f"{type(self).__name__}({asked.benchmark!r}, {asked.dataset!r}, {asked.num_epochs}, "
            f"metric={asked.metric!r}, time={self.time:.6g}, budget={asked.budget:.6g})"
        )

    def _fidelity(self, num_epochs: int | None, stop_after: int | None) -> Fidelity:
        budget = integer("num_epochs", num_epochs)
        if budget is None:
            budget = self.settings.num_epochs
        elif "num_epochs" not in self.settings.part:
            raise refused("num_epochs", f"{self._benchmark} has no training budgets to choose from")
        epoch = integer("stop_after", stop_after)
        if epoch is not None and not 1 <= epoch <= budget:
            raise refused("stop_after", f"{epoch} is not an epoch of a training of {budget} epochs")
        return Fidelity(budget, budget if epoch is None else epoch)


class Simulation(_Clock):
    """A simulated search, as `BenchClient.simulate` returns it; for one thread.

    Args:
        ask: Answers questions.
        benchmark: Name of the benchmark.
        part: Values by axis, None where none is given.
        options: The other arguments of `BenchClient.simulate`.
    """

    def __init__(
        self, ask: _Ask, benchmark: str, part: Mapping[str, Any], options: Mapping[str, Any]
    ) -> None:
        super().__init__(benchmark, part, options)
        self._ask = ask
        if self._known is None:
            self._begin(drive(known_table(benchmark), ask).spec)

    def evaluate(
        self, arch: Any, *, num_epochs: int | None = None, stop_after: int | None = None
    ) -> Evaluation:
        """Evaluate an architecture and charge its recorded training time.

        Args:
            arch: Architecture in any spelling.
            num_epochs: Training budget in epochs, if not the simulation's own.
            stop_after: Stop the training after this epoch: the value is that of the learning curve
                at this epoch, and the cost covers the training up to it. None: train to the end.

        Raises:
            BudgetExhausted: The cost would exceed the budget; nothing is charged.
            NotRecordedError: No run of the architecture has the metric and its time; nothing is
                charged.
            InvalidArchitectureError: The architecture is malformed.
            InvalidRequestError: Another argument is malformed.
            BenchError: The query failed.
        """
        fidelity = self._fidelity(num_epochs, stop_after)
        seen = drive(self._state.records.one(arch, fidelity), self._ask)
        return self._ledger.charge(seen)

    def evaluate_many(
        self,
        archs: Iterable[Any],
        *,
        num_epochs: int | None = None,
        stop_after: int | None = None,
    ) -> list[Evaluation]:
        """Evaluate many architectures, with one request for 10,000, or for 64 if stopped early.

        They are charged in order. Repeated architectures are charged again, unless the simulation
        has `free_repeats`.

        Args:
            archs: Architectures in any spelling.
            num_epochs: As for `evaluate`.
            stop_after: As for `evaluate`.

        Raises:
            BudgetExhausted: An evaluation would exceed the budget. Those before it are charged and
                are the error's `evaluations`; this one and those after it are not charged.
            NotRecordedError: Some architectures are not recorded; the error's `positions` lists
                them. Nothing is charged.
            InvalidArchitectureError: Some architectures are malformed; the error's `positions`
                lists them. Nothing is charged.
            InvalidRequestError: Another argument is malformed.
            BenchError: The query failed.
        """
        fidelity = self._fidelity(num_epochs, stop_after)
        seen = drive(self._state.records.many(archs, fidelity), self._ask)
        return self._ledger.charge_all(seen)


class AsyncSimulation(_Clock):
    """A simulated search with async evaluations, as `AsyncBenchClient.simulate` returns it.

    Tasks of the event loop may evaluate concurrently. Evaluations are charged in the order in which
    they were started, whatever the order of the responses, so that a run can be repeated. The
    description of a declared table is fetched at the first evaluation.

    Args:
        ask: Answers questions.
        benchmark: Name of the benchmark.
        part: Values by axis, None where none is given.
        options: The other arguments of `BenchClient.simulate`.
    """

    def __init__(
        self, ask: _AskAwaited, benchmark: str, part: Mapping[str, Any], options: Mapping[str, Any]
    ) -> None:
        super().__init__(benchmark, part, options)
        self._ask = ask
        self._turns = _TurnQueue()

    async def evaluate(
        self, arch: Any, *, num_epochs: int | None = None, stop_after: int | None = None
    ) -> Evaluation:
        """Evaluate an architecture; arguments and errors are those of `Simulation.evaluate`."""
        with self._turns.take() as turn:
            await self._described()
            fidelity = self._fidelity(num_epochs, stop_after)
            seen = await drive_async(self._state.records.one(arch, fidelity), self._ask)
            await turn.wait()
            return self._ledger.charge(seen)

    async def evaluate_many(
        self,
        archs: Iterable[Any],
        *,
        num_epochs: int | None = None,
        stop_after: int | None = None,
    ) -> list[Evaluation]:
        """Evaluate many architectures; arguments and errors as `Simulation.evaluate_many`."""
        with self._turns.take() as turn:
            await self._described()
            fidelity = self._fidelity(num_epochs, stop_after)
            seen = await drive_async(self._state.records.many(archs, fidelity), self._ask)
            await turn.wait()
            return self._ledger.charge_all(seen)

    async def _described(self) -> None:
        """Fetch the description of a declared table at the first evaluation."""
        if self._known is not None:
            return
        models = await drive_async(known_table(self._benchmark), self._ask)
        # Another task may have received the description meanwhile, and charged an evaluation.
        if self._known is None:
            self._begin(models.spec)


class _Turn:
    """A place in a `_TurnQueue` queue, given up at the end of its `with` block.

    Args:
        before: Future that is done once all earlier places are given up; None if there are none.
        left: Future to complete once this place and all earlier ones are given up.
    """

    def __init__(self, before: asyncio.Future[None] | None, left: asyncio.Future[None]) -> None:
        self._before = before
        self._left = left

    async def wait(self) -> None:
        """Wait until all earlier places are given up."""
        if self._before is not None:
            # Awaiting the future itself would cancel it for others if this task is cancelled.
            await asyncio.wait([self._before])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            self._left.set_result(None)
        else:
            # If this task ends early, later tasks still wait for the earlier ones.
            self._before.add_done_callback(self._leave)

    def _leave(self, _before: asyncio.Future[None]) -> None:
        self._left.set_result(None)


class _TurnQueue:
    """Queue that orders the tasks of one event loop."""

    def __init__(self) -> None:
        self._last: asyncio.Future[None] | None = None

    def take(self) -> _Turn:
        """Return the next place in the queue."""
        before = self._last
        self._last = asyncio.get_running_loop().create_future()
        return _Turn(None if before is None or before.done() else before, self._last)
