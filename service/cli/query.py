"""`nbs query`: a benchmark's answers on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from bench_client import BenchClient
from benchmark_db.reduction import REDUCTIONS
from service.cli.data import AsJson, DataDirectory
from service.cli.output import print_items, print_json, wants_json

__all__ = ["app"]

app = typer.Typer(help="Ask a benchmark.", no_args_is_help=True)


@app.command("nb201")
def nb201(  # noqa: PLR0913 - the filters of the benchmark
    arch: Annotated[
        str | None, typer.Argument(help="String, index, or dict or list as JSON; all by default.")
    ] = None,
    *,
    num_epochs: Annotated[int | None, typer.Option(help="Training budget: 12 or 200.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="cifar10-valid, cifar10, cifar100 or imagenet16-120.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed of the run.")] = None,
    reduction: Annotated[
        str | None, typer.Option(help=f"Over the runs: {', '.join(REDUCTIONS)}.")
    ] = None,
    intermediates: Annotated[
        bool, typer.Option("--intermediates", help="With the learning curves; JSON only.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(envvar="NASBENCH_URL", help="Ask a server instead of the files.")
    ] = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Ask NAS-Bench-201.

    Answers come from the databases in --data, or from the server at --url. Accuracies in percent,
    times and latency in seconds, parameters and flops in millions.
    """
    with _client(url, data) as bench:
        items = bench.query_nb201(
            arch,
            num_epochs,
            dataset,
            seed,
            reduction=reduction,  # type: ignore[arg-type]  # checked where it is used
            include_intermediates=intermediates,
        )
    _print(items, "NAS-Bench-201", as_json=as_json or intermediates)


def _client(url: str | None, data: Path | None) -> BenchClient:
    return BenchClient(url) if url else BenchClient.local(data)


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
