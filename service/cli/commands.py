"""The commands of `nbs`, and how their failures are told."""

from __future__ import annotations

import os
import sqlite3
import sys
import traceback
import warnings
from typing import Annotated, Final

import typer

from bench_client import BenchError
from bench_client.untrusted import cleaned
from benchmark_db.errors import BenchmarkDataError
from generators.build import BuildError
from generators.fetch import FetchError
from missing_extra import MissingExtraError
from model_hub.errors import ModelHubError
from nas_search.study import StudyError
from safe_pickle import ArchiveError
from service.access.keys import KeyFileError
from service.cli import data, jobs, keys, oracle, query, serve, zoo
from service.cli.batch import batch
from service.cli.export import export_command
from service.cli.fetch import fetch_command
from service.cli.hash import hash_command
from service.cli.study import study_command
from service.cli.worker import worker
from service.secret_files import WrongSettingError

__all__ = ["run"]

_FAILURES: Final = (
    BenchError,
    BenchmarkDataError,
    BuildError,
    ArchiveError,
    FetchError,
    StudyError,
    ModelHubError,
    KeyFileError,
    WrongSettingError,
    MissingExtraError,
    OSError,
    sqlite3.Error,
)
_INTERRUPTED: Final = 130

app = typer.Typer(
    name="nbs",
    help="Benchmarks of neural architecture search: convert, serve, ask.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("fetch")(fetch_command)
app.command("generate")(data.generate)
app.command("sample")(data.sample)
app.command("info")(data.info)
app.command("verify")(data.verify)
app.command("serve")(serve.serve)
app.command("export")(export_command)
app.command("hash")(hash_command)
app.command("study")(study_command)
app.command("worker")(worker)
app.command("batch")(batch)
app.command("top")(oracle.top)
app.command("pareto")(oracle.pareto)
app.command("rank")(oracle.rank)
app.command("distribution")(oracle.distribution)
app.command("random")(oracle.random)
app.command("neighbors")(oracle.neighbors)
app.add_typer(query.app, name="query")
app.add_typer(zoo.app, name="zoo")
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")


@app.callback()
def _options(
    *,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the program a failure arose.")
    ] = False,
) -> None:
    os.environ["NASBENCH_DEBUG"] = "1" if debug else ""


def run() -> int:
    """Run the command line and return its exit status."""
    warnings.showwarning = _tell_warning
    try:
        app(prog_name="nbs", standalone_mode=True)
    except _FAILURES as error:
        if os.environ.get("NASBENCH_DEBUG"):
            traceback.print_exc()
        sys.stderr.write(f"nbs: {_shown(error)}\n")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _tell_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Write a warning as one line for people, without the place in the program."""
    sys.stderr.write(f"nbs: note: {_shown(message)}\n")


def _shown(message: object) -> str:
    """Return a message for a terminal: its lines, without control characters."""
    return "\n".join(cleaned(line) for line in str(message).split("\n"))
