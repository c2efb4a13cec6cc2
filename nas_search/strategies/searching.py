"""Loops that ask a strategy and evaluate what it proposes, until the clock stops."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from bench_client import (
    AsyncBenchClient,
    AsyncSimulation,
    BenchClient,
    BudgetExhausted,
    Evaluation,
    NotRecordedError,
    Simulation,
)
from bench_client.operations import drive, drive_awaiting
from nas_search.strategies.space import ServedSpace
from nas_search.strategies.strategy import Strategy, warn_if_random

__all__ = ["search", "search_async"]

_IN_FLIGHT: Final = 32
_UNRECORDED_IN_A_ROW: Final = 500
"""After so many proposals without a record the benchmark holds too little of its space."""


def search(strategy: Strategy, bench: BenchClient, simulation: Simulation) -> None:
    """Evaluate what a strategy proposes, one after the other, until the budget is reached.

    What came of it is in the simulation. Proposals without a record are passed over. Where the
    budget ends before the strategy has learned anything, there is a `NothingLearnedWarning`.

    Args:
        strategy: Chooses the architectures; new, since it remembers what it saw.
        bench: Whom the strategy asks for samples and neighbors.
        simulation: Evaluates them.

    Raises:
        NotRecordedError: So many proposals in a row are not recorded that the search leads nowhere.
        BenchError: A question was not answered.
    """
    space = ServedSpace(simulation.settings.benchmark)
    unrecorded = _Unrecorded()
    while (arch := drive(strategy.propose(space), lambda ask: ask(bench))) is not None:
        try:
            found = simulation.evaluate(arch)
        except BudgetExhausted:
            warn_if_random(strategy, len(simulation.evaluations))
            return
        except NotRecordedError as error:
            unrecorded.count(error)
        else:
            unrecorded.in_a_row = 0
            _tell(strategy, simulation, found)


async def search_async(
    strategy: Strategy,
    bench: AsyncBenchClient,
    simulation: AsyncSimulation,
    *,
    in_flight: int = _IN_FLIGHT,
) -> None:
    """Evaluate what a strategy proposes, several requests at a time, until the budget is reached.

    Each proposal but the first `in_flight` is made when exactly `in_flight` - 1 are under way,
    whose results it cannot know; as for `search`, a budget that is spent before the strategy has
    learned is warned of. Hence a run depends on `in_flight`, but not on how long answers
    take: it can be repeated.

    Args:
        strategy: Chooses the architectures; new, since it remembers what it saw.
        bench: Whom the strategy asks for samples and neighbors.
        simulation: Evaluates them.
        in_flight: How many evaluations are under way at a time, 1 or more; with 1 the run is that
            of `search`.

    Raises:
        ValueError: `in_flight` is less than 1.
        NotRecordedError: As for `search`.
        BenchError: A question was not answered.
    """
    if in_flight < 1:
        raise ValueError(f"in_flight is {in_flight}; at least 1")
    space = ServedSpace(simulation.settings.benchmark)
    unrecorded = _Unrecorded()
    pending: deque[asyncio.Task[Evaluation]] = deque()
    try:
        while True:
            while len(pending) < in_flight:
                arch = await drive_awaiting(strategy.propose(space), lambda ask: ask(bench))
                if arch is None:
                    break
                pending.append(asyncio.create_task(simulation.evaluate(arch)))
            if not pending:
                return
            try:
                found = await pending.popleft()
            except BudgetExhausted:
                # Begun before the end, they may cost less and fit: that must not depend on luck.
                await asyncio.gather(*pending, return_exceptions=True)
                warn_if_random(strategy, len(simulation.evaluations))
                return
            except NotRecordedError as error:
                unrecorded.count(error)
            else:
                unrecorded.in_a_row = 0
                _tell(strategy, simulation, found)
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


class _Unrecorded:
    """Counts proposals in a row that the benchmark has no record of."""

    def __init__(self) -> None:
        self.in_a_row = 0

    def count(self, error: NotRecordedError) -> None:
        """Count one; raise its error when there have been too many."""
        self.in_a_row += 1
        if self.in_a_row >= _UNRECORDED_IN_A_ROW:
            raise error


def _tell(strategy: Strategy, simulation: Simulation | AsyncSimulation, found: Evaluation) -> None:
    larger_is_better = simulation.settings.larger_is_better
    strategy.observe(found.arch, found.value if larger_is_better else -found.value)
