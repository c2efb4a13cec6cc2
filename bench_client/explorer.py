"""Whole columns of a benchmark at once, for pictures and for analyses of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bench_client.arguments import (
    checked_name,
    count,
    either,
    listed,
    number,
    plain_arch,
    plain_filters,
    refused,
    text,
    whole,
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
"""Header of a column over HTTP that says what its bytes are, as JSON."""

DENSITY_HEADER: Final = "X-Density"
"""Likewise of a density."""

_THEMES: Final = ("light", "dark")
_ENDS: Final = ("x_from", "x_to", "y_from", "y_to")
_MOST_PICTURE: Final = 2**20
"""Bytes; cells of a hundred nodes have a tenth of it."""

_AT_A_TIME: Final = 500
"""Architectures that are spelled in one answer: their numbers fit into an address."""


class Svg(str):
    """A picture as SVG: text that a notebook shows as a picture."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        """Return it, as notebooks ask for it."""
        return str(self)


class _ColumnQuestion(Raw[Column]):
    @property
    def media_type(self) -> str:
        return "application/octet-stream"

    def read(self, headers: Mapping[str, str], content: bytes) -> Column:
        said = ColumnHeader.model_validate_json(headers.get(COLUMN_HEADER, ""))
        if said.metric != self.options["metric"]:
            raise ValueError(f"it is of {said.metric!r:.80}")
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
            raise ValueError(f"it is of {said.bins} cells of {said.x.metric!r:.80}")
        fields = {name: getattr(said, name) for name in DensityHeader.model_fields}
        return Density(**fields, data=content)


class _PictureQuestion(Raw[Picture]):
    @property
    def media_type(self) -> str:
        return "image/svg+xml"

    def read(self, headers: Mapping[str, str], content: bytes) -> Picture:
        del headers
        if len(content) > _MOST_PICTURE:
            raise ValueError(f"it has {len(content)} bytes; at most {_MOST_PICTURE}")
        return Picture(svg=content.decode())


def columns(
    benchmark: str, *, dataset: str | None = None, num_epochs: int | None = None, **more: Any
) -> Steps[Columns]:
    """Return which columns a benchmark has: metrics, and what follows from architectures.

    Args:
        benchmark: Name of the benchmark.
        dataset: The data set, where the benchmark has several.
        num_epochs: The training budget, where the benchmark has several.
        more: Other axes that tell its parts apart; for `nds` also `model_family`, `proposer` and
            `generator`.

    Returns:
        The columns, and the parts that are recorded. Where the part is named whose figures are
        compared, each column has how many values are missing, the smallest, the largest, and how
        many differ; otherwise these are None.

    Raises:
        InvalidRequestError: An argument is malformed or unknown, or nothing is recorded there.
        BenchmarkNotInstalledError: The benchmark is not there.
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
    """Return a metric of every architecture at once, or a feature such as `@op.0_1`.

    Columns of one part are aligned: the n-th value of each is of the architecture whose number is
    the n-th of the column `@number`.

        flops = bench.column("nasbench201", "flops", dataset="cifar10", num_epochs=200).to_numpy()

    Args:
        benchmark: Name of the benchmark.
        metric: Name of a column; `columns` lists them.
        dataset: As for `columns`.
        num_epochs: As for `columns`.
        more: As for `columns`.

    Returns:
        The values, those of metrics as 32-bit floats: means over the runs, NaN where none is
        recorded.

    Raises:
        InvalidRequestError: An argument is malformed, missing or unknown.
        BenchmarkNotInstalledError: The benchmark, or the data that has the metric, is not there.
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
    """Return how many architectures lie in each cell of a grid over two metrics.

    Args:
        benchmark: Name of the benchmark.
        x: One metric, along the columns.
        y: The other, along the rows.
        dataset: As for `columns`.
        num_epochs: As for `columns`.
        bins: Cells of a side, 8 to 512.
        x_log: Whether the cells of that side are equally wide in the logarithm.
        y_log: Likewise.
        more: Bounds, as for `top`; where the grid begins and ends, `x_from`, `x_to`, `y_from` and
            `y_to`, by default at the smallest and largest that are counted; and where `y` is taken
            when not where `x` is, `y_dataset` and so on, as for `correlation`.

    Raises:
        InvalidRequestError: An argument is malformed, missing or unknown.
        BenchmarkNotInstalledError: The benchmark, or the data that has a metric, is not there.
    """
    filters = plain_filters(dataset, num_epochs, more)
    sides = {"x_log": either("x_log", x_log), "y_log": either("y_log", y_log)}
    ends = {end: number(end, filters.pop(end, None)) for end in _ENDS}
    metrics = {"x": text("x", x), "y": text("y", y)}
    options = {**metrics, "bins": count("bins", bins), **sides, **ends}
    name = checked_name(benchmark)
    return (yield from ask(_DensityQuestion("density", Density, name, filters, options)))


def picture(benchmark: str, arch: Any, *, theme: str = "light") -> Steps[Svg]:
    """Return a picture of an architecture as SVG: its cells, its choices, or its widths.

    It is text, which a notebook shows as a picture.

        Path("cell.svg").write_text(bench.picture("nasbench201", 0))

    Args:
        benchmark: Name of the benchmark.
        arch: The architecture in any of its spellings; of `nds` one that is recorded.
        theme: `light` or `dark`.

    Raises:
        InvalidArchitectureError: The architecture is malformed, or nothing is known of it.
        InvalidRequestError: There is no such theme.
        UnsupportedQuestionError: The benchmark lists its architectures by name.
        BenchmarkNotInstalledError: The benchmark is not there.
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
    """Return a text for each of some architectures that every question takes for it.

    Args:
        benchmark: Name of the benchmark.
        numbers: Their numbers, as the column `@number` has them.
        dataset: As for `columns`; it may be left out but for `nds`, where it makes the search for
            a number shorter.
        num_epochs: Likewise.
        more: Likewise.

    Raises:
        InvalidRequestError: No architecture has one of the numbers.
        BenchmarkNotInstalledError: The benchmark is not there.
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
            raise UnexpectedAnswerError("the spellings are not those of the numbers asked for")
        for item in spelled.items:
            if item.arch is None:
                raise refused("numbers", f"no architecture has the number {item.number}")
            found.append(item.arch)
    return found


def _number(value: Any) -> int:
    found = whole("numbers", value)
    if found is None or found < 0:
        raise refused("numbers", f"{value!r:.80} is not the number of an architecture")
    return found
