"""`nbs query`, `nbs batch`, `nbs hash`: the results of architectures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench_client.table_version import TableName
from benchmark_spec.published import PUBLISHED
from service.cli.options import (
    AsJson,
    Benchmark,
    DataDirectory,
    Dataset,
    Epochs,
    Least,
    Most,
    Reduction,
    Seed,
    Url,
    bounds,
    client,
    named_values,
)
from service.cli.output import print_items, print_json, wants_json

if TYPE_CHECKING:
    from pydantic import BaseModel

    from benchmark_db.nasbench101.cell import Cell

__all__ = ["batch", "hash_cells", "query"]


def query(  # noqa: PLR0913 - the filters that most benchmarks have
    benchmark: Benchmark,
    arch: Annotated[
        str | None, typer.Argument(help="An architecture, as text or JSON; by default all.")
    ] = None,
    *,
    num_epochs: Epochs = None,
    dataset: Dataset = None,
    seed: Seed = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Another filter or option of the benchmark, such as isomorphism=false, "
            "proposer=amoeba, sort=-base_lr, limit=10, device=edgegpu; may be repeated."
        ),
    ] = None,
    least: Least = None,
    most: Most = None,
    reduction: Reduction = None,
    intermediates: Annotated[
        bool, typer.Option("--intermediates", help="Include intermediate statistics; JSON only.")
    ] = False,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Query the runs of a benchmark or declared table.

    Answers come from the databases in --data, or from the server at --url. Accuracies are in
    percent, times in seconds, parameters and flops in millions, latencies of HW-NAS-Bench in
    milliseconds; see `nbs info` for the contents of a benchmark.
    """
    given = {
        "arch": arch,
        "num_epochs": num_epochs,
        "dataset": dataset,
        "seed": seed,
        "reduction": reduction,
        "include_intermediates": intermediates or None,
    }
    asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    asked |= named_values(where) | bounds(least, most)
    with client(url, data) as bench:
        try:
            items = bench.query(TableName(benchmark), **asked)
        except TypeError as error:  # the client's method lacks an argument
            raise typer.BadParameter(f"invalid query of {benchmark}: {error}") from error
    spec = PUBLISHED.get(benchmark)
    _print(items, spec.title if spec else benchmark, as_json=as_json or intermediates)


def batch(
    benchmark: Benchmark,
    architectures: Annotated[
        Path,
        typer.Argument(
            help="File of architectures: a JSON list, or one per line; - for standard input.",
            allow_dash=True,
        ),
    ],
    *,
    num_epochs: Epochs = None,
    dataset: Dataset = None,
    reduction: Reduction = None,
    url: Url = None,
    data: DataDirectory = None,
) -> None:
    """Query the runs of many architectures; prints a JSON list in their order."""
    text = _text_of(architectures)
    options: dict[str, Any] = {"num_epochs": num_epochs, "reduction": reduction}
    if dataset is not None:
        options["dataset"] = dataset
    with client(url, data) as bench:
        found = bench.query_many(TableName(benchmark), _architectures(text), **options)
    print_json([[item.model_dump() for item in items] for items in found])


def hash_cells(
    archs: Annotated[
        list[str],
        typer.Argument(
            metavar="ARCH...",
            help='Cells as JSON: {"op1": …, "input1": …} or {"module_adjacency": …, '
            '"module_operations": …}.',
        ),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Hash NAS-Bench-101 cells; isomorphic cells have equal hashes.

    The output describes the cell without vertices that are on no path from input to output. No
    database is needed.
    """
    from benchmark_db.nasbench101 import batch_hash

    cells = [_cell(text) for text in archs]
    hashed = zip(batch_hash.hash_cells(cells), cells, strict=True)
    items = [_described_cell(cell_hash, cell.pruned()) for cell_hash, cell in hashed]
    if wants_json(asked=as_json):
        print_json(items)
    else:
        shown = [{**item, "arch": str(item["arch"])} for item in items]
        print_items(shown, f"NAS-Bench-101: {len(items)} cells")


def _print(items: Sequence[BaseModel], title: str, *, as_json: bool) -> None:
    dumped = [item.model_dump() for item in items]
    if wants_json(asked=as_json):
        print_json(dumped)
    else:
        print_items(
            [_row(item) for item in dumped],
            f"{title}: {len(dumped)} item{'' if len(dumped) == 1 else 's'}",
        )


def _row(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as a table row: configuration first, without nested values."""
    config = {name: value for name, value in item["config"].items() if not isinstance(value, dict)}
    stats = {name: value for name, value in item.items() if name not in ("config", "intermediates")}
    return config | stats


def _text_of(path: Path) -> str:
    """Return the text of a file, or of standard input for `-`.

    Raises:
        typer.BadParameter: It is not UTF-8.
    """
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(
            f"{path} is not UTF-8 text: a JSON list of architectures, or one per line",
            param_hint="architectures",
        ) from error


def _architectures(text: str) -> list[Any]:
    """Return the architectures in a text: a JSON list, or one per line."""
    import orjson

    try:
        listed = orjson.loads(text)
    except orjson.JSONDecodeError:
        listed = None
    if isinstance(listed, list):
        return listed
    return [_architecture(line.strip()) for line in text.splitlines() if line.strip()]


def _architecture(line: str) -> Any:
    """Parse an architecture: JSON for objects and lists, else plain text."""
    import orjson

    if not line.startswith(("{", "[")):
        return line
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return line


def _cell(text: str) -> Cell:
    from benchmark_db.errors import InvalidArchitectureError
    from benchmark_db.nasbench101.spelling import parse_cell

    try:
        return parse_cell(text)
    except InvalidArchitectureError as error:
        raise InvalidArchitectureError(f"{text[:80]}: {error.message}") from error


def _described_cell(cell_hash: str, pruned: Cell) -> dict[str, Any]:
    from benchmark_db.nasbench101.parameters import trainable_parameters

    return {
        "hash": cell_hash,
        "num_vertices": pruned.num_vertices,
        "num_edges": pruned.num_edges,
        "trainable_parameters": trainable_parameters(pruned),
        "arch": pruned.to_dict(),
    }
