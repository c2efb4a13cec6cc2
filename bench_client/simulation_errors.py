"""What a simulated evaluation can come to besides the errors of any question.

BenchError
├── BudgetExhausted      the search is over: the evaluation would pass the budget
└── NotRecordedError     evaluate something else: the benchmark has no record of it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench_client.errors import BenchError

if TYPE_CHECKING:
    from bench_client.simulation_ledger import Evaluation

__all__ = ["BudgetExhausted", "NotRecordedError"]


class BudgetExhausted(BenchError):  # noqa: N818 - an end, as StopIteration is, not a failure
    """An evaluation would pass the budget; it was neither charged nor returned.

    The clock stands where it stood, and an evaluation that costs less may still fit.

    Attributes:
        cost: What the evaluation would have cost, in seconds.
        remaining: What is left of the budget, in seconds.
        evaluations: Of a batch: those before it, which did fit and were charged.
    """

    cost: float = 0.0
    remaining: float = 0.0
    evaluations: tuple[Evaluation, ...] = ()


class NotRecordedError(BenchError, LookupError):
    """The benchmark has no such run, or its runs lack the metric or the time; nothing is charged.

    Attributes:
        positions: Of a batch: where in the list the architectures are, ascending.
    """

    positions: tuple[int, ...] = ()
