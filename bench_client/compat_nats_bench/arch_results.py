"""All runs of an architecture at one budget, and their means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from bench_client.compat import RunChoice
from bench_client.compat_nats_bench.run_results import (
    NO_WEIGHTS,
    READ_ONLY,
    Metrics,
    ResultsCount,
    dataset_named,
    refusing,
)

__all__ = ["ArchResults", "Trial", "averaged"]

Trial: TypeAlias = bool | int
"""True: one of the runs; False: the mean over all; an integer: the run of this seed."""

_TRUSTED_SEED: Final = 888
"""Whose sizes `nats_bench` takes where the runs of an architecture disagree about them."""

_SIZE_DIGITS: Final = 5
"""Decimals in which sizes must agree."""


class ArchResults:
    """All runs of an architecture at one budget.

    Args:
        arch_index: Its index.
        arch_str: Its published string.
        stats: What its runs recorded at their ends; at least one.
        curves: Asks for the learning curves of its runs on a data set.
        choice: Chooses one of several runs.
        arch_config: What it takes to build the network, but for the classes.

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
        """Return the budget, in epochs."""
        return self._runs(dataset or next(iter(self.dataset_seed)))[0].epochs

    def query(self, dataset: str, seed: int | None = None) -> Any:
        """Return the run of a seed, or without one all runs on the data set, by seed."""
        if seed is None:
            return {run.seed: run for run in self._runs(dataset)}
        return self.trials(dataset, seed)[0]

    def trials(self, dataset: str, is_random: Trial) -> Sequence[ResultsCount]:
        """Return the runs on a data set that are meant.

        Raises:
            ValueError: There are no runs on the data set, or none of the seed.
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
            is_random: True: of one of the runs; False: averaged; an integer: of this seed.

        Raises:
            ValueError: There is no such run or epoch, or nothing is recorded.
        """
        trials = self.trials(dataset, is_random)
        return averaged([run.get_eval(setname, iepoch) for run in trials])

    def get_latency(self, dataset: str) -> float | None:
        """Return the mean recorded latency, in seconds; None when there is none."""
        measured = [run.get_latency() for run in self._runs(dataset) if run.latency]
        return _mean(measured) if measured else None

    def get_compute_costs(self, dataset: str) -> dict[str, float | None]:
        """Return `flops` and `params` in millions, `latency` and times in seconds.

        Where the runs disagree about a size, that of seed 888 counts, as in the original.

        Raises:
            ValueError: There are no runs on the data set, or they disagree and seed 888 is none.
        """
        runs = self._runs(dataset)
        return {
            "flops": self._size(runs, [run.flop for run in runs]),
            "params": self._size(runs, [run.params for run in runs]),
            "latency": self.get_latency(dataset),
            **averaged([run.get_times() for run in runs]),
        }

    def arch_idx_str(self) -> str:
        """Return the index as six digits."""
        return f"{self.arch_index:06d}"

    def clear_params(self) -> None:
        """Do nothing: there are no weights that take memory."""

    def debug_test(self) -> None:
        """Print latencies, runs and their times, data set by data set."""
        for dataset in self.dataset_seed:
            print(f"{dataset}: latency {self.get_latency(dataset)} s")  # noqa: T201 - asked for
            for run in self._runs(dataset):
                print(f"  {run}: {run.get_times()}")  # noqa: T201 - asked for

    def state_dict(self) -> dict[str, Any]:
        """Return what is recorded of all runs, by the names of the attributes."""
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
                f"there is none of seed {_TRUSTED_SEED} to follow"
            )
        return sizes[seeds.index(_TRUSTED_SEED)]

    def _runs(self, dataset: str) -> Sequence[ResultsCount]:
        name = dataset_named(dataset)
        if name not in self.dataset_seed:
            raise ValueError(f"{self!r} has no runs on {name}")
        return [self.all_results[name, seed] for seed in self.dataset_seed[name]]


def averaged(infos: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    """Return the mean of each value of the first; None where one of the others lacks it."""
    means: dict[str, Any] = {}
    for key in infos[0]:
        values = [info.get(key) for info in infos]
        means[key] = None if None in values else _mean(values)
    return means


def _mean(values: Sequence[Any]) -> float:
    # The sum of the original, whose last digit users compare.
    mean: float = sum(values) / len(values)
    return mean
