"""Base class of the APIs of both spaces of NATS-Bench."""

from __future__ import annotations

import operator
import os
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar, Final

from bench_client.compat import RunChoice, Where, client_for
from bench_client.compat_nats_bench.arch_results import (
    ArchResults,
    accuracy_named,
    more_info,
    remap_dataset_set_names,
    summary,
)
from bench_client.compat_nats_bench.run_results import (
    CLASSES,
    NO_WEIGHTS,
    ResultsCount,
    dataset_named,
    network_of,
    refusing,
)
from bench_client.table_version import TableName

__all__ = [
    "ArchResults",
    "NASBenchMetaAPI",
    "ResultsCount",
    "pickle_load",
    "pickle_save",
    "remap_dataset_set_names",
]

_ARCHS_KEPT: Final = 128
"""Architectures whose results are cached: a search queries accuracy, cost and latency in a row."""

_RULE: Final = 40
"""Width of the rules of `show` on either side."""

_SEARCHED: Final = ("cifar10", "cifar100", "ImageNet16-120")
"""Data sets of `simulate_train_eval`."""


class NASBenchMetaAPI(ABC):
    """Base class of the APIs of both spaces.

    Args:
        where: A client, the address of a service, a folder of databases, or None for
            `BenchClient()`.
        fast_mode: Stored, but has no effect: results are fetched on access.
        verbose: Ignored; nothing is printed.
        seed: Seed of the choice among several runs; None: draw from Python's global generator.

    Attributes:
        archive_dir: Folder of the databases as text, if one was given.
        filename: Name of the folder.
        used_time: Simulated training time so far, in seconds.

    Raises:
        BenchmarkNotInstalledError: The folder holds no usable database.
    """

    search_space_name: ClassVar[str]
    is_size: ClassVar[bool]
    is_topology: ClassVar[bool]
    full_train_epochs: ClassVar[int]
    full_epochs_in_paper: ClassVar[int]
    _benchmark: ClassVar[TableName]
    _budgets: ClassVar[Mapping[str, int]]

    def __init__(
        self,
        where: Where = None,
        fast_mode: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
        verbose: bool = True,  # noqa: FBT001, FBT002 - the signature that users know
        *,
        seed: int | None = None,
    ) -> None:
        self.fast_mode = fast_mode
        self.verbose = verbose
        self.used_time = 0.0
        folder = isinstance(where, str | os.PathLike) and "://" not in str(where)
        self.archive_dir = os.fspath(where) if folder else None  # type: ignore[arg-type]  # a path then
        self.filename = None if self.archive_dir is None else Path(self.archive_dir).name
        self._bench = client_for(where)
        self._choice = RunChoice(seed)
        self._drawing = None if seed is None else random.Random(seed)  # noqa: S311 - not secret
        self._results = lru_cache(_ARCHS_KEPT)(self._asked_results)

    def __getstate__(self) -> dict[str, Any]:
        # The cache is not copied.
        return {name: value for name, value in self.__dict__.items() if name != "_results"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._results = lru_cache(_ARCHS_KEPT)(self._asked_results)

    @cached_property
    def meta_archs(self) -> list[str]:
        """Architecture strings of all architectures, by index."""
        return self._names()

    @cached_property
    def archstr2index(self) -> dict[str, int]:
        """Index of each architecture, by its string."""
        return {name: index for index, name in enumerate(self.meta_archs)}

    @cached_property
    def evaluated_indexes(self) -> set[int]:
        """Indices of architectures with installed runs at 12 epochs; fetched once."""
        runs = self._bench.query(self._benchmark, None, 12, "cifar10", reduction="mean")
        return {run.config.index for run in runs}

    @cached_property
    def arch2infos_dict(self) -> Mapping[int, Mapping[str, ArchResults]]:
        """All runs of an architecture, by index and budget; fetched on access."""
        return _Infos(self)

    @property
    def avaliable_hps(self) -> list[str]:
        """Training budgets: epochs with at least two digits."""
        return list(self._budgets)

    def __len__(self) -> int:
        return len(self.meta_archs)

    def __getitem__(self, index: int) -> str:
        return self.meta_archs[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self.meta_archs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} architectures, {self._bench!r})"

    def arch(self, index: int) -> str:
        """Return the architecture string of an index.

        Raises:
            ValueError: The index is out of range.
        """
        return self.meta_archs[self._index(index)]

    def random(self) -> int:
        """Return the index of an architecture drawn uniformly."""
        return (self._drawing or random).randint(0, len(self) - 1)

    def reset_time(self) -> None:
        """Set `used_time` to 0."""
        self.used_time = 0.0

    def query_index_by_arch(self, arch: Any) -> int:
        """Return the index of an architecture; -1 if it is not in the space.

        Args:
            arch: Architecture string, index, or an object whose `tostr()` returns the string.

        Raises:
            ValueError: The index is out of range.
        """
        if hasattr(arch, "tostr"):
            arch = arch.tostr()
        if isinstance(arch, str):
            return self.archstr2index.get(arch, -1)
        try:
            index = operator.index(arch)
        except TypeError:
            return -1
        if 0 <= index < len(self):
            return index
        raise ValueError(f"index {index} is not in 0 to {len(self) - 1}")

    def query_meta_info_by_index(self, arch_index: int, hp: str | int = "12") -> ArchResults:
        """Return all runs of an architecture at a training budget.

        Raises:
            ValueError: The index is out of range, there is no such budget, or no runs.
            BenchError: As `BenchClient`.
        """
        return self._results(self._index(arch_index), self._epochs(hp))

    def query_by_index(
        self, arch_index: int, dataname: str | None = None, hp: str | int = "12"
    ) -> Any:
        """Return all runs of an architecture at a training budget; for one data set, by seed.

        Raises:
            ValueError: As `query_meta_info_by_index`, or there are no runs on the data set.
        """
        results = self.query_meta_info_by_index(arch_index, hp)
        return results if dataname is None else results.query(dataname)

    def query_by_arch(self, arch: Any, hp: str | int = "12") -> str:
        """Return the result of `query_info_str_by_arch`."""
        return self.query_info_str_by_arch(arch, hp)

    def query_info_str_by_arch(self, arch: Any, hp: str | int = "12") -> str:
        """Return sizes and mean final metrics of an architecture as text, in the package's format.

        Lines, counted from 0: the string, the data sets, then for `cifar10-valid`, `cifar10`,
        `cifar100` and `ImageNet16-120` a line of sizes and a line of losses and accuracies. The
        losses and accuracies of the last three are on lines 5, 7 and 9.

        Raises:
            ValueError: As `query_meta_info_by_index`.
        """
        index = self._index(arch)
        results = self._results(index, self._epochs(hp))
        return "\n".join(summary(results, f"arch-index={index}", is_topology=self.is_topology))

    def show(self, index: int = -1) -> None:
        """Print the runs of an architecture at each budget; of all if the index is negative."""
        if index < 0:
            print(self)  # noqa: T201 - the purpose
        for number in sorted(self.evaluated_indexes) if index < 0 else [index]:
            self._show_one(number)

    def statistics(self, dataset: str, hp: str | int) -> dict[int, int]:
        """Return the number of architectures by their number of runs on a data set.

        Raises:
            ValueError: There is no such data set or budget.
        """
        means = self._bench.query(
            self._benchmark, None, self._epochs(hp), dataset_named(dataset), reduction="mean"
        )
        runs = {item.config.index: item.num_runs for item in means}
        return dict(Counter(runs.get(index, 0) for index in self.evaluated_indexes | runs.keys()))

    def clear_params(self, index: int, hp: str | int | None = None) -> None:
        """Check the arguments and do nothing else, because no weights are held in memory.

        Raises:
            ValueError: The index is out of range, or there is no such budget.
        """
        self._index(index)
        if hp is not None:
            self._epochs(hp)

    def reload(
        self,
        archive_root: str | None = None,  # noqa: ARG002 - the client does not change
        index: int | None = None,
    ) -> None:
        """Clear the cache, so that results are fetched again.

        Args:
            archive_root: Ignored; the client does not change.
            index: Index to check; the whole cache is cleared in any case.

        Raises:
            ValueError: The index is out of range.
        """
        if index is not None:
            self._index(index)
        self._results.cache_clear()

    def reset_archive_dir(self, archive_dir: str | None) -> None:
        """Set `archive_dir`, which has no effect; the client does not change."""
        self.archive_dir = archive_dir

    def reset_fast_mode(self, fast_mode: bool) -> None:  # noqa: FBT001 - the signature users know
        """Set `fast_mode`, which has no effect."""
        self.fast_mode = fast_mode

    get_net_param = refusing(NO_WEIGHTS)

    def get_more_info(
        self,
        index: Any,
        dataset: str,
        iepoch: int | None = None,
        hp: str | int = "12",
        is_random: bool | int = True,  # noqa: FBT001, FBT002 - the signature that users know
    ) -> dict[str, Any]:
        """Return losses, accuracies in percent and times in seconds after an epoch.

        Args:
            index: The architecture, as for `query_index_by_arch`.
            dataset: `cifar10-valid`, `cifar10`, `cifar100` or `ImageNet16-120`.
            iepoch: The epoch, counting from 0; None: the last.
            hp: Training budget, in epochs.
            is_random: True: one of the runs; False: the mean over all; an integer: the run with
                this seed.

        Returns:
            `{set}-loss`, `{set}-accuracy`, `{set}-per-time` (an epoch) and `{set}-all-time` (up to
            this epoch) of each set that was evaluated at the epoch. The sets are `train`, and

            * cifar10-valid: `valid`, half of the training images; `test`, the test images;
            * cifar10: `test`, the test images;
            * cifar100, ImageNet16-120: `valid` and `test`, the halves of the test images;
              `valtest`, all of them.

            For the first two, `comment` names the training images.

        Raises:
            ValueError: There is no such architecture, data set, epoch, budget or seed.
            BenchError: As `BenchClient`.
        """
        return more_info(self.query_meta_info_by_index(index, hp), dataset, iepoch, is_random)

    def get_cost_info(
        self, index: int, dataset: str, hp: str | int = "12"
    ) -> dict[str, float | None]:
        """Return `flops` and `params` in millions, `latency` and `T-…` times in seconds.

        Raises:
            ValueError: As `ArchResults.get_compute_costs`.
        """
        return self.query_meta_info_by_index(index, hp).get_compute_costs(dataset)

    def get_latency(self, index: int, dataset: str, hp: str | int = "12") -> float | None:
        """Return the latency in seconds; None if it was not recorded."""
        return self.query_meta_info_by_index(index, hp).get_latency(dataset)

    def simulate_train_eval(
        self,
        arch: Any,
        dataset: str,
        iepoch: int | None = None,
        hp: str | int = "12",
        account_time: bool = True,  # noqa: FBT001, FBT002 - the signature that users know
    ) -> tuple[float, float | None, float, float]:
        """Simulate training an architecture up to an epoch and validating it once.

        Args:
            arch: The architecture, as for `query_index_by_arch`.
            dataset: `cifar10` (trained on half of its images), `cifar100` or `ImageNet16-120`.
            iepoch: The epoch, counting from 0; None: the last.
            hp: Training budget, in epochs.
            account_time: Whether `used_time` grows by the cost.

        Returns:
            Validation accuracy in percent (on validation and test images together if only these
            were evaluated at the epoch); latency, cost and `used_time` in seconds.

        Raises:
            ValueError: There is no such architecture, data set, epoch or budget, or no recorded
                time.
        """
        if dataset not in _SEARCHED:
            raise ValueError(f"{dataset!r:.80} is not one of {', '.join(_SEARCHED)}")
        trained = "cifar10-valid" if dataset == "cifar10" else dataset
        info = self.get_more_info(arch, trained, iepoch, hp)
        if "valid-accuracy" in info:
            accuracy, seconds = info["valid-accuracy"], info["valid-per-time"]
        else:
            # A second query, because the package draws a second run here.
            last = self.get_more_info(arch, trained, None, hp)
            accuracy, seconds = info["valtest-accuracy"], last["valid-per-time"]
        if info["train-all-time"] is None or seconds is None:
            raise ValueError(f"no times are recorded of {arch!r:.200} on {trained} at {hp} epochs")
        cost = info["train-all-time"] + seconds
        latency = self.get_latency(arch, dataset, hp)
        if account_time:
            self.used_time += cost
        return accuracy, latency, cost, self.used_time

    def find_best(
        self,
        dataset: str,
        metric_on_set: str,
        flop_max: float | None = None,
        param_max: float | None = None,
        hp: str | int = "12",
        enforce_all: bool | None = None,  # noqa: ARG002, FBT001 - all architectures count
    ) -> tuple[int, float | None]:
        """Return the index of the architecture with the highest mean accuracy, and that accuracy.

        Args:
            dataset: As for `get_more_info`; for `cifar10`, `valid` is that of `cifar10-valid`.
            metric_on_set: `train`, `valid`, `test` or `valtest`, or as `ResultsCount.get_eval`.
            flop_max: Most multiply-adds, in millions, as the mean over the runs.
            param_max: Most parameters, in millions, as the mean over the runs.
            hp: Training budget, in epochs.
            enforce_all: Ignored; all architectures with runs count.

        Returns:
            Index and accuracy, the smallest index among equals; -1 and None if no architecture is
            within the bounds.

        Raises:
            ValueError: There is no such data set, set or budget.
            BenchError: As `BenchClient`.
        """
        name, metric = accuracy_named(dataset, metric_on_set)
        bounds = {"max_flops": flop_max, "max_parameters": param_max}
        found = self._bench.top(
            self._benchmark,
            metric=metric,
            dataset=name,
            num_epochs=self._epochs(hp),
            n=1,
            **{bound: value for bound, value in bounds.items() if value is not None},
        )
        return (found[0].config.index, found[0].value) if found else (-1, None)

    def get_net_config(self, index: int, dataset: str) -> dict[str, Any]:
        """Return the configuration for building the network of an architecture for a data set.

        Raises:
            ValueError: The index is out of range, or there is no such data set.
        """
        classes = {"class_num": CLASSES[dataset_named(dataset)]}
        return network_of(self._arch_config(self.arch(index)) | classes)

    @abstractmethod
    def _names(self) -> list[str]:
        """Return the architecture strings of all architectures, by index."""

    @abstractmethod
    def _curves(self, index: int, epochs: int, dataset: Any) -> Sequence[Any]:
        """Return the learning curves of the runs of an architecture on a data set."""

    @abstractmethod
    def _arch_config(self, arch_str: str) -> dict[str, Any]:
        """Return the configuration of a network, with the archive's names, without the classes."""

    def _index(self, arch: Any) -> int:
        index = self.query_index_by_arch(arch)
        if index < 0:
            raise ValueError(
                f"{arch!r:.200} is not an architecture of the {self.search_space_name} space"
            )
        return index

    def _epochs(self, hp: str | int) -> int:
        epochs = self._budgets.get(str(hp).zfill(2))
        if epochs is None:
            raise ValueError(f"hp {hp!r:.80} is not one of {', '.join(self._budgets)}")
        return epochs

    def _asked_results(self, index: int, epochs: int) -> ArchResults:
        stats = self._bench.query(self._benchmark, index, epochs)
        if not stats:
            raise _NoRunsError(
                f"the installed {self._benchmark} has no runs of architecture {index} at "
                f"{epochs} epochs"
            )
        curves = partial(self._curves, index, epochs)
        name = self.meta_archs[index]
        return ArchResults(index, name, stats, curves, self._choice, self._arch_config(name))

    def _show_one(self, index: int) -> None:
        """Print the runs of an architecture at each budget."""
        infos = self.arch2infos_dict.get(index, {})
        lines = [] if infos else [f"the installed {self._benchmark} has no runs of {index}"]
        for results in infos.values():
            rule = ">" * _RULE
            lines.append(f"{rule} {results.get_total_epoch():03d} epochs {rule}")
            lines += summary(results, is_topology=self.is_topology)
        lines.append(f"{'<' * _RULE}------------{'<' * _RULE}")
        print("\n".join(lines))  # noqa: T201 - the purpose


class _NoRunsError(ValueError):
    """An architecture has no runs at a budget."""


class _Infos(Mapping[int, Mapping[str, ArchResults]]):
    """Mapping from index and budget to all runs of an architecture, for architectures with runs."""

    def __init__(self, api: NASBenchMetaAPI) -> None:
        self._api = api

    def __getitem__(self, index: int) -> Mapping[str, ArchResults]:
        found: dict[str, ArchResults] = {}
        if index in range(len(self._api)):
            for hp in self._api.avaliable_hps:
                with suppress(_NoRunsError):
                    found[hp] = self._api.query_meta_info_by_index(index, hp)
        if not found:
            raise KeyError(index)
        return found

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._api.evaluated_indexes))

    def __len__(self) -> int:
        return len(self._api.evaluated_indexes)


pickle_load = refusing("this adapter reads no pickles, because pickles can run arbitrary code")
pickle_save = refusing("this adapter writes no pickles: use the standard library")
