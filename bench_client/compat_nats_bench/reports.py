"""What is told of an architecture: as a dict of figures, and as text of fixed lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench_client.compat_nats_bench.arch_results import ArchResults, Trial, averaged
from bench_client.compat_nats_bench.run_results import TRAIN, Metrics, dataset_named, served_as

__all__ = ["accuracy_named", "more_info", "remap_dataset_set_names", "summary"]

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
    name, split = remap_dataset_set_names(dataset, metric_on_set)
    served = served_as(name, split)
    if served is None:
        sets = ", ".join((TRAIN, *_REPORTED[name]))
        raise ValueError(f"{name} has no set {metric_on_set!r:.80}; it has {sets}")
    return name, f"{served}_acc"


def summary(results: ArchResults, extra_info: str | None = None, *, is_topology: bool) -> list[str]:
    """Return the lines of text that the package has of an architecture.

    Programs read figures by the number of the line and by their places in it: after the string and
    the data sets come two lines a data set, of sizes and of mean figures at the last epoch.

    Args:
        results: The runs of the architecture.
        extra_info: What the second line ends with.
        is_topology: Whether it is of the topology space, whose text leaves out the test images of
            `cifar10-valid`.

    Raises:
        ValueError: The runs disagree about their size, or were not evaluated at the end.
    """
    names = results.get_dataset_names()
    lines = [results.arch_str, f"datasets : {names}, extra-info : {extra_info}"]
    for name in names:
        splits = {"train": TRAIN, **_REPORTED[name]}
        splits.pop("valtest", None)
        if is_topology and name == "cifar10-valid":
            del splits["test"]
        lines += [_sizes(results, name), _figures(results, name, splits)]
    return lines


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


def _sizes(results: ArchResults, dataset: str) -> str:
    costs = results.get_compute_costs(dataset)
    latency = f"{1000 * costs['latency']:.2f}" if costs["latency"] else None
    return (
        f"{dataset:14s} FLOP={costs['flops']:6.2f} M, Params={costs['params']:.3f} MB, "
        f"latency={latency} ms."
    )


def _figures(results: ArchResults, dataset: str, splits: Mapping[str, str]) -> str:
    parts = []
    for called, split in splits.items():
        metrics = results.get_metrics(dataset, split)
        # Wider where it stands below the word `valid`.
        word = "test " if dataset == "cifar10" and called == "test" else called
        parts.append(f"{word} : [loss = {metrics['loss']:.3f} & top1 = {metrics['accuracy']:.2f}%]")
    return f"{dataset:14s} {', '.join(parts)}"


def remap_dataset_set_names(
    dataset: str,
    metric_on_set: str,
    verbose: bool = False,  # noqa: ARG001, FBT001, FBT002 - the signature that users know
) -> tuple[str, str]:
    """Return data set and split, by the archive's names, for what `find_best` is asked.

    Args:
        dataset: The data set; of `cifar10`, the set `valid` is that of `cifar10-valid`.
        metric_on_set: `train`, `valid` or `test`, or the split as the archive names it.
        verbose: Taken; nothing is printed.

    Raises:
        ValueError: There is no such data set.
    """
    name = dataset_named(dataset)
    if (name, metric_on_set) == ("cifar10", "valid"):
        name = "cifar10-valid"
    return name, _REPORTED[name].get(metric_on_set, metric_on_set)
