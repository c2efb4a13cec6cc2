"""`nbs query`, `nbs batch`, `nbs hash`: what a benchmark says of architectures."""

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
        str | None,
        typer.Argument(help="An architecture, in any spelling that is text or JSON; all if none."),
    ] = None,
    *,
    num_epochs: Epochs = None,
    dataset: Dataset = None,
    seed: Seed = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Any other filter or option of the benchmark's query, such as isomorphism=false, "
            "proposer=amoeba, sort=-base_lr, limit=10, device=edgegpu; may come again."
        ),
    ] = None,
    least: Least = None,
    most: Most = None,
    reduction: Reduction = None,
    intermediates: Annotated[
        bool,
        typer.Option("--intermediates", help="With the intermediate statistics; JSON only."),
    ] = False,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Ask a benchmark or declared table for its runs.

    Answers come from the databases in --data, or from the server at --url. Accuracies in percent,
    times in seconds, parameters and flops in millions, latencies of HW-NAS-Bench in milliseconds;
    `nbs info` tells what a benchmark has.
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
        except TypeError as error:  # a method of the client has no such argument
            raise typer.BadParameter(f"{benchmark} is not asked so: {error}") from error
    spec = PUBLISHED.get(benchmark)
    _print(items, spec.title if spec else benchmark, as_json=as_json or intermediates)


def batch(
    benchmark: Benchmark,
    architectures: Annotated[
        Path,
        typer.Argument(
            help="File of architectures: a JSON list, or one in each line; - for standard input.",
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
    """Ask for the runs of many architectures; prints a JSON list aligned with them."""
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
    """Hash NAS-Bench-101 cells: equal hashes are isomorphic cells.

    What is told of a cell is told of what remains once vertices on no path from input to output
    are removed. No database is needed.
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
    """Return an item as a row: what tells the items apart first, long spellings left out."""
    config = {name: value for name, value in item["config"].items() if not isinstance(value, dict)}
    stats = {name: value for name, value in item.items() if name not in ("config", "intermediates")}
    return config | stats


def _text_of(path: Path) -> str:
    """Return the text of a file, or of standard input for `-`.

    Raises:
        typer.BadParameter: It is no text.
    """
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(
            f"{path} is no text in UTF-8: a JSON list of architectures, or one in each line",
            param_hint="architectures",
        ) from error


def _architectures(text: str) -> list[Any]:
    """Return the architectures of a file: of a JSON list, else of its lines."""
    import orjson

    try:
        listed = orjson.loads(text)
    except orjson.JSONDecodeError:
        listed = None
    if isinstance(listed, list):
        return listed
    return [_architecture(line.strip()) for line in text.splitlines() if line.strip()]


def _architecture(line: str) -> Any:
    """Return an object or a list as such, and anything else as the text it is."""
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
