"""Wire models of a benchmark, as its description says what they have.

Some benchmarks have models written by hand, for editors and type checkers
(`bench_client.written`). Those of all others are made here from their descriptions: with the same
fields, units and documentation, and no name to import.
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
_TRAINED: Final = "What was trained."
_RUNS: Final = "How many runs the item stands for; 1 unless reduced."


_Base = TypeVar("_Base", bound=WireModel)


@dataclass(frozen=True, kw_only=True)
class TableModels:
    """The models of a benchmark.

    Attributes:
        spec: Its description.
        config: What was trained.
        stats: What a run recorded.
        architecture: Every name of an architecture.
        epoch: What a run recorded at an epoch; None where it has no curves.
        curves: The curves of a run in columns; None likewise.
        distribution: The answer about distributions, of a benchmark that has one of its own.
        version: The one that is asked; None: that which is served.
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
        """How questions name the table: `digits`, or `digits@3`."""
        return self.spec.name if self.version is None else f"{self.spec.name}@{self.version}"

    @cached_property
    def filters(self) -> Mapping[str, str]:
        """What tells its runs apart beside the architecture, in order: `integer` or `text`."""
        label = {} if self.spec.label is None else {self.spec.label.name: "integer"}
        return {axis.name: axis.kind for axis in self.spec.axes if not axis.implied} | label


def models_of(spec: BenchmarkSpec) -> TableModels:
    """Return new models of a table: a caller keeps them."""
    title = camel_case(spec.name)
    names = {field.name: _named(field) for field in spec.declared_space.fields}
    axes = {axis.name: _of_axis(axis) for axis in spec.axes}
    config = _model(
        f"{title}Config", "What was trained, on what.", {**names, **axes}, base=NetworkModel
    )
    architecture = _model(
        f"{title}Architecture", "Every name of an architecture.", names, base=NetworkModel
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
    told = "What a run recorded, or several reduced to one."
    recorded = _model(f"{title}Stats", told, whole, base=WireModel)
    return TableModels(spec=spec, config=config, stats=recorded, architecture=architecture)


def camel_case(name: str) -> str:
    """Return the name of a table as the beginning of a class's."""
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
