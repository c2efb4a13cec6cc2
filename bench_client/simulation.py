"""A search on a benchmark as if its networks were trained: a clock that adds up recorded times.

    simulation = bench.simulate("nasbench201", "cifar10-valid", 200, budget=200_000)
    while True:
        try:
            found = simulation.evaluate(next_arch())
        except BudgetExhausted:
            break
        learn_from(found.arch, found.value)
    print(simulation.best, simulation.time)

The clock is one worker's: evaluations follow one another, and the time is the sum of their costs.
It lives in the client alone; a server has no part in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, Self, TypeAlias

from bench_client.arguments import checked_name, refused, whole
from bench_client.operations import Question, drive, drive_awaiting
from bench_client.simulation_ledger import Evaluation, Fidelity, Ledger, Records
from bench_client.simulation_settings import SimulationSettings
from bench_client.tables import known_table
from bench_client.trajectory import Trajectory
from benchmark_spec import BenchmarkSpec
from benchmark_spec.published import PUBLISHED

__all__ = ["AsyncSimulation", "Simulation"]

_Ask: TypeAlias = Callable[[Question[Any]], Any]
_AskAwaited: TypeAlias = Callable[[Question[Any]], Awaitable[Any]]


class _Begun(NamedTuple):
    """What is known once the description of the benchmark is."""

    settings: SimulationSettings
    ledger: Ledger
    records: Records


class _Clock:
    """What both kinds of simulations show.

    Args:
        benchmark: Name of the benchmark.
        part: Values by axis, None where none is given.
        options: The other arguments of `BenchClient.simulate`.
    """

    def __init__(self, benchmark: str, part: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self._benchmark = benchmark
        self._part = part
        self._options = options
        self._known: _Begun | None = None
        if checked_name(benchmark) in PUBLISHED:
            self._begin(PUBLISHED[benchmark])

    @property
    def settings(self) -> SimulationSettings:
        """What is simulated: benchmark, data set, metric, budget and options.

        Of a declared table that an async client asks, they are known after an evaluation.

        Raises:
            InvalidRequestError: They are not known yet.
        """
        return self._begun.settings

    @property
    def _begun(self) -> _Begun:
        if self._known is None:
            raise refused("benchmark", f"{self._benchmark} is described at its first evaluation")
        return self._known

    @property
    def _ledger(self) -> Ledger:
        return self._begun.ledger

    def _begin(self, spec: BenchmarkSpec) -> None:
        settings = SimulationSettings.of(spec, self._part, **self._options)
        self._known = _Begun(settings, Ledger(settings), Records(spec, settings))

    @property
    def time(self) -> float:
        """What has been charged so far, in seconds; never more than the budget."""
        return 0.0 if self._known is None else self._ledger.time

    @property
    def remaining(self) -> float:
        """What is left of the budget, in seconds."""
        return self._options["budget"] if self._known is None else self._ledger.remaining

    @property
    def best(self) -> Evaluation | None:
        """The best evaluation so far, the earliest of equals; None before the first.

        Of those at the simulation's own `num_epochs`: values at other budgets, or of trainings
        that were stopped early, are not comparable with them.
        """
        return None if self._known is None else self._ledger.best

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """All evaluations, in the order in which they were charged."""
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
        budget = whole("num_epochs", num_epochs)
        if budget is None:
            budget = self.settings.num_epochs
        elif "num_epochs" not in self.settings.part:
            raise refused("num_epochs", f"{self._benchmark} has no training budgets to choose from")
        epoch = whole("stop_after", stop_after)
        if epoch is not None and not 1 <= epoch <= budget:
            raise refused("stop_after", f"{epoch} is no epoch of a training of {budget} epochs")
        return Fidelity(budget, budget if epoch is None else epoch)


class Simulation(_Clock):
    """A simulated search over a `BenchClient`, made by its `simulate`; for one thread.

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
        """Evaluate an architecture and charge what its training took.

        Args:
            arch: The architecture in any of its spellings.
            num_epochs: Another training budget than the simulation's own, in epochs.
            stop_after: Stop the training early, after so many epochs: the value is that of the
                learning curve at this epoch and the cost that of the training up to it. None:
                train to the end.

        Raises:
            BudgetExhausted: It would pass the budget; nothing is charged.
            NotRecordedError: No run of it has the metric and its time; nothing is charged.
            InvalidArchitectureError: It is malformed.
            InvalidRequestError: Another argument is.
            BenchError: The question was not answered.
        """
        fidelity = self._fidelity(num_epochs, stop_after)
        seen = drive(self._begun.records.one(arch, fidelity), self._ask)
        return self._ledger.charge(seen)

    def evaluate_many(
        self,
        archs: Iterable[Any],
        *,
        num_epochs: int | None = None,
        stop_after: int | None = None,
    ) -> list[Evaluation]:
        """Evaluate architectures with one request for 10,000, or for 64 that are stopped early.

        They are charged in their order; one that comes again is charged again, unless the
        simulation has `free_repeats`.

        Args:
            archs: The architectures, each in any of its spellings.
            num_epochs: As for `evaluate`.
            stop_after: As for `evaluate`.

        Raises:
            BudgetExhausted: One would pass the budget. Those before it are charged and are its
                `evaluations`; it and those after it are not.
            NotRecordedError: Some are not recorded; its `positions` says which. Nothing is
                charged.
            InvalidArchitectureError: Some are malformed; its `positions` says which. Nothing is
                charged.
            InvalidRequestError: Another argument is malformed.
            BenchError: The question was not answered.
        """
        fidelity = self._fidelity(num_epochs, stop_after)
        seen = drive(self._begun.records.many(archs, fidelity), self._ask)
        return self._ledger.charge_all(seen)


class AsyncSimulation(_Clock):
    """A simulated search over an `AsyncBenchClient`, made by its `simulate`.

    Tasks of its event loop may evaluate side by side: they are charged in the order in which they
    began, whatever the order of the answers, so that a run can be repeated.

    What a declared table is, is asked for at the first evaluation.

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
        self._turns = _Turns()

    async def evaluate(
        self, arch: Any, *, num_epochs: int | None = None, stop_after: int | None = None
    ) -> Evaluation:
        """Evaluate an architecture; arguments and errors are those of `Simulation.evaluate`."""
        with self._turns.take() as turn:
            await self._described()
            fidelity = self._fidelity(num_epochs, stop_after)
            seen = await drive_awaiting(self._begun.records.one(arch, fidelity), self._ask)
            await turn.comes()
            return self._ledger.charge(seen)

    async def evaluate_many(
        self,
        archs: Iterable[Any],
        *,
        num_epochs: int | None = None,
        stop_after: int | None = None,
    ) -> list[Evaluation]:
        """Evaluate architectures; as `Simulation.evaluate_many`."""
        with self._turns.take() as turn:
            await self._described()
            fidelity = self._fidelity(num_epochs, stop_after)
            seen = await drive_awaiting(self._begun.records.many(archs, fidelity), self._ask)
            await turn.comes()
            return self._ledger.charge_all(seen)

    async def _described(self) -> None:
        """Ask what a declared table is, once."""
        if self._known is not None:
            return
        models = await drive_awaiting(known_table(self._benchmark), self._ask)
        # Another task may have been told meanwhile, and charged something.
        if self._known is None:
            self._begin(models.spec)


class _Turn:
    """A place in a queue, left by whoever took it at the end of its `with` block.

    Args:
        before: Done when all who came earlier have left; None when there is nobody.
        left: To be made done when this one has left and all who came earlier.
    """

    def __init__(self, before: asyncio.Future[None] | None, left: asyncio.Future[None]) -> None:
        self._before = before
        self._left = left

    async def comes(self) -> None:
        """Wait until all who came earlier have left."""
        if self._before is not None:
            # Not awaited itself: to cancel this task would cancel the future of others.
            await asyncio.wait([self._before])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            self._left.set_result(None)
        else:
            # One who gives up early does not let those behind pass those before.
            self._before.add_done_callback(self._leave)

    def _leave(self, _before: asyncio.Future[None]) -> None:
        self._left.set_result(None)


class _Turns:
    """The queue of the tasks of one event loop."""

    def __init__(self) -> None:
        self._last: asyncio.Future[None] | None = None

    def take(self) -> _Turn:
        """Return the place behind all that were taken before."""
        before = self._last
        self._last = asyncio.get_running_loop().create_future()
        return _Turn(None if before is None or before.done() else before, self._last)
