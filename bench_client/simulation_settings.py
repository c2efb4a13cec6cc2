"""Arguments of a simulation, checked before anything is asked."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from bench_client.arguments import either, whole
from bench_client.errors import BenchmarkNotInstalledError, InvalidRequestError
from bench_client.models.answers import FieldError
from bench_client.models.benchmarks import fields_of

__all__ = ["SimulationSettings", "refused"]

_DATASETS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "nasbench101": ("cifar10",),
        "nasbench201": ("cifar10-valid", "cifar10", "cifar100", "imagenet16-120"),
        "natssss": ("cifar10-valid", "cifar10", "cifar100", "imagenet16-120"),
    }
)
"""The benchmarks whose runs have a training time, and what they were trained on."""

_WITHOUT_TIME: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nds": "records the time of an iteration (iter_time) but neither a training time nor how "
        "many iterations an epoch had",
        "hw-nas-bench": "is a table of hardware costs: nothing was trained",
    }
)
"""Why the others cannot be simulated."""

_WITHOUT_VALIDATION: Final = frozenset({("nasbench201", "cifar10"), ("natssss", "cifar10")})
"""Trained on all images of CIFAR-10 that are not for testing."""

_DEFAULT_METRIC: Final = "valid_acc"
_MAXIMISED: Final = frozenset({"percent"})
"""Units of which more is better; of losses, times and sizes, less is."""


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
        _check_recorded_times(benchmark)
        trained_on = _checked_dataset(benchmark, dataset)
        objective = _checked_metric(benchmark, trained_on, metric)
        switches = {name: either(name, value) for name, value in options.items()}
        if switches["evaluation_time"] and benchmark == "nasbench101":
            raise refused("evaluation_time", "nasbench101 records no time of an evaluation")
        return cls(
            benchmark=benchmark,
            dataset=trained_on,
            num_epochs=_checked_epochs(num_epochs),
            budget=_checked_budget(budget),
            metric=objective,
            larger_is_better=_metrics_of(benchmark)[objective] in _MAXIMISED,
            seed=whole("seed", seed),
            **switches,
        )


def refused(field: str, message: str) -> InvalidRequestError:
    """Return the error of an argument that cannot mean anything."""
    return InvalidRequestError(f"{field}: {message}", errors=[FieldError(loc=[field], msg=message)])


def _check_recorded_times(benchmark: str) -> None:
    if benchmark in _WITHOUT_TIME:
        raise refused(
            "benchmark",
            f"{benchmark} {_WITHOUT_TIME[benchmark]}, so a simulated clock has nothing to charge; "
            f"{', '.join(_DATASETS)} can be simulated",
        )
    if benchmark not in _DATASETS:
        raise BenchmarkNotInstalledError(
            f"this client knows no benchmark {benchmark!r:.80} to simulate; "
            f"known are {', '.join(_DATASETS)}"
        )


def _checked_dataset(benchmark: str, dataset: Any) -> str:
    known = _DATASETS[benchmark]
    if dataset is None and len(known) == 1:
        return known[0]
    if isinstance(dataset, str) and dataset.lower() in known:
        return dataset.lower()
    raise refused("dataset", f"{dataset!r:.80} is none of {benchmark}'s: {', '.join(known)}")


def _checked_metric(benchmark: str, dataset: str, metric: Any) -> str:
    chosen = _DEFAULT_METRIC if metric is None else metric
    known = _metrics_of(benchmark)
    if chosen not in known:
        raise refused("metric", f"unknown metric {chosen!r:.80}; known are {', '.join(known)}")
    if (benchmark, dataset) in _WITHOUT_VALIDATION and str(chosen).startswith("valid_"):
        raise refused(
            "metric",
            f"{dataset} of {benchmark} has no validation split: say metric='test_acc', or search "
            "on cifar10-valid",
        )
    return str(chosen)


def _metrics_of(benchmark: str) -> dict[str, str]:
    """Return the units of what a run records, by name."""
    return {
        field.name: field.unit
        for field in fields_of(benchmark)
        if field.kind == "computed" and field.unit is not None
    }


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
