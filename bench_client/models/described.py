"""Wire models of declared tables, generated from their descriptions.

Some benchmarks have hand-written models for editors and type checkers (`bench_client.written`). The
models of all others are generated here with the same fields, units and documentation, but have no
name to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, create_model

from bench_client.models.answers import NetworkModel, WireModel
from bench_client.models.quantities import DERIVED, UNIT
from benchmark_spec import Axis, BenchmarkSpec, Like, Product, Stat
from benchmark_spec import Field as SpaceField

__all__ = ["TableModels", "camel_case", "models_of"]

_TYPES: Final[dict[str, Any]] = {"integer": int, "text": str, "list of text": list[str]}
_TRAINED: Final = "Trained configuration."
_RUNS: Final = "Number of runs that the item summarises; 1 unless reduced."


_Base = TypeVar("_Base", bound=WireModel)


@dataclass(frozen=True, kw_only=True)
class TableModels:
    """The wire models of a benchmark.

    Attributes:
        spec: Description of the benchmark.
        config: Trained configuration.
        stats: Final statistics of a run.
        architecture: All spellings of an architecture.
        epoch: Statistics of an epoch; None if the benchmark has no curves.
        curves: Learning curves as columns; None if the benchmark has no curves.
        distribution: Response for distributions, if the benchmark has its own.
        version: Queried version of the table; None: the one that is served.
    """

    spec: BenchmarkSpec
    config: type[NetworkModel]
    stats: type[WireModel]
    architecture: type[NetworkModel]
    epoch: type[WireModel] | None = None
    curves: type[WireModel] | None = None
    distribution: type[WireModel] | None = None
    version: int | None = None

    def __post_init__(self) -> None:
        space = self.spec.space
        name = space.benchmark if isinstance(space, Like) else self.spec.name
        self.config.benchmark = self.architecture.benchmark = name

    @property
    def name(self) -> str:
        """Name of the table in queries: `digits`, or `digits@3`."""
        return self.spec.name if self.version is None else f"{self.spec.name}@{self.version}"

    @cached_property
    def filters(self) -> Mapping[str, str]:
        """Filters besides the architecture, in order, with their types, `integer` or `text`."""
        label = {} if self.spec.label is None else {self.spec.label.name: "integer"}
        return {axis.name: axis.kind for axis in self.spec.axes if not axis.implied} | label


def models_of(spec: BenchmarkSpec) -> TableModels:
    """Generate the models of a table; callers cache them."""
    title = camel_case(spec.name)
    names = {field.name: _named(field) for field in spec.declared_space.fields}
    axes = {axis.name: _of_axis(axis) for axis in spec.axes}
    config = _model(
        f"{title}Config", "Architecture and axis values.", {**names, **axes}, base=NetworkModel
    )
    architecture = _model(
        f"{title}Architecture", "All spellings of an architecture.", names, base=NetworkModel
    )
    if isinstance(spec.declared_space, Product):
        places = {f"choice{place + 1}": place for place in range(spec.declared_space.length)}
        config.arch_columns = architecture.arch_columns = places
    label: dict[str, Any] = {}
    if spec.label is not None:
        label[spec.label.name] = (int | None, Field(description=spec.label.description))
        label["num_runs"] = (int, Field(description=_RUNS))
    stats = {stat.name: _of_stat(stat) for stat in spec.stats}
    whole = {"config": (config, Field(description=_TRAINED)), **label, **stats}
    told = "Statistics of a run, or of several reduced to one item."
    recorded = _model(f"{title}Stats", told, whole, base=WireModel)
    return TableModels(spec=spec, config=config, stats=recorded, architecture=architecture)


def camel_case(name: str) -> str:
    """Return the name of a table in camel case, as the prefix of class names."""
    return "".join(part.capitalize() for part in name.split("-"))


def _model(name: str, told: str, fields: dict[str, Any], base: type[_Base]) -> type[_Base]:
    made: type[_Base] = create_model(name, __base__=base, __doc__=told, **fields)
    return made


def _named(field: SpaceField) -> tuple[Any, Any]:
    examples = None if field.example is None else [field.example]
    return _TYPES[field.kind], Field(description=field.description, examples=examples)


def _of_axis(axis: Axis) -> tuple[Any, Any]:
    unit: dict[str, Any] = {} if axis.unit is None else {UNIT: axis.unit}
    told = f"{axis.description} One of {', '.join(map(str, axis.values[:20]))}."
    return (
        Annotated[_TYPES[axis.kind], Field(json_schema_extra=unit)],
        Field(description=told, examples=[axis.values[0]]),
    )


def _of_stat(stat: Stat) -> tuple[Any, Any]:
    extra: dict[str, Any] = {UNIT: stat.unit, **(DERIVED if stat.derived else {})}
    differing = {value: unit for units in stat.unit_by.values() for value, unit in units.items()}
    told = "".join(f" {value}: in {unit}." for value, unit in differing.items())
    return float | None, Field(
        description=f"{stat.description}{told}",
        examples=None if stat.example is None else [stat.example],
        json_schema_extra=extra,
    )
