"""Arguments of a simulation, checked before anything is asked."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any, Final

from bench_client.arguments import either, whole
from bench_client.errors import BenchmarkNotInstalledError, InvalidRequestError
from bench_client.models.answers import FieldError
from benchmark_spec import BenchmarkSpec, Stat
from benchmark_spec.published import PUBLISHED

__all__ = ["SimulationSettings", "refused"]

_DEFAULT_METRIC: Final = "valid_acc"
_CHARGED: Final = "training_time"
"""The statistic that a simulated clock charges."""
_EVALUATED: Final = "_evaluation_time"


@dataclass(frozen=True, kw_only=True)
class SimulationSettings:
    """The arguments of `BenchClient.simulate`, which documents them; every field has its value.

    Attributes:
        larger_is_better: Which way the metric is better.
    """

    benchmark: str
    dataset: str | None
    num_epochs: int
    budget: float
    metric: str
    larger_is_better: bool
    seed: int | None
    continue_training: bool
    free_repeats: bool
    evaluation_time: bool

    @classmethod
    def of(
        cls,
        benchmark: str,
        dataset: str | None,
        num_epochs: int,
        *,
        budget: float,
        metric: str | None,
        seed: int | None,
        **options: bool,
    ) -> SimulationSettings:
        """Return the settings that arguments make.

        Raises:
            BenchmarkNotInstalledError: This client knows no benchmark of this name.
            InvalidRequestError: An argument is malformed, or the benchmark records no times.
        """
        spec = _with_recorded_times(benchmark)
        trained_on = _checked_dataset(spec, dataset)
        objective = _checked_metric(spec, trained_on, metric)
        switches = {name: either(name, value) for name, value in options.items()}
        evaluated = any(stat.name.endswith(_EVALUATED) for stat in spec.stats)
        if switches["evaluation_time"] and not evaluated:
            raise refused("evaluation_time", f"{benchmark} records no time of an evaluation")
        return cls(
            benchmark=benchmark,
            dataset=trained_on,
            num_epochs=_checked_epochs(num_epochs),
            budget=_checked_budget(budget),
            metric=objective.name,
            larger_is_better=objective.better == "larger",
            seed=whole("seed", seed),
            **switches,
        )


def refused(field: str, message: str) -> InvalidRequestError:
    """Return the error of an argument that cannot mean anything."""
    return InvalidRequestError(f"{field}: {message}", errors=[FieldError(loc=[field], msg=message)])


def _with_recorded_times(benchmark: str) -> BenchmarkSpec:
    """Return the description of a benchmark whose runs have a training time."""
    timed = [spec.name for spec in PUBLISHED.values() if spec.stat(_CHARGED) is not None]
    if benchmark not in PUBLISHED:
        raise BenchmarkNotInstalledError(
            f"this client knows no benchmark {benchmark!r:.80} to simulate; "
            f"known are {', '.join(timed)}; a declared table is searched by "
            "nas_search.DeclaredProblem, which charges its training_time if it has one"
        )
    if benchmark not in timed:
        raise refused(
            "benchmark",
            f"{benchmark} {PUBLISHED[benchmark].not_answered['simulate']}, so a simulated clock "
            f"has nothing to charge; {', '.join(timed)} can be simulated",
        )
    return PUBLISHED[benchmark]


def _checked_dataset(spec: BenchmarkSpec, dataset: Any) -> str:
    known = spec.datasets
    if dataset is None and len(known) == 1:
        return known[0]
    if isinstance(dataset, str) and dataset.lower() in known:
        return dataset.lower()
    raise refused("dataset", f"{dataset!r:.80} is none of {spec.name}'s: {', '.join(known)}")


def _checked_metric(spec: BenchmarkSpec, dataset: str, metric: Any) -> Stat:
    chosen = _DEFAULT_METRIC if metric is None else metric
    stat = spec.stat(chosen)
    if stat is None:
        known = ", ".join(stat.name for stat in spec.stats)
        raise refused("metric", f"unknown metric {chosen!r:.80}; known are {known}")
    if dataset in stat.absent.get("dataset", ()):
        raise refused(
            "metric",
            f"{dataset} of {spec.name} has no validation split: say metric='test_acc', or search "
            "on cifar10-valid",
        )
    return stat


def _checked_epochs(num_epochs: Any) -> int:
    epochs = whole("num_epochs", num_epochs)
    if epochs is None or epochs < 1:
        raise refused("num_epochs", f"{num_epochs!r:.80} is not a budget of 1 epoch or more")
    return epochs


def _checked_budget(budget: Any) -> float:
    real = isinstance(budget, numbers.Real) and not isinstance(budget, bool)
    if not real or not math.isfinite(budget) or budget <= 0:
        raise refused("budget", f"{budget!r:.80} is not a number of seconds above 0")
    return float(budget)
