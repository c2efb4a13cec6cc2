"""`nbs zoo`: searched models, their weights and their accuracy."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from model_hub import zoo
from service.cli.options import AsJson, BatchSize
from service.cli.output import print_fields, print_items, print_json, wants_json

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Searched models: their weights and accuracy.",
)

Model: TypeAlias = Annotated[str, typer.Argument(help="A model, from `nbs zoo list`.")]


@app.command("list")
def list_command(*, as_json: AsJson = False) -> None:
    """List the searched models, and whose weights are here."""
    rows = [_row(record) for record in zoo.all_records().values()]
    if wants_json(asked=as_json):
        print_json(rows)
    else:
        print_items(rows, f"Searched models; weights in {zoo.zoo_folder()}")


@app.command("info")
def info_command(name: Model, *, as_json: AsJson = False) -> None:
    """Show a searched model: space, size, protocol, accuracy, origin."""
    record = zoo.record(name)
    profile = zoo.profile(record)
    counted = {"parameters": profile.parameters, "macs": profile.macs}
    weights = zoo.weights_path(name)
    if wants_json(asked=as_json):
        here = str(weights) if weights.is_file() else None
        print_json({"name": name, **record.to_dict(), **counted, "weights_here": here})
        return
    sys.stdout.write(f"{name}\n")
    print_fields(
        {
            "space": record.space,
            **{f"  {argument}": value for argument, value in record.arguments.items()},
            "parameters": f"{profile.parameters:,}",
            "multiply-adds": f"{profile.macs:,}",
            "evaluated": record.protocol,
            **{f"top 1, {figure.source}": f"{figure.top1} %" for figure in record.figures},
            "origin": record.origin,
            "licence": record.licence,
            "weights": weights if weights.is_file() else f"not in {weights.parent}",
            **{f"  {file.file}": file.url or "no address" for file in record.weights},
        }
        | ({"note": record.note} if record.note else {})
    )


@app.command("convert")
def convert_command(
    file: Annotated[Path, typer.Argument(help="A published file.", exists=True, dir_okay=False)],
    *,
    model: Annotated[str, typer.Option(help="The model of the file.")],
    out: Annotated[
        Path | None, typer.Option(help="The file to write; by default in the folder of the zoo.")
    ] = None,
    naming: Annotated[
        str | None,
        typer.Option(
            help="Naming of the tensors, instead of that in the record: hub, the name of a family, "
            "or `order` to match by order and shape only."
        ),
    ] = None,
    unlisted: Annotated[
        bool, typer.Option("--unlisted", help="Accept a file that is not a published one.")
    ] = False,
) -> None:
    """Convert published weights, once, into a file that can contain nothing but weights.

    The file is read without executing code in it, its SHA-256 is compared with the published one,
    and every tensor must fit the network.
    """
    path = zoo.convert(file, model, out=out, naming=naming, unlisted=unlisted)
    sys.stderr.write(f"{path}: {path.stat().st_size / 1e6:.1f} MB, the weights of {model}\n")


@app.command("evaluate")
def evaluate_command(  # noqa: PLR0913 - options of a command
    name: Model,
    *,
    images: Annotated[
        Path,
        typer.Option(
            help="Images: a folder per class (classes.txt states their order), a folder with "
            "labels.csv, an uncompressed tar archive of either, or CIFAR as published.",
            exists=True,
        ),
    ],
    checkpoint: Annotated[
        Path | None, typer.Option(help="A weight file to use instead of the zoo's.")
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Download the weights if they are missing.")
    ] = False,
    batch_size: BatchSize = 32,
    device: Annotated[str, typer.Option(help="Such as cpu or cuda.")] = "cpu",
    precision: Annotated[
        str,
        typer.Option(
            help="float32, float64, bfloat16, float16 or, with weights left in float32, "
            "mixed-bfloat16 or mixed-float16."
        ),
    ] = "float32",
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the network first.")] = False,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Skip damaged images and list them on stderr.")
    ] = False,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Also print a line per label.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure the accuracy of a searched model on your images, by its own protocol."""
    from model_hub import evaluation

    network = zoo.load(name, download=download, checkpoint=checkpoint)
    result = evaluation.evaluate(
        network,
        evaluation.read_images(images),
        zoo.record(name).protocol,
        batch_size=batch_size,
        device=device,
        precision=precision,
        compiled=compiled,
        skip_damaged=skip_damaged,
    )
    for skipped in result.skipped:
        sys.stderr.write(f"nbs: skipped, damaged: {skipped}\n")
    if result.halved:
        sys.stderr.write(f"nbs: memory sufficed only for batches of {result.batch_size}\n")
    if wants_json(asked=as_json):
        print_json({"model": name, "top1": result.top1, "top5": result.top5, **asdict(result)})
        return
    sys.stdout.write(f"{name}: {result}\n")
    if per_class:
        sys.stdout.write(f"{result.table()}\n")


def _row(record: zoo.Record) -> dict[str, Any]:
    return {
        "model": record.name,
        "top1": record.figures[0].top1 if record.figures else None,
        "input": record.protocol.input_size,
        "dataset": record.protocol.dataset.partition(" ")[0],
        "space": record.space,
        "weights": "here" if zoo.weights_path(record.name).is_file() else None,
    }
