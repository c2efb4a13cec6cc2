"""Problems on a published benchmark, whose recorded results are looked up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from bench_client import BenchClient, BenchmarkInfo, InvalidRequestError, TableName
from bench_client.run_choice import chosen_run
from benchmark_spec import Coded
from benchmark_spec.published import PUBLISHED, compared_by
from nas_search.contract import Ask, Candidate, Domain, Proposal
from nas_search.domains import AdmittedDomain, Refusal, served_domain, walk
from nas_search.domains.cells import num_recorded
from nas_search.errors import ProblemError
from nas_search.problems.function import checked_fidelities
from nas_search.problems.goals import Bounds, Goals, check_known
from nas_search.problems.problem import Order, Outcome, Report, Table, check_client, refused, silent

__all__ = ["TableProblem", "TableScore"]

_KNOWN: Final = frozenset({"parameters", "flops"})
"""Metrics that are known before a training, besides costs on devices."""

_BATCH: Final = 10_000
_MOST_SINGLE_LOOKUPS: Final = 1_000
"""Single look-ups after which the whole table is loaded at once."""


class _Row(NamedTuple):
    """The recorded results of an architecture after some epochs.

    Attributes:
        metrics: All recorded metrics.
        cost: Seconds of the training.
    """

    metrics: Mapping[str, float]
    cost: float


class TableProblem(Table):
    """Search of a published benchmark, without training.

    Results stay in memory once looked up: use the same problem for several studies.

    Args:
        bench: The client.
        benchmark: A published benchmark whose architectures can be searched, such as `nasbench201`.
        dataset: The data set of the trainings; None if the benchmark has only one.
        num_epochs: The training budget in epochs; None: the longest of the benchmark.
        objectives: Names of metrics, as listed by `bench.benchmark(name).fields`, and for
            `nasbench201` also costs on devices. Accuracies are maximised, all others minimised, as
            is any with `-` in front.
        bounds: Smallest and largest value by metric. Architectures outside a bound on `parameters`,
            `flops` (both in millions) or a cost on a device are never proposed; trials outside
            another bound are infeasible.
        fidelities: Epochs of the learning curve after which a training may be stopped. A candidate
            without fidelity is trained for `num_epochs`.
        run_seed: Selects one recorded training run of each architecture; None: their mean.
        evaluation_time: Whether the pass over the split of the first objective is charged as well.
        continue_training: Whether a longer training is charged only for the epochs beyond a
            shorter one charged before; None: True if `fidelities` are given.
        free_repeats: Whether a repeated evaluation costs nothing.

    Raises:
        ProblemError: An argument is invalid, or the table lacks an objective.
        BenchError: The benchmark did not answer.
    """

    def __init__(  # noqa: PLR0913 - the choices of an experiment
        self,
        bench: BenchClient,
        benchmark: str,
        dataset: str | None = None,
        *,
        num_epochs: int | None = None,
        objectives: Sequence[str] = ("valid_acc",),
        bounds: Bounds | None = None,
        fidelities: Sequence[int] = (),
        run_seed: int | None = None,
        evaluation_time: bool = False,
        continue_training: bool | None = None,
        free_repeats: bool = False,
    ) -> None:
        check_client(bench)
        served_domain(benchmark)
        self._bench = bench
        self.benchmark = benchmark
        self._info = bench.benchmark(benchmark)
        self.dataset = _checked_dataset(self._info, dataset)
        self.num_epochs = max(self._info.budgets) if num_epochs is None else num_epochs
        self._stats = compared_by(benchmark)
        self.goals = Goals.of(objectives, bounds, larger_is_better=self._larger_is_better)
        check_known("metric", self.goals.metrics, tuple(self._stats))
        self.fidelities = self._checked_fidelities(fidelities)
        self.order: Order = "numbered"
        self.run_seed = run_seed
        self.evaluation_time = evaluation_time
        self.continues = bool(fidelities) if continue_training is None else continue_training
        self.free_repeats = free_repeats
        table = PUBLISHED[benchmark]
        self._spelled_by = table.spelled_by or ""
        # Spaces with a template are enumerated locally; others only by the benchmark.
        self._computed = isinstance(table.space, Coded) and table.space.template is not None
        self._where = {} if table.implied("dataset") else {"dataset": self.dataset}
        self._recorded = [name for name in self._stats if table.stat(name) is not None]
        self._hardware = set(self.goals.metrics) - set(self._recorded)
        self._known = _KNOWN | self._hardware
        self._rows: dict[tuple[str, int], _Row | None] = {}
        self._num_single_lookups = 0
        self._check_recorded()

    @property
    def spec(self) -> dict[str, Any]:
        """The problem as JSON: the table with the digest of its content, objectives and bounds."""
        return {
            "kind": "table",
            "benchmark": self.benchmark,
            "content_digest": self._info.provenance.content_digest,
            "dataset": self.dataset,
            "num_epochs": self.num_epochs,
            "fidelities": list(self.fidelities),
            "run_seed": self.run_seed,
            "evaluation_time": self.evaluation_time,
            "continue_training": self.continues,
            "free_repeats": self.free_repeats,
            **self.goals.spec,
        }

    def domain(self) -> Domain:
        """Return the recorded architectures within the bounds on metrics known before a training.

        If all architectures are recorded and there are no such bounds, draws need no look-ups.
        """
        plain = served_domain(self.benchmark)
        complete = num_recorded(self._info) == self._info.num_architectures
        early = any(one.metric in self._known for one in self.goals.bounds)
        # In the other spaces the benchmark itself draws, from architectures with runs.
        if not early and (complete or not self._computed):
            return plain
        return AdmittedDomain(plain, self._screen)

    def answer(self, ask: Ask) -> Any:
        """Answer a question of a domain with the client."""
        return ask(self._bench)

    def evaluate(self, candidate: Candidate, report: Report = silent) -> Outcome:  # noqa: ARG002 - for evaluators
        """Look up a candidate; an architecture without results is a failed trial."""
        epoch = self.num_epochs if candidate.fidelity is None else candidate.fidelity
        key = (candidate.arch, epoch)
        row = self._rows[key] if key in self._rows else self._look_up(key)
        if row is None:
            return Outcome(error=f"no training run is recorded with this after {epoch} epochs")
        error = self.goals.lacking(row.metrics)
        if error is not None:
            return Outcome(error=error)
        return Outcome(metrics=row.metrics, cost=row.cost)

    def load(self) -> None:
        """Look up all architectures at once, which pays for many studies or a distant server.

        The first call takes about a second and 20 MB for NAS-Bench-201, later calls no time.
        """
        if not self._computed:
            everything = self._query(None, self.num_epochs)
            by_arch: dict[str, list[Any]] = {}
            for item in everything:
                by_arch.setdefault(self._spelled(item), []).append(item)
            for arch, runs in by_arch.items():
                self._rows.setdefault((arch, self.num_epochs), self._row(runs, self.num_epochs))
            return
        every = walk(served_domain(self.benchmark))
        missing = (arch for arch in every if (arch, self.num_epochs) not in self._rows)
        while batch := list(islice(missing, _BATCH)):
            self._look_up_many(batch)

    def table(self) -> dict[str, Mapping[str, float]]:
        """Return the metrics of every architecture within the bounds, in the order of the grid.

        NAS-Bench-101 keeps the order of the benchmark. Architectures that lack a metric of an
        objective or bound are left out.
        """
        self.load()
        order: Iterable[str] = (
            walk(served_domain(self.benchmark))
            if self._computed
            else (arch for arch, _ in list(self._rows))
        )
        rows = ((arch, self._rows.get((arch, self.num_epochs))) for arch in order)
        return self._sought((arch, row and row.metrics) for arch, row in rows)

    def score(self, name: str) -> TableScore:
        """Return a score for `ProxySearch` from a metric that is known before a training.

        Args:
            name: `parameters`, `flops`, or a cost on a device that is an objective or has a bound;
                `-` in front prefers small values.

        Raises:
            ProblemError: No such metric is known before a training.
        """
        check_known("score", [name.removeprefix("-")], sorted(self._known))
        return TableScore(self, name)

    def _screen(self, archs: Sequence[str]) -> Proposal[list[Refusal | None]]:
        yield from ()
        missing = [arch for arch in archs if (arch, self.num_epochs) not in self._rows]
        self._num_single_lookups += len(missing) == 1
        if missing and self._num_single_lookups == _MOST_SINGLE_LOOKUPS:
            self.load()
        elif len(missing) == 1:
            self._look_up((missing[0], self.num_epochs))
        elif missing:
            self._look_up_many(missing)
        return [self._refusal(self._rows[arch, self.num_epochs]) for arch in archs]

    def _refusal(self, row: _Row | None) -> Refusal | None:
        if row is None:
            return Refusal("unrecorded")
        known = (bound for bound in self.goals.bounds if bound.metric in self._known)
        return refused(known, row.metrics.get)

    def _look_up(self, key: tuple[str, int]) -> _Row | None:
        arch, epoch = key
        row = self._rows[key] = self._row(self._query(arch, epoch), epoch)
        return row

    def _look_up_many(self, archs: Sequence[str]) -> None:
        found = self._bench.query_many(
            TableName(self.benchmark), archs, **self._filters(self.num_epochs)
        )
        costs = self._costs_on_devices(None) if len(archs) > 1 and self._hardware else {}
        for arch, runs in zip(archs, found, strict=True):
            extra = costs.get(arch)
            self._rows[arch, self.num_epochs] = self._row(runs, self.num_epochs, extra)

    def _query(self, arch: str | None, epoch: int) -> Sequence[Any]:
        return self._bench.query(TableName(self.benchmark), arch, **self._filters(epoch))

    def _filters(self, epoch: int) -> dict[str, Any]:
        return {
            "num_epochs": self.num_epochs,
            **self._where,
            "reduction": "mean" if self.run_seed is None else None,
            "include_intermediates": epoch != self.num_epochs,
        }

    def _row(
        self, runs: Sequence[Any], epoch: int, extra: Mapping[str, float] | None = None
    ) -> _Row | None:
        """Return metrics and cost of the selected run or the mean; None without runs."""
        first = self.goals.objectives[0].metric
        read = [(run, metrics) for run in runs if (metrics := self._figures(run, epoch))]
        usable = [one for one in read if first in one[1] or first in self._hardware] or read[:1]
        if not usable:
            return None
        run, metrics = usable[0]
        arch = self._spelled(run)
        if self.run_seed is not None:
            run, metrics = chosen_run(usable, self.run_seed, arch)
        if self._hardware:
            metrics |= self._costs_on_devices(arch).get(arch, {}) if extra is None else extra
        seconds = metrics.get("training_time", 0.0)
        if self.evaluation_time:
            seconds += metrics.get(f"{first.rpartition('_')[0]}_evaluation_time", 0.0)
        return _Row(metrics, seconds)

    def _spelled(self, run: Any) -> str:
        arch: str = getattr(run.config, self._spelled_by)
        return arch

    def _figures(self, run: Any, epoch: int) -> dict[str, float]:
        ended = {
            name: float(value)
            for name in self._recorded
            if (value := getattr(run, name, None)) is not None
        }
        if epoch == self.num_epochs:
            return ended
        point = next((one for one in run.intermediates or () if one.current_epoch == epoch), None)
        if point is None:
            return {}
        curve = {
            name: float(value)
            for name in self._recorded
            if (value := getattr(point, name, None)) is not None
        }
        # Without times per epoch, all epochs count as equally long.
        share = ended.get("training_time", 0.0) * epoch / self.num_epochs
        sizes = {name: ended[name] for name in _KNOWN & ended.keys()}
        return {"training_time": share, **sizes, **curve}

    def _costs_on_devices(self, arch: str | None) -> dict[str, dict[str, float]]:
        items = self._bench.query(TableName("hw-nas-bench"), arch, dataset=self.dataset)
        return {
            item.config.arch_str: {
                name: float(value)
                for name in self._hardware
                if (value := getattr(item, name)) is not None
            }
            for item in items
        }

    def _larger_is_better(self, metric: str) -> bool:
        stat = self._stats.get(metric)
        return stat is not None and stat.better == "larger"

    def _checked_fidelities(self, fidelities: Sequence[int]) -> tuple[int, ...]:
        checked = checked_fidelities(fidelities)
        if checked and checked[-1] > self.num_epochs:
            raise ProblemError(f"fidelity {checked[-1]} is past the end, {self.num_epochs} epochs")
        return checked

    def _check_recorded(self) -> None:
        """Raise if no architecture has a value of an objective or bound."""
        for metric in self.goals.metrics:
            try:
                self._bench.top(
                    TableName(self.benchmark),
                    metric=metric,
                    num_epochs=self.num_epochs,
                    **self._where,
                    n=1,
                )
            except InvalidRequestError as error:
                raise ProblemError(
                    f"{self.benchmark} has no {metric} on {self.dataset} at {self.num_epochs} "
                    f"epochs ({error})"
                ) from error


class TableScore:
    """Scores architectures by a metric of a table that is known before a training.

    Args:
        problem: The problem with the table.
        setting: The metric; `-` in front prefers small values.
    """

    def __init__(self, problem: TableProblem, setting: str) -> None:
        self.setting = setting
        self._problem = problem

    def __call__(self, arch: str) -> float:
        """Return the score of an architecture; NaN if nothing is recorded."""
        metrics = self._problem.evaluate(Candidate(arch=arch)).metrics
        value = metrics.get(self.setting.removeprefix("-"), math.nan)
        return -value if self.setting.startswith("-") else value


def _checked_dataset(info: BenchmarkInfo, dataset: str | None) -> str:
    if dataset is None and len(info.datasets) == 1:
        return info.datasets[0]
    if dataset is None:
        raise ProblemError(f"say which dataset of {info.name}: {', '.join(info.datasets)}")
    check_known("data set", [str(dataset).lower()], info.datasets)
    return str(dataset).lower()
