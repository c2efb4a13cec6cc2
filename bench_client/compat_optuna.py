"""Objective for Optuna, in which a trial evaluates one architecture of a benchmark.

    search = objective(BenchClient(), "nasbench201", "cifar100", 200)
    study = optuna.create_study(directions=search.directions)
    study.optimize(search, n_trials=100)

Parameters are categorical; their names depend on the benchmark:

* NAS-Bench-201: the operation on each edge, `0_1` to `2_3`;
* the size space of NATS-Bench: the channels of each layer, `layer_1` to `layer_5`;
* NAS-Bench-101: for seven vertices, whether there is an edge, 0 or 1, `edge_0_1` to `edge_5_6`, and
  the operation of each vertex between input and output, `op_1` to `op_5`;
* a declared table whose architectures are sequences of choices: `choice1`, `choice2`, ….

The `optuna` extra is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from bench_client.clients import BenchClient
from bench_client.compat import Where, client_for
from bench_client.errors import InvalidRequestError
from bench_client.parts import part_named
from bench_client.table_version import TableName
from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.cell import MAX_VERTICES
from benchmark_db.nasbench101.spelling import parse_cell
from benchmark_spec import BenchmarkSpec, Coded, Product, Stat
from benchmark_spec.published import PUBLISHED, compared_by
from missing_extra import needs

if TYPE_CHECKING:
    from optuna import Trial

__all__ = ["Objective", "objective"]


def _cell(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cell of seven vertices for parameters.

    Raises:
        InvalidArchitectureError: The cell is outside the space.
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


_CODED: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = MappingProxyType(
    {"nasbench101": _cell}
)
"""By benchmark, the function that makes an architecture of parameters which need not be valid."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Objective function for Optuna, as returned by `objective`.

    Attributes:
        benchmark: Name of the benchmark.
        metrics: Objectives, in the order of the returned values.
        choices: Choices of each parameter.
        report: Whether the learning curve is reported to the pruner.
    """

    benchmark: str
    metrics: tuple[str, ...]
    choices: Mapping[str, Sequence[Any]]
    report: bool
    _bench: BenchClient = field(repr=False)
    _spec_text: str = field(repr=False)
    """Description of the benchmark, as text so that an objective can be pickled."""
    _maximized: frozenset[str] = field(repr=False)
    _part: Mapping[str, Any] = field(repr=False)
    _pruned: type[Exception] = field(repr=False)

    @property
    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """`maximize` or `minimize` for each metric, for `optuna.create_study`."""
        return ["maximize" if metric in self._maximized else "minimize" for metric in self.metrics]

    def __call__(self, trial: Trial) -> float | tuple[float, ...]:
        """Suggest parameters and return the metric, or the metrics, of their architecture.

        User attributes of the trial: `arch`, the architecture in the service's spelling;
        `training_time`, the simulated training time in seconds; `pruned_because`, the reason if no
        run was evaluated.

        Raises:
            optuna.TrialPruned: The architecture is outside the space, the installed data has no
                runs of it, or the pruner stops the trial.
            InvalidRequestError: A metric is not recorded for the architecture.
            BenchError: As `BenchClient`.
        """
        arch = self._suggested(trial)
        reduced: Any = {} if self._spec.label is None else {"reduction": "mean"}
        found = self._bench.query(TableName(self.benchmark), arch, **self._part, **reduced)
        if not found:
            raise self._given_up(trial, "the installed data has no runs of this architecture")
        (mean,) = found
        trial.set_user_attr("arch", getattr(mean.config, "arch_str", mean.config.arch))
        if self.report:
            self._report_curve(trial, arch, mean)
        trial.set_user_attr("training_time", getattr(mean, "training_time", None))
        first, *others = (self._value(metric, mean) for metric in self.metrics)
        return (first, *others) if others else first

    @property
    def _spec(self) -> BenchmarkSpec:
        return _spec_of_text(self._spec_text)

    def _suggested(self, trial: Trial) -> Any:
        parameters = {
            name: trial.suggest_categorical(name, choices) for name, choices in self.choices.items()
        }
        try:
            return _architecture(self._spec, parameters)
        except InvalidArchitectureError as error:
            raise self._given_up(trial, str(error)) from error

    def _given_up(self, trial: Trial, reason: str) -> Exception:
        trial.set_user_attr("pruned_because", reason)
        return self._pruned(reason)

    def _report_curve(self, trial: Trial, arch: Any, mean: Any) -> None:
        """Report the learning curve epoch by epoch, until the pruner stops the trial."""
        (metric,) = self.metrics
        (curves,) = self._bench.curves(
            TableName(self.benchmark), arch, **self._part, reduction="mean"
        )
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

    Values are means over the recorded runs of an architecture. Pass the objective's `directions` to
    `optuna.create_study`.

    Args:
        client: A client, the address of a service, a folder of databases, or None for
            `BenchClient()`.
        benchmark: A benchmark or declared table whose architectures are choices.
        dataset: The data set; None if there is only one or the table has no such axis.
        num_epochs: Training budget, in epochs; None if there is only one or no such axis.
        metric: Objective: any number that runs record, or for nasbench201 a cost of HW-NAS-Bench;
            a sequence for multi-objective studies. Accuracies are maximized, losses, sizes and
            times minimized.
        report: Whether to report the learning curve epoch by epoch, and to stop when the pruner
            says so; needs a single metric that has a curve.
        choices: Restricted choices of some parameters, by name.
        part: Values of other axes of a declared table.

    Raises:
        InvalidRequestError: The benchmark, data set, budget, metric, parameter or choice is
            unknown.
        BenchmarkNotInstalledError: The benchmark is not installed.
        ImportError: Optuna is not installed.
    """
    metrics = (metric,) if isinstance(metric, str) else tuple(metric)
    bench = client_for(client)
    spec = _described(bench, benchmark)
    every = _choices(spec)
    named = {"dataset": dataset, "num_epochs": num_epochs}
    chosen = part_named(spec, {**{n: v for n, v in named.items() if v is not None}, **part})
    compared = compared_by(benchmark) if benchmark in PUBLISHED else {s.name: s for s in spec.stats}
    better = {stat.name: stat.better_within(chosen) for stat in compared.values()}
    _check_metrics(spec, compared, metrics, report=report)
    return Objective(
        benchmark=benchmark,
        metrics=metrics,
        choices=_narrowed(every, choices),
        report=report,
        _bench=bench,
        _spec_text=spec.text,
        _maximized=frozenset(name for name in metrics if better[name] == "larger"),
        _part={name: value for name, value in chosen.items() if not spec.implied(name)},
        _pruned=_trial_pruned(),
    )


def _described(bench: BenchClient, benchmark: str) -> BenchmarkSpec:
    """Return the description of an installed benchmark or table that can be searched."""
    published = PUBLISHED.get(benchmark)
    if published is not None:
        _choices(published)
    found = bench.benchmark(benchmark).spec
    if published is None and found is None:
        raise _no_objective(benchmark, "it has no runs")
    return published or BenchmarkSpec.of_json(found)


@lru_cache(maxsize=32)
def _spec_of_text(described: str) -> BenchmarkSpec:
    return BenchmarkSpec.of_text(described)


def _choices(spec: BenchmarkSpec) -> Mapping[str, Sequence[Any]]:
    """Return the choices of each parameter, by name."""
    space = spec.space
    if isinstance(space, Product):
        return {f"choice{place}": names for place, names in enumerate(space.places, 1)}
    if isinstance(space, Coded) and (space.template is not None or spec.name in _CODED):
        return space.choices
    raise _no_objective(spec.name, "its architectures are not sequences of independent choices")


def _architecture(spec: BenchmarkSpec, parameters: Mapping[str, Any]) -> Any:
    """Return a spelling of the architecture of parameters.

    Raises:
        InvalidArchitectureError: The architecture is outside the space.
    """
    values = list(parameters.values())
    if not isinstance(spec.space, Coded):
        return values
    if spec.space.template is not None:
        return spec.space.spell(values)
    return _CODED[spec.name](parameters)


def _no_objective(benchmark: str, reason: str) -> InvalidRequestError:
    known = [
        spec.name
        for spec in PUBLISHED.values()
        if isinstance(spec.space, Coded) and spec.space.choices
    ]
    return InvalidRequestError(
        f"no objective for benchmark {benchmark!r:.80}: {reason}; supported are "
        f"{', '.join(known)}, and declared tables whose architectures are sequences of choices"
    )


def _check_metrics(
    spec: BenchmarkSpec, known: Mapping[str, Stat], metrics: Sequence[str], *, report: bool
) -> None:
    unknown = [metric for metric in metrics if metric not in known]
    if unknown or not metrics:
        raise InvalidRequestError(
            f"unknown metric {', '.join(map(repr, unknown))}; known are {', '.join(sorted(known))}"
            if unknown
            else f"metric is missing; known are {', '.join(sorted(known))}"
        )
    curves = [curve.name for curve in spec.curves]
    if report and (len(metrics) > 1 or metrics[0] not in curves):
        raise InvalidRequestError(
            f"report needs one metric with a curve, not {', '.join(metrics)}; metrics of "
            f"{spec.name} with a curve: {', '.join(sorted(curves)) or 'none'}"
        )


def _narrowed(
    every: Mapping[str, Sequence[Any]], fewer: Mapping[str, Sequence[Any]]
) -> dict[str, Sequence[Any]]:
    for name, choices in fewer.items():
        known = every.get(name, ())
        if not choices or not set(choices) <= set(known):
            raise InvalidRequestError(
                f"choices of {name!r:.80} are {choices!r:.80}, not a subset of {list(known)}"
                if known
                else f"there is no parameter {name!r:.80}; known are {', '.join(every)}"
            )
    return {**every, **fewer}


def _time_until(place: int, curves: Any, mean: Any) -> float | None:
    """Return the training time up to a position in the curves, in seconds."""
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
        # Imported here so that this module can be imported without Optuna.
        from optuna import TrialPruned  # noqa: PLC0415
    return TrialPruned
