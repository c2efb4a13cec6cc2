"""`nbs jobs`: the jobs of a server."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from bench_client import BenchClient
from bench_client.untrusted import cleaned
from service.cli.options import AsJson, BatchSize, Server
from service.cli.output import print_fields, print_items, print_json, wants_json

if TYPE_CHECKING:
    from bench_client import Job

__all__ = ["app"]

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Jobs of a server: list, watch, fetch results."
)

JobId: TypeAlias = Annotated[str, typer.Argument(help="Id of a job, from `nbs jobs list`.")]


DatasetName: TypeAlias = Annotated[str, typer.Option(help="Name of a data set that a worker has.")]
RecipeText: TypeAlias = Annotated[
    str, typer.Option(help='Name of a published recipe, or JSON such as {"epochs": 12}.')
]
SpaceArguments: TypeAlias = Annotated[
    str | None, typer.Option(help='Arguments of the space as JSON, such as {"num_labels": 10}.')
]
Epochs: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Stop after this many epochs of the recipe.")
]
Seed: TypeAlias = Annotated[int, typer.Option(min=0, help="Random seed.")]
DeviceName: TypeAlias = Annotated[str, typer.Option(help="any, cpu or cuda.")]
Wait: TypeAlias = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait for the result, or only submit.")
]


@app.command("list")
def list_command(
    *,
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind, such as training.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Largest number of jobs.")] = 20,
    url: Server = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs, latest first. The API key is taken from $NASBENCH_API_KEY."""
    with BenchClient(url) as bench:
        found = bench.jobs(
            state=state,  # type: ignore[arg-type]  # checked by the server
            kind=kind,  # type: ignore[arg-type]  # checked by the server
            limit=limit,
        )
    if wants_json(asked=as_json):
        print_json([job.model_dump(mode="json") for job in found])
    else:
        print_items([_row(job) for job in found], "Jobs, latest first")


@app.command("show")
def show_command(job: JobId, *, url: Server = None, as_json: AsJson = False) -> None:
    """Show a job."""
    with BenchClient(url) as bench:
        _print(bench.job(job), as_json=as_json)


@app.command("watch")
def watch_command(
    job: JobId,
    *,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Longest waiting time in seconds; default: none.")
    ] = None,
    url: Server = None,
    as_json: AsJson = False,
) -> None:
    """Print the progress of a job until it ends, then show it; status 1 if it has no result."""
    with BenchClient(url) as bench:
        _print(bench.wait(job, timeout=timeout, progress=_tell), as_json=as_json)


@app.command("cancel")
def cancel_command(job: JobId, *, url: Server = None, as_json: AsJson = False) -> None:
    """Cancel a job; a job that has ended does not change."""
    with BenchClient(url) as bench:
        _print(bench.cancel(job), as_json=as_json)


@app.command("stop")
def stop_command(job: JobId, *, url: Server = None, as_json: AsJson = False) -> None:
    """Stop a training early, keeping the figures of its last epoch."""
    with BenchClient(url) as bench:
        _print(bench.stop(job), as_json=as_json)


@app.command("get")
def get_command(
    job: JobId,
    *,
    out: Annotated[Path, typer.Option(help="Folder for its files.", file_okay=False)] = Path(),
    name: Annotated[list[str] | None, typer.Option(help="Only this file; may be repeated.")] = None,
    url: Server = None,
) -> None:
    """Download the files of a job and check their digests."""
    with BenchClient(url) as bench:
        for path in bench.download(bench.job(job), out, names=name).values():
            sys.stdout.write(f"{path}\n")


@app.command("checkpoints")
def checkpoints_command(*, url: Server = None, as_json: AsJson = False) -> None:
    """List the uploaded weights, latest first."""
    with BenchClient(url) as bench:
        found = [checkpoint.model_dump(mode="json") for checkpoint in bench.checkpoints()]
    if wants_json(asked=as_json):
        print_json(found)
    else:
        size = sum(checkpoint["size"] for checkpoint in found)
        print_items(found, f"Uploaded weights: {len(found)}, {size} bytes")


@app.command("delete-checkpoint")
def delete_checkpoint_command(
    sha256: Annotated[str, typer.Argument(help="Digest, from `nbs jobs checkpoints`.")],
    *,
    url: Server = None,
) -> None:
    """Delete uploaded weights unless a queued or running job uses them; needs scope admin."""
    with BenchClient(url) as bench:
        bench.delete_checkpoint(sha256)
    sys.stdout.write(f"{sha256} is deleted\n")


@app.command("evaluate")
def evaluate_command(
    model: Annotated[str, typer.Argument(help="A searched model, from `nbs zoo list`.")],
    *,
    dataset: DatasetName,
    batch_size: BatchSize = 32,
    precision: Annotated[str, typer.Option(help="Such as float32 or mixed-bfloat16.")] = "float32",
    device: DeviceName = "any",
    wait: Wait = True,
    url: Server = None,
    as_json: AsJson = False,
) -> None:
    """Have a worker measure the accuracy of a searched model on a data set."""
    with BenchClient(url) as bench:
        job = bench.evaluate(
            model=model,
            dataset=dataset,
            batch_size=batch_size,
            precision=precision,  # type: ignore[arg-type]  # checked by the server
            device=device,  # type: ignore[arg-type]  # checked by the server
            wait=wait,
        )
    _print(job, as_json=as_json)


@app.command("train")
def train_command(  # noqa: PLR0913 - the choices of a training
    *,
    dataset: DatasetName,
    recipe: RecipeText,
    model: Annotated[str | None, typer.Option(help="A searched model.")] = None,
    benchmark: Annotated[str | None, typer.Option(help="Or a benchmark.")] = None,
    space: Annotated[str | None, typer.Option(help="Or a model space.")] = None,
    arch: Annotated[
        str | None, typer.Option(help="Architecture of the benchmark or, as JSON, of the space.")
    ] = None,
    arguments: SpaceArguments = None,
    trainer: Annotated[
        str | None,
        typer.Option(help="Name of a worker's trainer, or a JSON object with `options`."),
    ] = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    weights: Annotated[
        bool, typer.Option("--weights", help="Store the trained weights as a file of the job.")
    ] = False,
    device: DeviceName = "any",
    wait: Wait = True,
    url: Server = None,
    as_json: AsJson = False,
) -> None:
    """Have a worker train a network on one part of a data set and evaluate it on another."""
    with BenchClient(url) as bench:
        job = bench.train(
            benchmark=benchmark,
            model=model,
            space=space,
            arch=None if arch is None else _read(arch, "--arch"),
            arguments=None if arguments is None else _read(arguments, "--arguments"),
            dataset=dataset,
            recipe=_read(recipe, "--recipe"),
            trainer=None if trainer is None else _read(trainer, "--trainer"),
            epochs=epochs,
            seed=seed,
            weights=weights,
            device=device,  # type: ignore[arg-type]  # checked by the server
            wait=wait,
        )
    _print(job, as_json=as_json)


@app.command("train-supernet")
def train_supernet_command(  # noqa: PLR0913 - the choices of a training
    *,
    space: Annotated[str, typer.Option(help="A model space.")],
    dataset: DatasetName,
    recipe: RecipeText,
    sampler: Annotated[
        str | None,
        typer.Option(
            help="UniformPaths (the default), FairPaths, SandwichPaths, BinnedPaths or "
            'PolicyPaths, or JSON with its "name".'
        ),
    ] = None,
    relaxation: Annotated[
        str | None,
        typer.Option(
            help="Search by gradients: Softmax, Gumbel, GumbelHard, BinaryGates or Reinforced, or "
            'JSON with its "name".'
        ),
    ] = None,
    arch_recipe: Annotated[
        str | None, typer.Option(help="Recipe of the relaxation's logits, as JSON.")
    ] = None,
    costs: Annotated[
        str | None, typer.Option(help='macs or parameters, or JSON with "metric" and "unit".')
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help='Loss of the expected cost, as JSON with its "name".')
    ] = None,
    arguments: SpaceArguments = None,
    fractions: Annotated[
        str, typer.Option(help="Fractions for training and for the search, as JSON.")
    ] = "[0.8, 0.2]",
    epochs: Epochs = None,
    seed: Seed = 0,
    device: DeviceName = "any",
    wait: Wait = True,
    url: Server = None,
    as_json: AsJson = False,
) -> None:
    """Have a worker train the supernet of a space; `get` downloads supernet.safetensors."""
    with BenchClient(url) as bench:
        job = bench.train_supernet(
            space,
            _read_if(arguments, "--arguments"),
            dataset=dataset,
            recipe=_read(recipe, "--recipe"),
            sampler=_read_if(sampler, "--sampler"),
            relaxation=_read_if(relaxation, "--relaxation"),
            arch_recipe=_read_if(arch_recipe, "--arch-recipe"),
            costs=_read_if(costs, "--costs"),
            loss=_read_if(loss, "--loss"),
            fractions=_read(fractions, "--fractions"),
            epochs=epochs,
            split_seed=seed,
            seed=seed,
            device=device,  # type: ignore[arg-type]  # checked by the server
            wait=wait,
        )
    _print(job, as_json=as_json)


def _read(text: str, option: str) -> Any:
    """Return an option's value: JSON if it looks like an object or list, else its text.

    Raises:
        typer.BadParameter: The JSON is invalid.
    """
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"it is not JSON: {error}", param_hint=option) from None


def _read_if(text: str | None, option: str) -> Any:
    """Return an option's value; None if it is not given."""
    return None if text is None else _read(text, option)


def _tell(job: Job) -> None:
    """Write a line about the progress of a job to standard error."""
    progress = job.progress
    far = f" {progress.stage} {progress.done}/{progress.total or '?'}" if progress else ""
    sys.stderr.write(cleaned(f"{job.id} {job.state}{far}") + "\n")


def _row(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "created": f"{job.created_at:%Y-%m-%d %H:%M:%S}",
        "worker": job.worker,
    }


def _print(job: Job, *, as_json: bool) -> None:
    if wants_json(asked=as_json):
        print_json(job.model_dump(mode="json"))
        return
    result = job.result or {}
    figures = {
        f"  {name}": value
        for name, value in {**result, **result.get("metrics", {})}.items()
        # Tables, such as classes and provenance, are printed with --json only.
        if not isinstance(value, dict | list)
    }
    print_fields(
        _row(job)
        | figures
        | {artifact.name: f"{artifact.size} bytes" for artifact in job.artifacts}
        | ({"error": job.error.message} if job.error else {})
    )
