"""`nbs query`, `nbs batch`, `nbs hash`: what a benchmark says of architectures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from typer.core import TyperGroup

from service.cli.options import (
    AsJson,
    DataDirectory,
    Epochs,
    Reduction,
    Url,
    bounds,
    client,
    named_values,
)
from service.cli.output import print_items, print_json, wants_json

if TYPE_CHECKING:
    from pydantic import BaseModel

    from benchmark_db.nasbench101.cell import Cell

__all__ = ["Dataset", "Seed", "app", "batch", "hash_cells"]


class _Tables(TyperGroup):
    """The queries of benchmarks; any other name is that of a declared table."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that arguments name: that of all tables, name first, by default."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["table", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Tables,
    help="Ask a benchmark, or a declared table by its name.",
    no_args_is_help=True,
)

Dataset: TypeAlias = Annotated[
    str | None, typer.Option(help="cifar10-valid, cifar10, cifar100 or imagenet16-120.")
]
Seed: TypeAlias = Annotated[int | None, typer.Option(help="Random seed of the run.")]
Intermediates: TypeAlias = Annotated[
    bool, typer.Option("--intermediates", help="With the intermediate statistics; JSON only.")
]


@app.command("nb101")
def nb101(
    arch: Annotated[
        str | None, typer.Argument(help="Hash, or either object as JSON; all by default.")
    ] = None,
    *,
    num_epochs: Epochs = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Only the very cell, not those isomorphic to it.")
    ] = False,
    reduction: Reduction = None,
    intermediates: Intermediates = False,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Ask NAS-Bench-101.

    Answers come from the databases in --data, or from the server at --url. Accuracies in percent,
    times in seconds, parameters in millions.
    """
    with client(url, data) as bench:
        items = bench.query_nb101(
            arch,
            num_epochs,
            isomorphism=not exact,
            reduction=reduction,  # type: ignore[arg-type]  # checked where it is used
            include_intermediates=intermediates,
        )
    _print(items, "NAS-Bench-101", as_json=as_json or intermediates)


@app.command("nb201")
def nb201(  # noqa: PLR0913 - the filters of the benchmark
    arch: Annotated[
        str | None, typer.Argument(help="String, index, or dict or list as JSON; all by default.")
    ] = None,
    *,
    num_epochs: Epochs = None,
    dataset: Dataset = None,
    seed: Seed = None,
    reduction: Reduction = None,
    intermediates: Intermediates = False,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Ask NAS-Bench-201.

    Answers come from the databases in --data, or from the server at --url. Accuracies in percent,
    times and latency in seconds, parameters and flops in millions.
    """
    with client(url, data) as bench:
        items = bench.query_nb201(
            arch,
            num_epochs,
            dataset,
            seed,
            reduction=reduction,  # type: ignore[arg-type]  # checked where it is used
            include_intermediates=intermediates,
        )
    _print(items, "NAS-Bench-201", as_json=as_json or intermediates)


@app.command("natssss")
def natssss(  # noqa: PLR0913 - the filters of the benchmark
    arch: Annotated[
        str | None,
        typer.Argument(
            help="Channels such as 8:8:8:16:32, index, or list as JSON; all by default."
        ),
    ] = None,
    *,
    num_epochs: Epochs = None,
    dataset: Dataset = None,
    seed: Seed = None,
    reduction: Reduction = None,
    intermediates: Intermediates = False,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Ask the size space of NATS-Bench.

    Answers come from the databases in --data, or from the server at --url. Accuracies in percent,
    times and latency in seconds, parameters and flops in millions.
    """
    with client(url, data) as bench:
        items = bench.query_natssss(
            arch,
            num_epochs,
            dataset,
            seed,
            reduction=reduction,  # type: ignore[arg-type]  # checked where it is used
            include_intermediates=intermediates,
        )
    _print(items, "NATS-Bench size space", as_json=as_json or intermediates)


@app.command("hardware")
def hardware(
    arch: Annotated[
        str | None,
        typer.Argument(
            help="NAS-Bench-201 string, index, or dict or list as JSON; all by default."
        ),
    ] = None,
    *,
    dataset: Dataset = None,
    device: Annotated[
        str | None, typer.Option(help="edgegpu, raspi4, edgetpu, pixel3, eyeriss, fpga.")
    ] = None,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Ask what NAS-Bench-201 architectures cost on devices (HW-NAS-Bench).

    Answers come from the databases in --data, or from the server at --url. Latencies in
    milliseconds, energies in millijoules, arithmetic intensity in FLOP a byte.
    """
    with client(url, data) as bench:
        items = bench.hardware_nb201(arch, dataset, device)
    _print(items, "HW-NAS-Bench", as_json=as_json)


@app.command("nds")
def nds(  # noqa: PLR0913 - the filters of the benchmark
    *,
    model_family: Annotated[
        str | None, typer.Option(help="nas_cell, residual_basic, residual_bottleneck, vanilla.")
    ] = None,
    proposer: Annotated[
        str | None,
        typer.Option(
            help="amoeba, darts, enas, nasnet, pnas, resnet, resnet-b, resnext-a, resnext-b, "
            "vanilla."
        ),
    ] = None,
    generator: Annotated[str | None, typer.Option(help="random, fix_w_d, tune_lr_wd.")] = None,
    model_spec: Annotated[str | None, typer.Option(help="The network, as JSON.")] = None,
    cell_spec: Annotated[
        str | None, typer.Option(help="Its cells, as JSON; {} for networks without.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="cifar10 or imagenet.")] = None,
    num_epochs: Epochs = None,
    seed: Seed = None,
    least: Annotated[
        list[str] | None,
        typer.Option("--min", help="A bound, such as best_test_acc=94; may come again."),
    ] = None,
    most: Annotated[
        list[str] | None, typer.Option("--max", help="A bound, such as flops=600; may come again.")
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="base_lr, weight_decay, parameters, flops, final_train_acc, best_train_acc, "
            "final_test_acc, best_test_acc; a leading - for the largest first."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Items at most.")] = None,
    reduction: Reduction = None,
    intermediates: Intermediates = False,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Ask NDS.

    Answers come from the databases in --data, or from the server at --url. Accuracies in percent,
    times in seconds, parameters and flops in millions.
    """
    with client(url, data) as bench:
        items = bench.query_nds(
            model_family,
            proposer,
            generator,
            model_spec,
            cell_spec,
            dataset,
            num_epochs,
            seed=seed,
            sort=sort,
            limit=limit,
            reduction=reduction,  # type: ignore[arg-type]  # checked where it is used
            include_intermediates=intermediates,
            **bounds(least, most),
        )
    _print(items, "NDS", as_json=as_json or intermediates)


@app.command("table")
def table(
    name: Annotated[str, typer.Argument(help="Name of the table; `table` may be left out.")],
    arch: Annotated[
        str | None, typer.Argument(help="An architecture, in any spelling; all by default.")
    ] = None,
    *,
    where: Annotated[
        list[str] | None,
        typer.Option(help="A value of an axis, such as dataset=cifar10; may come again."),
    ] = None,
    reduction: Reduction = None,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Ask a declared table.

    Answers come from the databases in --data, or from the server at --url. `nbs info` tells its
    axes and statistics, with units.
    """
    with client(url, data) as bench:
        items = bench.query(name, arch, reduction=reduction, **named_values(where))
    _print(items, name, as_json=as_json)


def batch(
    benchmark: Annotated[str, typer.Argument(help="Name of the benchmark or declared table.")],
    architectures: Annotated[
        Path,
        typer.Argument(
            help="File of architectures: a JSON list, or one in each line; - for standard input.",
            allow_dash=True,
        ),
    ],
    *,
    num_epochs: Epochs = None,
    dataset: Annotated[str | None, typer.Option(help="The data set.")] = None,
    reduction: Reduction = None,
    url: Url = None,
    data: DataDirectory = None,
) -> None:
    """Ask for the runs of many architectures; prints a JSON list aligned with them."""
    text = sys.stdin.read() if str(architectures) == "-" else architectures.read_text()
    options: dict[str, Any] = {"num_epochs": num_epochs, "reduction": reduction}
    if dataset is not None:
        options["dataset"] = dataset
    with client(url, data) as bench:
        found = bench.query_many(benchmark, _architectures(text), **options)
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
        print_items([_row(item) for item in dumped], f"{title}: {len(dumped)} items")


def _row(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as a row: what tells the items apart first, long spellings left out."""
    config = {name: value for name, value in item["config"].items() if not isinstance(value, dict)}
    stats = {name: value for name, value in item.items() if name not in ("config", "intermediates")}
    return config | stats


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
