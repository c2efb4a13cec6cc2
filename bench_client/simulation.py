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
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeAlias

from bench_client.arguments import whole
from bench_client.operations import Question, drive, drive_awaiting
from bench_client.simulation_ledger import Evaluation, Fidelity, Ledger, Records, TrajectoryPoint
from bench_client.simulation_settings import SimulationSettings, refused

__all__ = ["AsyncSimulation", "Simulation"]

_Ask: TypeAlias = Callable[[Question[Any]], Any]
_AskAwaited: TypeAlias = Callable[[Question[Any]], Awaitable[Any]]


class _Clock:
    """What both kinds of simulations show."""

    def __init__(self, settings: SimulationSettings) -> None:
        self._settings = settings
        self._ledger = Ledger(settings)
        self._records = Records(settings)

    @property
    def settings(self) -> SimulationSettings:
        """What is simulated: benchmark, data set, metric, budget and options."""
        return self._settings

    @property
    def time(self) -> float:
        """What has been charged so far, in seconds; never more than the budget."""
        return self._ledger.time

    @property
    def remaining(self) -> float:
        """What is left of the budget, in seconds."""
        return self._ledger.remaining

    @property
    def best(self) -> Evaluation | None:
        """The best evaluation so far, the earliest of equals; None before the first.

        Of those at the simulation's own `num_epochs`: values at other budgets, or of trainings
        that were stopped early, are not comparable with them.
        """
        return self._ledger.best

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """All evaluations, in the order in which they were charged."""
        return tuple(self._ledger.evaluations)

    @property
    def trajectory(self) -> tuple[TrajectoryPoint, ...]:
        """The clock, the value and the best value so far after each evaluation."""
        return tuple(self._ledger.trajectory)

    def __repr__(self) -> str:
        asked = self._settings
        return (
            f"{type(self).__name__}({asked.benchmark!r}, {asked.dataset!r}, {asked.num_epochs}, "
            f"metric={asked.metric!r}, time={self.time:.6g}, budget={asked.budget:.6g})"
        )

    def _fidelity(self, num_epochs: int | None, stop_after: int | None) -> Fidelity:
        budget = whole("num_epochs", num_epochs)
        if budget is None:
            budget = self._settings.num_epochs
        epoch = whole("stop_after", stop_after)
        if epoch is not None and not 1 <= epoch <= budget:
            raise refused("stop_after", f"{epoch} is no epoch of a training of {budget} epochs")
        return Fidelity(budget, budget if epoch is None else epoch)


class Simulation(_Clock):
    """A simulated search over a `BenchClient`, made by its `simulate`; for one thread.

    Args:
        ask: Answers questions.
        settings: What is simulated.
    """

    def __init__(self, ask: _Ask, settings: SimulationSettings) -> None:
        super().__init__(settings)
        self._ask = ask

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
        return self._ledger.charge(drive(self._records.one(arch, fidelity), self._ask))

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
        return self._ledger.charge_all(drive(self._records.many(archs, fidelity), self._ask))


class AsyncSimulation(_Clock):
    """A simulated search over an `AsyncBenchClient`, made by its `simulate`.

    Tasks of its event loop may evaluate side by side: they are charged in the order in which they
    began, whatever the order of the answers, so that a run can be repeated.

    Args:
        ask: Answers questions.
        settings: What is simulated.
    """

    def __init__(self, ask: _AskAwaited, settings: SimulationSettings) -> None:
        super().__init__(settings)
        self._ask = ask
        self._turns = _Turns()

    async def evaluate(
        self, arch: Any, *, num_epochs: int | None = None, stop_after: int | None = None
    ) -> Evaluation:
        """Evaluate an architecture; arguments and errors are those of `Simulation.evaluate`."""
        fidelity = self._fidelity(num_epochs, stop_after)
        with self._turns.take() as turn:
            seen = await drive_awaiting(self._records.one(arch, fidelity), self._ask)
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
        fidelity = self._fidelity(num_epochs, stop_after)
        with self._turns.take() as turn:
            seen = await drive_awaiting(self._records.many(archs, fidelity), self._ask)
            await turn.comes()
            return self._ledger.charge_all(seen)


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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
