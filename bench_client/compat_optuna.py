"""An objective for Optuna: a trial is one architecture of a benchmark.

    search = objective(BenchClient(), "nasbench201", "cifar100", 200)
    study = optuna.create_study(directions=search.directions)
    study.optimize(search, n_trials=100)

Parameters are categorical, and named by the benchmark:

* nasbench201: the operation on each edge, `0_1` to `2_3`;
* natssss: the channels of each layer, `layer_1` to `layer_5`;
* nasbench101: for seven vertices, whether there is an edge, 0 or 1, `edge_0_1` to `edge_5_6`, and
  the operation of each vertex between input and output, `op_1` to `op_5`;
* a declared table whose architectures are choices at places: the choice at each, `choice1` and on.

Needs the `optuna` extra.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from bench_client.clients import BenchClient
from bench_client.compat import Where, client_for
from bench_client.errors import InvalidRequestError
from bench_client.parts import part_named
from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.cell import MAX_VERTICES, OPERATION_NAMES
from benchmark_db.nasbench101.spelling import parse_cell
from benchmark_db.nasbench201.architecture import EDGES, OPERATIONS
from benchmark_db.natssss.architecture import CHANNELS, NUM_LAYERS
from benchmark_spec import BenchmarkSpec, Product, Stat
from benchmark_spec.published import PUBLISHED, compared_by
from missing_extra import needs

if TYPE_CHECKING:
    from optuna import Trial

__all__ = ["Objective", "objective"]


class _Space(NamedTuple):
    """How the architectures of a benchmark are suggested, and how they are asked about.

    Attributes:
        choices: What each parameter may be, by its name.
        architecture: Makes a spelling of an architecture of the parameters.
        query: The client's question for the former.
        query_curves: Its question for the latter.
    """

    choices: Mapping[str, Sequence[Any]]
    architecture: Callable[[Mapping[str, Any]], Any]
    query: Callable[..., Sequence[Any]]
    query_curves: Callable[..., Sequence[Any]]


def _cell(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cell of seven vertices.

    Raises:
        InvalidArchitectureError: It is outside the space.
    """
    module = {
        "module_adjacency": [
            [parameters.get(f"edge_{source}_{target}", 0) for target in range(MAX_VERTICES)]
            for source in range(MAX_VERTICES)
        ],
        "module_operations": [
            "input",
            *(parameters[f"op_{vertex}"] for vertex in range(1, MAX_VERTICES - 1)),
            "output",
        ],
    }
    parse_cell(module)
    return module


_SPACES: Final[Mapping[str, _Space]] = MappingProxyType(
    {
        "nasbench101": _Space(
            choices={
                **{f"edge_{i}_{j}": (0, 1) for i, j in combinations(range(MAX_VERTICES), 2)},
                **{f"op_{vertex}": OPERATION_NAMES for vertex in range(1, MAX_VERTICES - 1)},
            },
            architecture=_cell,
            query=BenchClient.query_nb101,
            query_curves=BenchClient.curves_nb101,
        ),
        "nasbench201": _Space(
            choices=dict.fromkeys(EDGES, OPERATIONS),
            architecture=dict,
            query=BenchClient.query_nb201,
            query_curves=BenchClient.curves_nb201,
        ),
        "natssss": _Space(
            choices={f"layer_{layer}": CHANNELS for layer in range(1, NUM_LAYERS + 1)},
            architecture=lambda parameters: list(parameters.values()),
            query=BenchClient.query_natssss,
            query_curves=BenchClient.curves_natssss,
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What `objective` returns: called with a trial, it suggests, evaluates and tells.

    Attributes:
        benchmark: The benchmark.
        metrics: What is sought, in the order of the values.
        choices: What each parameter may be.
        report: Whether the learning curve is told to the pruner.
    """

    benchmark: str
    metrics: tuple[str, ...]
    choices: Mapping[str, Sequence[Any]]
    report: bool
    _bench: BenchClient = field(repr=False)
    _table: str | None = field(repr=False)
    """The description of a declared table, as text: an objective can be pickled."""
    _maximized: frozenset[str] = field(repr=False)
    _filters: tuple[Any, ...] = field(repr=False)
    _pruned: type[Exception] = field(repr=False)

    @property
    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """For `optuna.create_study`: `maximize` or `minimize` for each metric."""
        return ["maximize" if metric in self._maximized else "minimize" for metric in self.metrics]

    def __call__(self, trial: Trial) -> float | tuple[float, ...]:
        """Return the metric, or the metrics, of the architecture that a trial stands for.

        User attributes of the trial: `arch`, the architecture as the service writes it;
        `training_time`, the seconds of training that the trial stands for; `pruned_because`, where
        no training was looked at.

        Raises:
            optuna.TrialPruned: The architecture is outside the space, the installed data has no
                runs of it, or the pruner stops it.
            InvalidRequestError: A metric is not recorded for the architecture.
            BenchError: As `BenchClient`.
        """
        arch = self._suggested(trial)
        found = self._space.query(self._bench, arch, *self._filters, reduction="mean")
        if not found:
            raise self._given_up(trial, "the installed data has no runs of it")
        (mean,) = found
        trial.set_user_attr("arch", getattr(mean.config, "arch_str", mean.config.arch))
        if self.report:
            self._tell(trial, arch, mean)
        trial.set_user_attr("training_time", getattr(mean, "training_time", None))
        first, *others = (self._value(metric, mean) for metric in self.metrics)
        return (first, *others) if others else first

    @property
    def _space(self) -> _Space:
        return _SPACES[self.benchmark] if self._table is None else _space_told(self._table)

    def _suggested(self, trial: Trial) -> Any:
        parameters = {
            name: trial.suggest_categorical(name, choices) for name, choices in self.choices.items()
        }
        try:
            return self._space.architecture(parameters)
        except InvalidArchitectureError as error:
            raise self._given_up(trial, str(error)) from error

    def _given_up(self, trial: Trial, reason: str) -> Exception:
        trial.set_user_attr("pruned_because", reason)
        return self._pruned(reason)

    def _tell(self, trial: Trial, arch: Any, mean: Any) -> None:
        """Report the learning curve, as far as the pruner wants to see it."""
        (metric,) = self.metrics
        (curves,) = self._space.query_curves(self._bench, arch, *self._filters, reduction="mean")
        for place, (epoch, value) in enumerate(
            zip(curves.current_epoch, getattr(curves, metric), strict=True)
        ):
            if value is None:
                continue
            trial.report(value, epoch)
            if trial.should_prune():
                trial.set_user_attr("training_time", _time_until(place, curves, mean))
                raise self._pruned(f"stopped after epoch {epoch}")

    def _value(self, metric: str, mean: Any) -> float:
        value: float | None
        if metric in type(mean).model_fields:
            value = getattr(mean, metric)
        else:
            (cost,) = self._bench.hardware_nb201(mean.config.index, mean.config.dataset)
            value = getattr(cost, metric)
        if value is None:
            raise InvalidRequestError(f"{metric} is not recorded for {mean.config!r}")
        return value


def objective(
    client: Where,
    benchmark: str,
    dataset: str | None,
    num_epochs: int | None,
    metric: str | Sequence[str] = "valid_acc",
    *,
    report: bool = False,
    choices: Mapping[str, Sequence[Any]] = MappingProxyType({}),
    **part: Any,
) -> Objective:
    """Return an objective for `optuna.study.Study.optimize`.

    Values are means over the recorded runs of an architecture. Its `directions` are for
    `optuna.create_study`.

    Args:
        client: Whom to ask: a client, the address of a service, a folder of databases, or None for
            `BenchClient()`.
        benchmark: `nasbench101`, `nasbench201`, `natssss`, or a declared table.
        dataset: The data set; None for nasbench101, which has one, and where a table has no such
            axis.
        num_epochs: The training budget, in epochs; None where a table has no such axis.
        metric: What is sought: any number that runs record, or for nasbench201 a cost of
            HW-NAS-Bench; several for a study of several objectives. Accuracies are maximized,
            losses, sizes and times minimized.
        report: Whether to report the learning curve of the metric, an epoch at a time, and to stop
            where the pruner says so; of one metric that has a curve.
        choices: Fewer choices for some parameters, by name.
        part: Values of other axes of a declared table.

    Raises:
        InvalidRequestError: There is no such benchmark, data set, budget, metric, parameter or
            choice.
        BenchmarkNotInstalledError: The benchmark is not installed.
        ImportError: Optuna is not installed.
    """
    metrics = (metric,) if isinstance(metric, str) else tuple(metric)
    named = {"dataset": dataset, "num_epochs": num_epochs}
    bench: BenchClient | None = None
    filters: tuple[Any, ...] = ()
    if benchmark in PUBLISHED:
        spec, stats = PUBLISHED[benchmark], compared_by(benchmark)
    else:
        bench = client_for(client)
        spec = _described(bench, benchmark)
        axes = {name: value for name, value in named.items() if value is not None}
        chosen = part_named(spec, {**axes, **part})
        filters = tuple(chosen.values())
        stats = {s.name: replace(s, better=s.better_within(chosen)) for s in spec.stats}
    space = _SPACES[benchmark] if benchmark in _SPACES else _space_of(spec)
    _check_metrics(spec, stats, metrics, report=report)
    if bench is None:
        bench = client_for(client)
        _check_data(bench, benchmark, dataset, num_epochs, part)
        filters = (num_epochs,) if spec.implied("dataset") else (num_epochs, dataset)
    return Objective(
        benchmark=benchmark,
        metrics=metrics,
        choices=_narrowed(space.choices, choices),
        report=report,
        _bench=bench,
        _table=None if benchmark in _SPACES else spec.text,
        _maximized=frozenset(name for name in metrics if stats[name].better == "larger"),
        _filters=filters,
        _pruned=_trial_pruned(),
    )


def _described(bench: BenchClient, benchmark: str) -> BenchmarkSpec:
    """Return the description of a declared table."""
    found = bench.benchmark(benchmark).spec
    if found is None:
        raise _no_objective(benchmark, "it is no table of runs")
    return BenchmarkSpec.of_json(found)


@lru_cache(maxsize=32)
def _space_told(described: str) -> _Space:
    """Return how the architectures of a declared table are suggested, by its description."""
    return _space_of(BenchmarkSpec.of_text(described))


def _space_of(spec: BenchmarkSpec) -> _Space:
    """Return how the architectures of a declared table are suggested."""
    if not isinstance(spec.space, Product):
        raise _no_objective(spec.name, "its architectures are no choices at places of their own")

    def query(bench: BenchClient, arch: Any, *filters: Any, reduction: Any) -> Sequence[Any]:
        reduced = {} if spec.label is None else {"reduction": reduction}
        return bench.query(spec.name, arch, *filters, **reduced)

    return _Space(
        choices={f"choice{place}": names for place, names in enumerate(spec.space.places, 1)},
        architecture=lambda parameters: list(parameters.values()),
        query=query,
        query_curves=query,
    )


def _no_objective(benchmark: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"no objective for benchmark {benchmark!r:.80}: {reason}; there are for "
        f"{', '.join(_SPACES)}, and declared tables of choices at places"
    )


def _check_metrics(
    spec: BenchmarkSpec, known: Mapping[str, Stat], metrics: Sequence[str], *, report: bool
) -> None:
    unknown = [metric for metric in metrics if metric not in known]
    if unknown or not metrics:
        raise InvalidRequestError(
            f"metric {', '.join(map(repr, unknown)) or 'missing'}; known are "
            f"{', '.join(sorted(known))}"
        )
    curves = [curve.name for curve in spec.curves]
    if report and (len(metrics) > 1 or metrics[0] not in curves):
        raise InvalidRequestError(
            f"report wants one metric with a curve, not {', '.join(metrics)}; curves have "
            f"{', '.join(sorted(curves)) or f'none of {spec.name}'}"
        )


def _check_data(
    bench: BenchClient,
    benchmark: str,
    dataset: str | None,
    num_epochs: int | None,
    part: Mapping[str, Any],
) -> None:
    for name in part:
        raise InvalidRequestError(f"{benchmark} has no axis {name!r:.80}: dataset and num_epochs")
    info = bench.benchmark(benchmark)
    if num_epochs not in info.budgets:
        raise InvalidRequestError(f"num_epochs {num_epochs!r:.80} is none of {info.budgets}")
    several = len(info.datasets) > 1
    if several if dataset is None else dataset.lower() not in info.datasets:
        raise InvalidRequestError(f"dataset {dataset!r:.80} is none of {info.datasets}")


def _narrowed(
    every: Mapping[str, Sequence[Any]], fewer: Mapping[str, Sequence[Any]]
) -> dict[str, Sequence[Any]]:
    for name, choices in fewer.items():
        known = every.get(name, ())
        if not choices or not set(choices) <= set(known):
            raise InvalidRequestError(
                f"choices of {name!r:.80} are {choices!r:.80}, not some of {list(known)}"
                if known
                else f"there is no parameter {name!r:.80}; there are {', '.join(every)}"
            )
    return {**every, **fewer}


def _time_until(place: int, curves: Any, mean: Any) -> float | None:
    """Return the seconds of training up to a place in the curves."""
    seconds: float | None
    if hasattr(curves, "training_time"):
        seconds = curves.training_time[place]
        return seconds
    seconds = mean.training_time
    return (
        None if seconds is None else seconds * curves.current_epoch[place] / mean.config.num_epochs
    )


def _trial_pruned() -> type[Exception]:
    with needs("optuna", "an objective"):
        # Not at the top: the module can be imported, and its errors read, without it.
        from optuna import TrialPruned  # noqa: PLC0415
    return TrialPruned
