"""Whole columns, densities and pictures of a benchmark, for plots and custom analyses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bench_client.arguments import (
    boolean,
    checked_name,
    count,
    integer,
    listed,
    number,
    plain_arch,
    plain_filters,
    refused,
    text,
)
from bench_client.errors import UnexpectedAnswerError
from bench_client.models.columns import Column, ColumnHeader, Columns, SpelledArchitecture
from bench_client.models.density import Density, DensityHeader
from bench_client.models.oracle import Found
from bench_client.models.pictures import Picture
from bench_client.operations import Question, Raw, Steps, ask

__all__ = [
    "COLUMN_HEADER",
    "DENSITY_HEADER",
    "Svg",
    "column",
    "columns",
    "density",
    "picture",
    "spellings",
]

COLUMN_HEADER: Final = "X-Column"
"""HTTP header of a column that describes its bytes, as JSON."""

DENSITY_HEADER: Final = "X-Density"
"""HTTP header of a density that describes its bytes, as JSON."""

_THEMES: Final = ("light", "dark")
_ENDS: Final = ("x_from", "x_to", "y_from", "y_to")
_MAX_PICTURE: Final = 2**20
"""Largest SVG in bytes, ten times that of a cell with a hundred nodes."""

_AT_A_TIME: Final = 500
"""Architectures per request for spellings; their numbers must fit into the URL."""


class Svg(str):
    """A picture as SVG text, which notebooks render."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        """Return the SVG for notebooks."""
        return str(self)


class _ColumnQuestion(Raw[Column]):
    @property
    def media_type(self) -> str:
        return "application/octet-stream"

    def read(self, headers: Mapping[str, str], content: bytes) -> Column:
        said = ColumnHeader.model_validate_json(headers.get(COLUMN_HEADER, ""))
        if said.metric != self.options["metric"]:
            raise ValueError(f"its metric is {said.metric!r:.80}")
        fields = {name: getattr(said, name) for name in ColumnHeader.model_fields}
        return Column(**fields, data=content)


class _DensityQuestion(Raw[Density]):
    @property
    def media_type(self) -> str:
        return "application/octet-stream"

    def read(self, headers: Mapping[str, str], content: bytes) -> Density:
        said = DensityHeader.model_validate_json(headers.get(DENSITY_HEADER, ""))
        asked = [self.options[name] for name in ("x", "y", "bins")]
        if [said.x.metric, said.y.metric, said.bins] != asked:
            raise ValueError(f"it has {said.bins} bins of {said.x.metric!r:.80}")
        fields = {name: getattr(said, name) for name in DensityHeader.model_fields}
        return Density(**fields, data=content)


class _PictureQuestion(Raw[Picture]):
    @property
    def media_type(self) -> str:
        return "image/svg+xml"

    def read(self, headers: Mapping[str, str], content: bytes) -> Picture:
        del headers
        if len(content) > _MAX_PICTURE:
            raise ValueError(f"it has {len(content)} bytes; at most {_MAX_PICTURE}")
        return Picture(svg=content.decode())


def columns(
    benchmark: str, *, dataset: str | None = None, num_epochs: int | None = None, **more: Any
) -> Steps[Columns]:
    """Return the available columns of a benchmark: its metrics, and features of architectures.

    Args:
        benchmark: Name of the benchmark.
        dataset: The data set, if the benchmark has several.
        num_epochs: The training budget in epochs, if the benchmark has several.
        more: Values of other axes; for `nds` also `model_family`, `proposer` and `generator`.

    Returns:
        The columns, and the recorded combinations of axis values. If the arguments select one
        combination, each column also states its number of missing values, its smallest and largest
        value, and its number of distinct values; otherwise these are None.

    Raises:
        InvalidRequestError: An argument is malformed or unknown, or nothing is recorded for it.
        BenchmarkNotInstalledError: The benchmark is not installed.
    """
    filters = plain_filters(dataset, num_epochs, more)
    return (yield from ask(Question("columns", Columns, checked_name(benchmark), filters)))


def column(
    benchmark: str,
    metric: str,
    *,
    dataset: str | None = None,
    num_epochs: int | None = None,
    **more: Any,
) -> Steps[Column]:
    """Return the values of a metric, or a feature such as `@op.0_1`, for all architectures.

    Columns with the same axis values are aligned: the n-th value of each belongs to the
    architecture whose number is the n-th value of the column `@number`.

        flops = bench.column("nasbench201", "flops", dataset="cifar10", num_epochs=200).to_numpy()

    Args:
        benchmark: Name of the benchmark.
        metric: Name of the column; `columns` lists them.
        dataset: As for `columns`.
        num_epochs: As for `columns`.
        more: As for `columns`.

    Returns:
        The values; those of metrics are 32-bit floats: means over the runs, NaN if not recorded.

    Raises:
        InvalidRequestError: An argument is malformed, missing or unknown.
        BenchmarkNotInstalledError: The benchmark, or the table with the metric, is not installed.
    """
    filters = plain_filters(dataset, num_epochs, more)
    name, options = checked_name(benchmark), {"metric": text("metric", metric)}
    question = _ColumnQuestion("column", Column, name, filters, options)
    return (yield from ask(question))


def density(
    benchmark: str,
    *,
    x: str,
    y: str,
    dataset: str | None = None,
    num_epochs: int | None = None,
    bins: int = 128,
    x_log: bool = False,
    y_log: bool = False,
    **more: Any,
) -> Steps[Density]:
    """Return a two-dimensional histogram of the architectures over two metrics.

    Args:
        benchmark: Name of the benchmark.
        x: Metric along the columns.
        y: Metric along the rows.
        dataset: As for `columns`.
        num_epochs: As for `columns`.
        bins: Bins per side, 8 to 512.
        x_log: Whether the bins of `x` are equally wide on a logarithmic scale.
        y_log: Whether the bins of `y` are.
        more: Bounds, as for `top`; the edges of the grid, `x_from`, `x_to`, `y_from` and `y_to`, by
            default the smallest and largest value counted; and axis values of `y` if they differ
            from those of `x`, such as `y_dataset`, as for `correlation`.

    Raises:
        InvalidRequestError: An argument is malformed, missing or unknown.
        BenchmarkNotInstalledError: The benchmark, or the table with a metric, is not installed.
    """
    filters = plain_filters(dataset, num_epochs, more)
    sides = {"x_log": boolean("x_log", x_log), "y_log": boolean("y_log", y_log)}
    ends = {end: number(end, filters.pop(end, None)) for end in _ENDS}
    metrics = {"x": text("x", x), "y": text("y", y)}
    options = {**metrics, "bins": count("bins", bins), **sides, **ends}
    name = checked_name(benchmark)
    return (yield from ask(_DensityQuestion("density", Density, name, filters, options)))


def picture(benchmark: str, arch: Any, *, theme: str = "light") -> Steps[Svg]:
    """Return a picture of an architecture as SVG: its cells, its choices, or its widths.

    The result is text, which notebooks render as a picture.

        Path("cell.svg").write_text(bench.picture("nasbench201", 0))

    Args:
        benchmark: Name of the benchmark.
        arch: Architecture in any spelling; for `nds` one that is recorded.
        theme: `light` or `dark`.

    Raises:
        InvalidArchitectureError: The architecture is malformed, or is not recorded.
        InvalidRequestError: The theme is unknown.
        UnsupportedQuestionError: The benchmark only lists its architectures by name.
        BenchmarkNotInstalledError: The benchmark is not installed.
    """
    if text("theme", theme) not in _THEMES:
        raise refused("theme", f"unknown theme {theme!r:.80}; known are {', '.join(_THEMES)}")
    options = {"arch": plain_arch(arch), "theme": theme}
    found = yield from ask(
        _PictureQuestion("picture", Picture, checked_name(benchmark), {}, options)
    )
    return Svg(found.svg)


def spellings(
    benchmark: str,
    numbers: Iterable[int],
    *,
    dataset: str | None = None,
    num_epochs: int | None = None,
    **more: Any,
) -> Steps[list[str]]:
    """Return the spellings of architectures given by their numbers, for use in other queries.

    Args:
        benchmark: Name of the benchmark.
        numbers: Numbers of the architectures, as in the column `@number`.
        dataset: As for `columns`; useful only for `nds`, where it speeds up the look-up.
        num_epochs: As for `dataset`.
        more: As for `dataset`.

    Raises:
        InvalidRequestError: A number belongs to no architecture.
        BenchmarkNotInstalledError: The benchmark is not installed.
    """
    filters = plain_filters(dataset, num_epochs, more)
    name = checked_name(benchmark)
    asked = [str(_number(one)) for one in listed("numbers", numbers, "number")]
    found: list[str] = []
    for start in range(0, len(asked), _AT_A_TIME):
        some = asked[start : start + _AT_A_TIME]
        options = {"numbers": ",".join(some)}
        answer = Found[SpelledArchitecture]
        spelled = yield from ask(Question("spellings", answer, name, filters, options))
        if [str(item.number) for item in spelled.items] != some:
            raise UnexpectedAnswerError("the server sent spellings of other numbers than requested")
        for item in spelled.items:
            if item.arch is None:
                raise refused("numbers", f"no architecture has the number {item.number}")
            found.append(item.arch)
    return found


def _number(value: Any) -> int:
    found = integer("numbers", value)
    if found is None or found < 0:
        raise refused("numbers", f"{value!r:.80} is not the number of an architecture")
    return found
