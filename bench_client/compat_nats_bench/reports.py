"""What is told of an architecture: as a dict of figures, and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench_client.compat_nats_bench.arch_results import ArchResults, Trial, averaged
from bench_client.compat_nats_bench.run_results import TRAIN, Metrics, dataset_named, served_as

__all__ = ["accuracy_named", "more_info", "summary"]

_PROPOSED: Final = {"valid": "x-valid", "test": "x-test", "valtest": "ori-test"}
_REPORTED: Final[Mapping[str, Mapping[str, str]]] = {
    "cifar10-valid": {"valid": "x-valid", "test": "ori-test"},
    "cifar10": {"test": "ori-test"},
    "cifar100": _PROPOSED,
    "ImageNet16-120": _PROPOSED,
}
"""By data set, what `get_more_info` calls the splits."""

_TRAINED_ON: Final = {
    "cifar10-valid": "half of CIFAR-10's training images",
    "cifar10": "all of CIFAR-10's training images",
}


def more_info(
    results: ArchResults, dataset: str, iepoch: int | None, is_random: Trial
) -> dict[str, Any]:
    """Return losses, accuracies and times on a data set after an epoch, as `get_more_info` does.

    Raises:
        ValueError: The data set, epoch or seed is not there.
    """
    name = dataset_named(dataset)
    trials = results.trials(name, is_random)
    info = _named(TRAIN, [run.get_train(iepoch) for run in trials])
    if name in _TRAINED_ON:
        epochs = trials[0].epochs
        info["comment"] = f"trained on {_TRAINED_ON[name]} for {epochs} epochs; times in seconds"
    for called, split in _REPORTED[name].items():
        info |= _named(called, [run.evaluated(split, iepoch) for run in trials])
    return info


def accuracy_named(dataset: str, metric_on_set: str) -> tuple[str, str]:
    """Return data set and metric of the service for what `find_best` is asked.

    Args:
        dataset: The data set; of `cifar10`, the set `valid` is that of `cifar10-valid`.
        metric_on_set: `train`, `valid`, `test` or `valtest`, or the split as the archive names it.

    Raises:
        ValueError: There is no such data set, or it has no such set.
    """
    name = dataset_named(dataset)
    if (name, metric_on_set) == ("cifar10", "valid"):
        name = "cifar10-valid"
    served = served_as(name, _REPORTED[name].get(metric_on_set, metric_on_set))
    if served is None:
        sets = ", ".join((TRAIN, *_REPORTED[name]))
        raise ValueError(f"{name} has no set {metric_on_set!r:.80}; it has {sets}")
    return name, f"{served}_acc"


def summary(results: ArchResults) -> str:
    """Return costs and mean final accuracies of an architecture as text, a line a data set."""
    lines = [_line(results, dataset) for dataset in results.get_dataset_names()]
    return "\n".join([results.arch_str, *lines])


def _named(called: str, metrics: Sequence[Metrics | None]) -> dict[str, Any]:
    """Return the mean of the metrics of runs on a split; nothing where one was not evaluated."""
    evaluated = [each for each in metrics if each is not None]
    if len(evaluated) < len(metrics):
        return {}
    mean = averaged(evaluated)
    return {
        f"{called}-loss": mean["loss"],
        f"{called}-accuracy": mean["accuracy"],
        f"{called}-per-time": mean["cur_time"],
        f"{called}-all-time": mean["all_time"],
    }


def _line(results: ArchResults, dataset: str) -> str:
    costs = results.get_compute_costs(dataset)
    latency = costs["latency"]
    parts = [
        f"{costs['params']:.6f} M parameters",
        f"{costs['flops']:.2f} M multiply-adds",
        "latency " + ("not recorded" if latency is None else f"{1000 * latency:.2f} ms"),
    ]
    info = more_info(results, dataset, None, is_random=False)
    accuracies = {key: value for key, value in info.items() if key.endswith("-accuracy")}
    parts += [f"{key} {value:.2f} %" for key, value in accuracies.items()]
    return f"{dataset}: {', '.join(parts)}"
