"""Make the static types of the questions about benchmarks: `python -m bench_client.stubs`.

The methods in `questions` are written once for all benchmarks, and take any filter. Editors and
type checkers are told more: `choices.py` has the names that each benchmark knows, and
`questions.pyi` what each method takes and returns for each of them, one overload a benchmark. Both
are made from the descriptions of the benchmarks and from the signatures of the methods; a test says
when they are out of date.
"""

from __future__ import annotations

import builtins
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Final

from bench_client import by_name, explorer, export, models, oracle, questions
from bench_client.models.described import camel_case
from bench_client.written import Written, written
from benchmark_spec import Axis, BenchmarkSpec, Like, Listed
from benchmark_spec.declaration import read_declaration, shipped_declarations
from benchmark_spec.published import PUBLISHED

__all__ = ["made_files", "main"]

_FOLDER: Final = Path(__file__).parent
_MADE: Final = "Made by `python -m bench_client.stubs` from the descriptions of the benchmarks."
_WIDTH: Final = 100
_COMMON: Final = ("dataset", "num_epochs")
"""Axes that methods name in their signatures."""
_METRICS: Final = frozenset({"metric", "x", "y"})
_ENDS: Final = ("x_from", "x_to", "y_from", "y_to")
_NO_FILTERS: Final = frozenset({"reduction", "include_intermediates", "sort", "limit"})
_CHARGED: Final = "training_time"
_STARS: Final[Mapping[Any, str]] = {
    inspect.Parameter.VAR_KEYWORD: "**",
    inspect.Parameter.VAR_POSITIONAL: "*",
}


@dataclass(frozen=True)
class _Known:
    """A benchmark that comes with the program, as types name it."""

    spec: BenchmarkSpec
    joined: tuple[BenchmarkSpec, ...]

    @cached_property
    def by_hand(self) -> Written | None:
        return written(self.spec.name)

    @cached_property
    def prefix(self) -> str:
        """What the names of its types begin with: that of its classes, if it has some."""
        if self.by_hand is None or self.by_hand.query_many is None:
            return camel_case(self.spec.name)
        return self.by_hand.models.config.__name__.removesuffix("Config")

    @property
    def has_runs(self) -> bool:
        return self.by_hand is None or self.by_hand.query_many is not None

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Those that questions name."""
        return tuple(axis for axis in self.spec.axes if not axis.implied)

    @cached_property
    def statistics(self) -> list[str]:
        return [stat.name for stat in self.spec.stats]

    @cached_property
    def metrics(self) -> list[str]:
        """Its statistics, and those of the tables that are joined to it, by their names there."""
        names = list(self.statistics)
        for spec in self.joined:
            others = [axis.values for axis in spec.axes if axis.name not in _COMMON]
            prefix = () if spec.name in PUBLISHED else (spec.name,)
            names += [
                ".".join((*prefix, stat.name, *map(str, values)))
                for stat in spec.stats
                for values in product(*others)
            ]
        return names

    @property
    def statistic(self) -> str:
        return f"{self.prefix}Statistic" if self.joined else f"{self.prefix}Metric"

    def class_of(self, kind: str) -> str:
        """Return the name of a class of its answers; `Any` where they have no name to import."""
        found = None if self.by_hand is None else getattr(self.by_hand.models, kind)
        return "Any" if found is None else str(found.__name__)

    def axis_type(self, axis: Axis) -> str:
        return f"{self.prefix}{_camel(axis.name)}" if axis.kind == "text" else "int"

    def answers(self, topic: str) -> bool:
        """Tell whether it answers a question about candidates."""
        listed = isinstance(self.spec.space, Listed)
        return (
            self.has_runs
            and topic not in self.spec.not_answered
            and not (topic in {"neighbors", "picture"} and listed)
        )


def _benchmarks() -> list[_Known]:
    declared = [read_declaration(path).spec for path in shipped_declarations().values()]
    specs = [*PUBLISHED.values(), *declared]
    return [
        _Known(
            spec,
            tuple(
                other
                for other in specs
                if isinstance(other.space, Like) and other.space.benchmark == spec.name
            ),
        )
        for spec in specs
    ]


def _camel(name: str) -> str:
    return camel_case(name.replace("_", "-"))


# choices.py


def _choices(known: Iterable[_Known]) -> str:
    aliases: dict[str, list[str]] = {}
    for one in known:
        for axis in one.spec.axes:
            if axis.kind == "text":
                aliases[one.axis_type(axis) if axis in one.axes else f"{one.prefix}Dataset"] = [
                    *map(str, axis.values),
                    *axis.same_as,
                ]
        if one.has_runs:
            aliases[f"{one.prefix}Metric"] = one.metrics
        if one.joined:
            aliases[one.statistic] = one.statistics
    listed = "\n".join(f'    "{name}",' for name in sorted(aliases))
    head = (
        f'"""The names that each benchmark knows: data sets, metrics and the like, as types.\n\n'
        f'{_MADE}\n"""\n\nfrom __future__ import annotations\n\n'
        f"from typing import Literal, TypeAlias\n\n__all__ = [\n{listed}\n]\n\n"
    )
    return head + "\n".join(_alias(name, values) for name, values in aliases.items())


def _literal(values: Iterable[str]) -> str:
    quoted = ", ".join(f'"{value}"' for value in values)
    return f"Literal[{quoted}]"


def _alias(name: str, values: Iterable[str]) -> str:
    short = f"{name}: TypeAlias = {_literal(values)}\n"
    if len(short) <= _WIDTH + 1:
        return short
    listed = "".join(f'    "{value}",\n' for value in values)
    return f"{name}: TypeAlias = Literal[\n{listed}]\n"


# questions.pyi


def _dictionaries(one: _Known) -> Iterator[str]:
    """Yield the classes of the arguments that a benchmark takes by name."""
    filters = {axis.name: f"{one.axis_type(axis)} | None" for axis in one.axes}
    base = "TypedDict"
    if one.has_runs:
        yield _dictionary(f"{one.prefix}Part", base, filters)
        bounds = {
            f"{side}_{name}": "float | None"
            for name in one.metrics
            if name.isidentifier()
            for side in ("min", "max")
        }
        yield _dictionary(f"{one.prefix}Within", f"{one.prefix}Part", bounds)
        other = {f"y_{name}": kind for name, kind in filters.items()}
        yield _dictionary(f"{one.prefix}Both", f"{one.prefix}Within", other)
        ends = dict.fromkeys(_ENDS, "float | None")
        yield _dictionary(f"{one.prefix}Grid", f"{one.prefix}Both", ends)
    asked = _query_of(one, "query")
    given = {
        name: parameter.annotation
        for name, parameter in asked.items()
        if name not in _NO_FILTERS and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    more = [one for one in asked.values() if one.kind is inspect.Parameter.VAR_KEYWORD]
    bases = [_inside(parameter.annotation) for parameter in more] or ["TypedDict"]
    yield _dictionary(f"{one.prefix}Filters", bases[0], given)


def _dictionary(name: str, base: str, fields: Mapping[str, str]) -> str:
    lines = [f"    {field}: {kind}" for field, kind in fields.items()] or ["    pass"]
    return "\n".join([f"class {name}({base}, total=False):", *lines])


def _inside(annotation: str) -> str:
    """Return what stands between the outermost brackets."""
    return annotation[annotation.index("[") + 1 : -1]


@dataclass(frozen=True)
class _Method:
    """A method, and how a benchmark changes its signature.

    Attributes:
        made_of: The function that has signature and documentation.
        more: End of the name of the class of what it takes by name: what is in place of `**more`.
        answer: Which class is in place of `Any` in what it returns.
        query: The question of the benchmark whose arguments it takes, if it is one.
        feature: Whether a feature of architectures stands for a metric.
    """

    made_of: Callable[..., Any]
    more: str = ""
    answer: str = ""
    query: str = ""
    feature: bool = False


_METHODS: Final[Mapping[str, _Method]] = {
    "query": _Method(by_name.query, query="query"),
    "query_many": _Method(by_name.query_many, query="query_many"),
    "curves": _Method(by_name.curves, query="curves"),
    "describe": _Method(by_name.describe, query="describe"),
    "top": _Method(oracle.top, more="Within", answer="config"),
    "pareto": _Method(oracle.pareto, more="Within", answer="config"),
    "rank": _Method(oracle.rank, more="Part", answer="config"),
    "correlation": _Method(oracle.correlation, more="Both"),
    "distribution": _Method(oracle.distribution, more="Within", answer="distribution"),
    "random": _Method(oracle.random, answer="architecture"),
    "neighbors": _Method(oracle.neighbors, answer="architecture"),
    "columns": _Method(explorer.columns, more="Part"),
    "column": _Method(explorer.column, more="Part", feature=True),
    "density": _Method(explorer.density, more="Grid"),
    "picture": _Method(explorer.picture),
    "spellings": _Method(explorer.spellings, more="Part"),
    "export": _Method(export.export, more="Filters"),
    "export_to": _Method(export.export_to, more="Filters"),
    "simulate": _Method(questions.BlockingQuestions.simulate),
}


def _query_of(one: _Known, question: str) -> dict[str, inspect.Parameter]:
    """Return what the question of a benchmark takes, by name."""
    if one.by_hand is not None:
        find = getattr(one.by_hand, question)
        return {} if find is None else dict(inspect.signature(find()).parameters)
    kinds = {axis.name: f"{one.axis_type(axis)} | None" for axis in one.axes}
    if one.spec.label is not None:
        kinds[one.spec.label.name] = "int | None"
    by_place, by_keyword = (
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    optional = {
        name: inspect.Parameter(name, by_place, default=None, annotation=kind)
        for name, kind in kinds.items()
    }
    many, only = question == "query_many", question == "describe"
    first = inspect.Parameter(
        "archs" if many else "arch",
        by_place,
        default=inspect.Parameter.empty if many or only else None,
        annotation="Iterable[Any]" if many else "Any",
    )
    if only:
        return {first.name: first}
    reduced = inspect.Parameter(
        "reduction", by_keyword, default=None, annotation="Reduction | None"
    )
    return {first.name: first, **optional, reduced.name: reduced}


def _overload(one: _Known, name: str, method: _Method) -> tuple[list[str], str] | None:
    """Return what a method takes beside the benchmark, and returns; None: it does not answer."""
    if method.query:
        return _of_query(one, method.query)
    if method.more != "Filters" and not one.answers(name):
        return None
    signature = inspect.signature(method.made_of)
    if name == "simulate":
        return _of_simulate(one, signature)
    taken = dict(signature.parameters)
    more = [key for key, value in taken.items() if value.kind is inspect.Parameter.VAR_KEYWORD]
    for key in (*_COMMON, *more) if more else ():
        taken.pop(key, None)
    for key in _METRICS & taken.keys():
        kind = f"{one.prefix}Metric{' | str' * method.feature}"
        if name == "distribution" and one.by_hand and one.by_hand.models.distribution:
            kind = f"{kind} | NdsError"
        taken[key] = taken[key].replace(annotation=kind)
    returned = _inside(signature.return_annotation)
    if method.answer:
        returned = returned.replace("Any", _answer_class(one, method.answer))
    written_out = _parameters(taken.values())
    if more:
        written_out.append(f"**{more[0]}: Unpack[{one.prefix}{method.more}]")
    return written_out, returned


def _answer_class(one: _Known, kind: str) -> str:
    if kind == "distribution":
        found = one.by_hand and one.by_hand.models.distribution
        return "NdsDistribution" if found else "Distribution"
    return one.class_of(kind)


def _of_query(one: _Known, question: str) -> tuple[list[str], str] | None:
    if one.by_hand is None:
        returns = {"query": "Items[Any]", "query_many": "Batch[Any]", "describe": "Any"}
        if question not in returns:
            return None
        return _parameters(_query_of(one, question).values()), returns[question]
    find = getattr(one.by_hand, question)
    if find is None:
        return None
    signature = inspect.signature(find())
    return _parameters(signature.parameters.values()), _inside(signature.return_annotation)


def _of_simulate(one: _Known, signature: inspect.Signature) -> tuple[list[str], str] | None:
    if _CHARGED not in one.statistics:
        return None
    taken = dict(signature.parameters)
    kind = f"{one.prefix}Dataset | None"
    taken["dataset"] = taken["dataset"].replace(annotation=kind)
    taken["metric"] = taken["metric"].replace(annotation=f"{one.statistic} | None")
    del taken["self"], taken["part"]
    return _parameters(taken.values()), signature.return_annotation


def _parameters(taken: Iterable[inspect.Parameter]) -> list[str]:
    """Return parameters as source text, without the benchmark, which is first."""
    found: list[str] = []
    for parameter in taken:
        if parameter.name in {"benchmark", "self"}:
            continue
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and "*" not in found:
            found.append("*")
        text = f"{_STARS.get(parameter.kind, '')}{parameter.name}: {parameter.annotation}"
        required = parameter.default is inspect.Parameter.empty
        found.append(text if required else f"{text} = {parameter.default!r}")
    return found


def _class(name: str, known: list[_Known], *, awaited: bool) -> str:
    lines = [f"class {name}:"]
    for method_name, method in _METHODS.items():
        signature = inspect.signature(method.made_of)
        overloads: dict[tuple[tuple[str, ...], str], list[str]] = {}
        for one in known:
            found = _overload(one, method_name, method)
            if found is not None:
                overloads.setdefault((tuple(found[0]), found[1]), []).append(one.spec.name)
        steps = signature.return_annotation
        returned = _inside(steps) if steps.startswith("Steps[") else steps
        entire = (tuple(_parameters(signature.parameters.values())), returned)
        alone = list(overloads) == [entire]
        told = [] if alone else [(_literal(names), *found) for found, names in overloads.items()]
        told.append(("str" if alone else "TableName", *entire))
        summary = (method.made_of.__doc__ or "").strip().splitlines()[0]
        for benchmark, parameters, answer in told:
            if len(told) > 1:
                lines.append("    @overload")
            is_awaited = awaited and method_name != "simulate"
            returns = answer.removeprefix("simulation.")
            if awaited and returns != answer:
                returns = f"Async{returns}"
            before = next((n for n, p in enumerate(signature.parameters) if p == "benchmark"), 0)
            before -= "self" in signature.parameters
            inner = [*parameters[:before], f"benchmark: {benchmark}", *parameters[before:]]
            start = f"    {'async ' * is_awaited}def {method_name}("
            lines += _wrapped(start, ["self", *inner], f") -> {returns}:")
            lines.append(f'        """{summary}"""')
    return "\n".join(lines)


def _wrapped(start: str, parameters: list[str], end: str) -> list[str]:
    one_line = f"{start}{', '.join(parameters)}{end}"
    if len(one_line) <= _WIDTH:
        return [one_line]
    lines, line = [start], "       "
    for parameter in parameters:
        if len(line) + len(parameter) + 2 > _WIDTH and line.strip():
            lines.append(line)
            line = "       "
        line += f" {parameter},"
    return [*lines, line, f"    {end}"]


def _imports(text: str, known: Iterable[_Known]) -> str:
    """Return the imports of the names that a text uses."""
    sources: dict[str, Iterable[str]] = {
        "bench_client.arguments": ["Reduction"],
        "bench_client.explorer": ["Svg"],
        "bench_client.export": ["Format"],
        "bench_client.frames": ["Batch", "Items"],
        "bench_client.models": models.__all__,
        "bench_client.simulation": ["AsyncSimulation", "Simulation"],
        "bench_client.table_version": ["TableName"],
        "typing": ["Any", "BinaryIO", "Literal", "TypedDict", "Unpack", "overload"],
        "collections.abc": ["Iterable", "Mapping", "Sequence"],
        "pathlib": ["Path"],
    }
    for one in known:
        if one.by_hand is not None:
            module = inspect.getmodule(one.by_hand.query())
            assert module is not None  # noqa: S101 - functions of ours are in modules
            sources.setdefault(module.__name__, module.__all__)
    used = set(re.findall(r"\b[A-Za-z_]\w*", text)) - set(dir(builtins))
    lines = ["import os"]
    for module_name, names in sources.items():
        wanted = sorted(used & set(names))
        if wanted:
            lines += _wrapped(f"from {module_name} import (", wanted, ")")
        used -= set(wanted)
    return "\n".join(lines)


def _questions(known: list[_Known]) -> str:
    dictionaries = [text for one in known for text in _dictionaries(one)]
    classes = [
        _class("BlockingQuestions", known, awaited=False),
        _class("AwaitedQuestions", known, awaited=True),
    ]
    body = "\n\n".join([*dictionaries, *classes])
    chosen = sorted(set(re.findall(r"^(\w+): TypeAlias", _choices(known), re.MULTILINE)))
    used = [name for name in chosen if re.search(rf"\b{name}\b", body)]
    choices = "\n".join(_wrapped("from bench_client.choices import (", used, ")"))
    head = f'"""What the questions take and return, by benchmark.\n\n{_MADE}\n"""\n'
    return f"{head}\n{_imports(body, known)}\n{choices}\n\n{body}\n"


def made_files() -> dict[Path, str]:
    """Return the text of each file that is made, by its path."""
    known = _benchmarks()
    return {
        _FOLDER / "choices.py": _choices(known),
        _FOLDER / "questions.pyi": _questions(known),
    }


def main() -> None:
    """Write the files."""
    for path, text in made_files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
