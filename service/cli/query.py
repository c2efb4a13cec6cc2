"""`nbs query`: a benchmark's answers on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import typer
from pydantic import BaseModel

from benchmark_db.hw_nas_bench.tables import DEVICES
from benchmark_db.nds.tables import FAMILIES, GENERATORS, PROPOSERS, RANGED
from benchmark_db.reduction import REDUCTIONS
from service.cli.asking import Url, bounds, client
from service.cli.data import AsJson, DataDirectory
from service.cli.output import print_items, print_json, wants_json

__all__ = ["app"]

app = typer.Typer(help="Ask a benchmark.", no_args_is_help=True)

Epochs: TypeAlias = Annotated[int | None, typer.Option(help="Training budget, in epochs.")]
Reduction: TypeAlias = Annotated[
    str | None, typer.Option(help=f"Over the runs: {', '.join(REDUCTIONS)}.")
]
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


Dataset: TypeAlias = Annotated[
    str | None, typer.Option(help="cifar10-valid, cifar10, cifar100 or imagenet16-120.")
]
Seed: TypeAlias = Annotated[int | None, typer.Option(help="Random seed of the run.")]


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
    device: Annotated[str | None, typer.Option(help=f"{', '.join(DEVICES)}.")] = None,
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
    model_family: Annotated[str | None, typer.Option(help=f"{', '.join(FAMILIES)}.")] = None,
    proposer: Annotated[str | None, typer.Option(help=f"{', '.join(PROPOSERS)}.")] = None,
    generator: Annotated[str | None, typer.Option(help=f"{', '.join(GENERATORS)}.")] = None,
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
        str | None, typer.Option(help=f"{', '.join(RANGED)}; a leading - for the largest first.")
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
