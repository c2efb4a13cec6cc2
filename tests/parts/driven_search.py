"""Searches without studies: a strategy is asked and told in an order that the test chooses."""

from __future__ import annotations

from collections.abc import Callable, Generator
from random import Random
from typing import Any, NamedTuple

from bench_client.operations import drive
from nas_search.contract import WAIT, Candidate, Domain, Result, Status, Strategy

Evaluate = Callable[[Candidate], "float | tuple[float, ...] | Status"]


class Run(NamedTuple):
    """What was proposed, and told in which order."""

    candidates: list[Candidate]
    told: list[Result]
    steps: list[Result | None]
    """What was told and, as None, what was proposed, in the order of both."""

    @property
    def archs(self) -> list[str]:
        return [candidate.arch for candidate in self.candidates]


def answered(steps: Generator[Any, Any, Any], bench: Any = None) -> Any:
    """Return what a proposal stands for; a client answers its questions."""
    return drive(steps, lambda ask: ask(bench))


def result_of(
    number: int, candidate: Candidate, found: float | tuple[float, ...] | Status
) -> Result:
    """Return the result of a number: values below -1000 are outside a bound by their excess."""
    if isinstance(found, Status):
        return Result(number=number, candidate=candidate, status=found)
    values = found if isinstance(found, tuple) else (found,)
    if values[0] < -1000:
        violation = -1000 - values[0]
        status = Status.INFEASIBLE
        return Result(
            number=number, candidate=candidate, status=status, values=values, violation=violation
        )
    return Result(number=number, candidate=candidate, values=values)


def searched(
    strategy: Strategy,
    domain: Domain,
    evaluate: Evaluate,
    *,
    trials: int,
    workers: int = 1,
    arrival: int | None = None,
    bench: Any = None,
) -> Run:
    """Search with some workers.

    Args:
        strategy: New.
        domain: New.
        evaluate: Returns the value of a candidate, or how it failed.
        trials: How many, at most.
        workers: How many are under way at a time.
        arrival: Seed of the order in which results are told; None for that of the proposals.
        bench: Answers what the domain asks.
    """
    order = None if arrival is None else Random(arrival)  # noqa: S311
    run = Run([], [], [])
    under_way: list[int] = []
    while True:
        while len(under_way) < workers and len(run.candidates) < trials:
            proposed = answered(strategy.propose(domain), bench)
            if not isinstance(proposed, Candidate):
                assert proposed is None or (proposed is WAIT and under_way)
                break
            under_way.append(len(run.candidates))
            run.candidates.append(proposed)
            run.steps.append(None)
        if not under_way:
            return run
        number = under_way.pop(0 if order is None else order.randrange(len(under_way)))
        candidate = run.candidates[number]
        result = result_of(number, candidate, evaluate(candidate))
        run.told.append(result)
        run.steps.append(result)
        strategy.observe(result)


def replayed(strategy: Strategy, domain: Domain, run: Run, *, bench: Any = None) -> list[Candidate]:
    """Ask and tell as in a run, but never in vain; return what is proposed."""
    again = []
    for step in run.steps:
        if step is None:
            again.append(answered(strategy.propose(domain), bench))
        else:
            strategy.observe(step)
    return again
