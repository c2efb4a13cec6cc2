"""All runs of an architecture at one training budget, and their means.

`more_info` returns them as a dict, `summary` as text with a fixed order of lines.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, Final, TypeAlias

from bench_client.compat import RunChoice
from bench_client.compat_nats_bench.run_results import (
    NO_WEIGHTS,
    READ_ONLY,
    TRAIN,
    Metrics,
    ResultsCount,
    dataset_named,
    refusing,
    served_as,
)

__all__ = [
    "ArchResults",
    "Trial",
    "accuracy_named",
    "averaged",
    "more_info",
    "remap_dataset_set_names",
    "summary",
]

Trial: TypeAlias = bool | int
"""True: one of the runs; False: the mean over all; an integer: the run of this seed."""

_TRUSTED_SEED: Final = 888
"""Seed of the run whose sizes `nats_bench` uses if the runs of an architecture disagree."""

_SIZE_DIGITS: Final = 5
"""Decimals to which sizes must agree."""

_PROPOSED: Final = {"valid": "x-valid", "test": "x-test", "valtest": "ori-test"}
_REPORTED: Final[Mapping[str, Mapping[str, str]]] = {
    "cifar10-valid": {"valid": "x-valid", "test": "ori-test"},
    "cifar10": {"test": "ori-test"},
    "cifar100": _PROPOSED,
    "ImageNet16-120": _PROPOSED,
}
"""By data set, the names of splits in `get_more_info`, with the archive's names."""

_TRAINED_ON: Final = {
    "cifar10-valid": "half of CIFAR-10's training images",
    "cifar10": "all of CIFAR-10's training images",
}


class ArchResults:
    """All runs of an architecture at one training budget.

    Args:
        arch_index: Index of the architecture.
        arch_str: Architecture string.
        stats: Final statistics of its runs; at least one.
        curves: Fetches the learning curves of its runs on a data set.
        choice: Chooses one of several runs.
        arch_config: Configuration of the network without the number of classes.

    Attributes:
        dataset_seed: By data set, the seeds of its runs.
        all_results: By data set and seed, the run.
        clear_net_done: True: trained weights are not served.
    """

    def __init__(
        self,
        arch_index: int,
        arch_str: str,
        stats: Iterable[Any],
        curves: Callable[[str], Iterable[Any]],
        choice: RunChoice,
        arch_config: Mapping[str, Any],
    ) -> None:
        self.arch_index = arch_index
        self.arch_str = arch_str
        self.dataset_seed: dict[str, list[int]] = {}
        self.all_results: dict[tuple[str, int], ResultsCount] = {}
        self.clear_net_done = True
        self._choice = choice
        self._curves = curves
        self._curves_asked: dict[str, dict[int, Any]] = {}
        for item in stats:
            run = ResultsCount(item, self._curves_by_seed, arch_config)
            self.dataset_seed.setdefault(run.name, []).append(run.seed)
            self.all_results[run.name, run.seed] = run

    def __repr__(self) -> str:
        runs = f"{len(self.all_results)} runs"
        return f"{type(self).__name__}(arch-index={self.arch_index}, arch={self.arch_str}, {runs})"

    def get_dataset_names(self) -> list[str]:
        """Return the data sets that have runs."""
        return list(self.dataset_seed)

    def get_dataset_seeds(self, dataset: str) -> list[int]:
        """Return the seeds of the runs on a data set, ascending."""
        return [run.seed for run in self._runs(dataset)]

    def get_total_epoch(self, dataset: str | None = None) -> int:
        """Return the training budget, in epochs."""
        return self._runs(dataset or next(iter(self.dataset_seed)))[0].epochs

    def query(self, dataset: str, seed: int | None = None) -> Any:
        """Return the run of a seed; without a seed all runs on the data set, by seed."""
        if seed is None:
            return {run.seed: run for run in self._runs(dataset)}
        return self.trials(dataset, seed)[0]

    def trials(self, dataset: str, is_random: Trial) -> Sequence[ResultsCount]:
        """Return the runs on a data set that `is_random` selects.

        Raises:
            ValueError: There are no runs on the data set, or none with the seed.
        """
        runs = self._runs(dataset)
        if is_random is False:
            return runs
        if is_random is True:
            epochs = runs[0].epochs
            return [self._choice(runs, self.arch_index, runs[0].name, epochs)]
        of_seed = [run for run in runs if run.seed == is_random]
        if not of_seed:
            seeds = ", ".join(str(run.seed) for run in runs)
            raise ValueError(f"{self!r} has no seed {is_random!r:.80} on {dataset}; it has {seeds}")
        return of_seed

    def get_metrics(
        self,
        dataset: str,
        setname: str,
        iepoch: int | None = None,
        is_random: Trial = False,  # noqa: FBT002 - the signature that users know
    ) -> Metrics:
        """Return metrics on a split, of one run or averaged over all.

        Args:
            dataset: The data set.
            setname: The split, as for `ResultsCount.get_eval`.
            iepoch: The epoch, counting from 0; None: the last.
            is_random: True: one of the runs; False: the mean; an integer: the run with this seed.

        Raises:
            ValueError: There is no such run or epoch, or nothing is recorded.
        """
        trials = self.trials(dataset, is_random)
        return averaged([run.get_eval(setname, iepoch) for run in trials])

    def get_latency(self, dataset: str) -> float | None:
        """Return the mean of the recorded latencies, in seconds; None if there are none."""
        measured = [run.get_latency() for run in self._runs(dataset) if run.latency]
        return _mean(measured) if measured else None

    def get_compute_costs(self, dataset: str) -> dict[str, float | None]:
        """Return `flops` and `params` in millions, `latency` and times in seconds.

        If the runs disagree about a size, that of seed 888 is used, as in the package.

        Raises:
            ValueError: There are no runs on the data set, or they disagree and there is no run
                with seed 888.
        """
        runs = self._runs(dataset)
        return {
            "flops": self._size(runs, [run.flop for run in runs]),
            "params": self._size(runs, [run.params for run in runs]),
            "latency": self.get_latency(dataset),
            **averaged([run.get_times() for run in runs]),
        }

    def arch_idx_str(self) -> str:
        """Return the index with six digits."""
        return f"{self.arch_index:06d}"

    def clear_params(self) -> None:
        """Do nothing, because no weights are held in memory."""

    def debug_test(self) -> None:
        """Print latencies, runs and their times, data set by data set."""
        for dataset in self.dataset_seed:
            print(f"{dataset}: latency {self.get_latency(dataset)} s")  # noqa: T201 - the purpose
            for run in self._runs(dataset):
                print(f"  {run}: {run.get_times()}")  # noqa: T201 - the purpose

    def state_dict(self) -> dict[str, Any]:
        """Return the recorded attributes of all runs, by name."""
        names = ("arch_index", "arch_str", "dataset_seed", "clear_net_done")
        runs = {key: run.state_dict() for key, run in self.all_results.items()}
        return {name: getattr(self, name) for name in names} | {"all_results": runs}

    get_net_param = refusing(NO_WEIGHTS)
    load_state_dict = refusing(READ_ONLY)
    create_from_state_dict = staticmethod(refusing(READ_ONLY))
    reset_latency = refusing(READ_ONLY)
    reset_pseudo_eval_times = refusing(READ_ONLY)
    reset_pseudo_train_times = refusing(READ_ONLY)
    update = refusing(READ_ONLY)

    def _curves_by_seed(self, dataset: str) -> dict[int, Any]:
        if dataset not in self._curves_asked:
            curves = self._curves(dataset)
            self._curves_asked[dataset] = {curve.seed: curve for curve in curves}
        return self._curves_asked[dataset]

    def _size(self, runs: Sequence[ResultsCount], sizes: Sequence[float]) -> float:
        if len({f"{size:.{_SIZE_DIGITS}f}" for size in sizes}) == 1:
            return _mean(sizes)
        seeds = [run.seed for run in runs]
        if _TRUSTED_SEED not in seeds:
            raise ValueError(
                f"the runs of {self!r} disagree about its size ({', '.join(map(str, sizes))}), and "
                f"there is no run with seed {_TRUSTED_SEED} to decide"
            )
        return sizes[seeds.index(_TRUSTED_SEED)]

    def _runs(self, dataset: str) -> Sequence[ResultsCount]:
        name = dataset_named(dataset)
        if name not in self.dataset_seed:
            raise ValueError(f"{self!r} has no runs on {name}")
        return [self.all_results[name, seed] for seed in self.dataset_seed[name]]


def averaged(infos: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    """Return the mean of each value of the first mapping; None if another mapping lacks it."""
    means: dict[str, Any] = {}
    for key in infos[0]:
        values = [info.get(key) for info in infos]
        means[key] = None if None in values else _mean(values)
    return means


def _mean(values: Sequence[Any]) -> float:
    # Plain addition from left to right has the package's last digit; `sum` compensates rounding
    # errors from Python 3.12 on.
    total: float = reduce(operator.add, values)
    return total / len(values)


def more_info(
    results: ArchResults, dataset: str, iepoch: int | None, is_random: Trial
) -> dict[str, Any]:
    """Return losses, accuracies and times on a data set after an epoch, as `get_more_info` does.

    Raises:
        ValueError: There is no such data set, epoch or seed.
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
    """Return the service's data set and metric for arguments of `find_best`.

    Args:
        dataset: The data set; for `cifar10`, the set `valid` is that of `cifar10-valid`.
        metric_on_set: `train`, `valid`, `test` or `valtest`, or the archive's name of the split.

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
    """Return the lines of text about an architecture, in the package's format.

    Programs read values by line number and position: after the string and the data sets, each data
    set has two lines, with sizes and with mean metrics at the last epoch.

    Args:
        results: The runs of the architecture.
        extra_info: End of the second line.
        is_topology: Whether the architecture is in the topology space, whose text leaves out the
            test images of `cifar10-valid`.

    Raises:
        ValueError: The runs disagree about a size, or were not evaluated at the end.
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
    """Return the mean metrics of runs on a split; empty if a run was not evaluated on it."""
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
        # Padded to the width of `valid` in other lines.
        word = "test " if dataset == "cifar10" and called == "test" else called
        parts.append(f"{word} : [loss = {metrics['loss']:.3f} & top1 = {metrics['accuracy']:.2f}%]")
    return f"{dataset:14s} {', '.join(parts)}"


def remap_dataset_set_names(
    dataset: str,
    metric_on_set: str,
    verbose: bool = False,  # noqa: ARG001, FBT001, FBT002 - the signature that users know
) -> tuple[str, str]:
    """Return the archive's names of data set and split for arguments of `find_best`.

    Args:
        dataset: The data set; for `cifar10`, the set `valid` is that of `cifar10-valid`.
        metric_on_set: `train`, `valid` or `test`, or the archive's name of the split.
        verbose: Ignored; nothing is printed.

    Raises:
        ValueError: There is no such data set.
    """
    name = dataset_named(dataset)
    if (name, metric_on_set) == ("cifar10", "valid"):
        name = "cifar10-valid"
    return name, _REPORTED[name].get(metric_on_set, metric_on_set)
