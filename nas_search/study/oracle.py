"""The oracle: the best that a search could have found."""

from __future__ import annotations

from bench_client import BenchClient, InvalidRequestError, SimulationSettings
from nas_search.errors import IncomparableRunsError

__all__ = ["oracle_value"]


def oracle_value(bench: BenchClient, settings: SimulationSettings) -> float:
    """Return the best mean over the runs of an architecture that the benchmark holds.

    Args:
        bench: Whom to ask.
        settings: Of which simulation: `simulation.settings`.

    Raises:
        IncomparableRunsError: No architecture has a value of the metric.
        BenchError: The question was not answered.
    """
    try:
        (best,) = bench.top(
            settings.benchmark,
            metric=settings.metric,
            dataset=settings.dataset,
            num_epochs=settings.num_epochs,
            n=1,
        )
    except InvalidRequestError as error:
        raise IncomparableRunsError(
            f"{settings.benchmark} has no {settings.metric} on {settings.dataset} at "
            f"{settings.num_epochs} epochs: there is no oracle ({error})"
        ) from error
    return best.value
