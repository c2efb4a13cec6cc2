"""`nbs jobs`: what workers beside a server do, have done and will do."""

from __future__ import annotations

import sys
from typing import Annotated, Any, TypeAlias

import typer

from bench_client import BenchClient, Job
from service.cli.asking import Url
from service.cli.data import AsJson
from service.cli.output import print_fields, print_items, print_json, wants_json

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Jobs of a server: listed, watched, cancelled.")

JobId: TypeAlias = Annotated[str, typer.Argument(help="Id of a job; `nbs jobs list` has them.")]


@app.command("list")
def list_command(
    *,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="model, evaluation or latency.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs, the latest first. A key is taken from $NASBENCH_API_KEY."""
    with BenchClient(url) as bench:
        found = bench.jobs(
            state=state,  # type: ignore[arg-type]  # checked by the server
            kind=kind,  # type: ignore[arg-type]  # checked by the server
            limit=limit,
        )
    if wants_json(asked=as_json):
        print_json([job.model_dump(mode="json") for job in found])
    else:
        print_items([_row(job) for job in found], "Jobs, the latest first")


@app.command("show")
def show_command(job: JobId, *, url: Url = None, as_json: AsJson = False) -> None:
    """Show a job."""
    with BenchClient(url) as bench:
        _print(bench.job(job), as_json=as_json)


@app.command("watch")
def watch_command(
    job: JobId,
    *,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait at most; without end by default.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Tell what happens to a job until it ends, then show it; status 1 if it has no result."""
    with BenchClient(url) as bench:
        _print(bench.wait(job, timeout=timeout, progress=_tell), as_json=as_json)


@app.command("cancel")
def cancel_command(job: JobId, *, url: Url = None, as_json: AsJson = False) -> None:
    """Cancel a job; one that has ended stays as it is."""
    with BenchClient(url) as bench:
        _print(bench.cancel(job), as_json=as_json)


def _tell(job: Job) -> None:
    """Write a line about a job to standard error."""
    progress = job.progress
    far = f" {progress.stage} {progress.done}/{progress.total or '?'}" if progress else ""
    sys.stderr.write(f"{job.id} {job.state}{far}\n")


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
    print_fields(
        _row(job)
        | {f"  {name}": value for name, value in (job.result or {}).items()}
        | {artifact.name: f"{artifact.size} bytes" for artifact in job.artifacts}
        | ({"error": job.error.message} if job.error else {})
    )
