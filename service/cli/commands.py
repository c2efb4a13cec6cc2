"""The commands of `nbs`, and how their errors are printed.

Each command is an entry of `COMMANDS`. Its module is imported when it runs, so that `nbs --help`
and queries to a server import neither NumPy, peewee nor PyTorch.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
import warnings
from collections.abc import Mapping
from importlib import import_module
from inspect import getdoc
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from missing_extra import MissingExtraError, needs

__all__ = ["COMMANDS", "Command", "run"]


class Command(NamedTuple):
    """The location of a command, and its help in `nbs --help`.

    Attributes:
        module: Its module in this package.
        name: The function of the command, or a Typer of subcommands, in the module.
        help: The first paragraph of its own help; a test compares them.
        example: An example command line, shown at the end of its help.
    """

    module: str
    name: str
    help: str
    example: str | None = None

    def load(self) -> Any:
        """Import the module and return the command."""
        return getattr(import_module(f"service.cli.{self.module}"), self.name)


_PART: Final = "--num-epochs 200 --dataset cifar100"

COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {
        "start": Command(
            "start", "start", "Ask what to do, and do it or show the command that does it."
        ),
        "fetch": Command(
            "databases",
            "fetch",
            "Download a raw archive, resuming interrupted downloads; without a name, list all.",
            example="nbs fetch nasbenchmacro --out raw",
        ),
        "generate": Command(
            "databases",
            "generate",
            "Convert a raw archive into a database.",
            example="nbs generate nasbench201 NAS-Bench-201-v1_1-096897.pth",
        ),
        "sample": Command(
            "databases",
            "sample",
            "Write small synthetic archives in the raw formats, to try everything out.",
            example="nbs sample raw --convert data",
        ),
        "doctor": Command(
            "doctor",
            "doctor",
            "Check this installation and say how to fix problems.",
            example="nbs doctor --url http://127.0.0.1:8000",
        ),
        "info": Command(
            "databases",
            "info",
            "Show the installed databases, their origin and their contents.",
            example="nbs info nasbench201",
        ),
        "verify": Command(
            "databases",
            "verify",
            "Read a whole database and verify it against its stored digests.",
            example="nbs verify ~/.nasbenchmark/nasbench201.db",
        ),
        "serve": Command(
            "serve",
            "serve",
            "Serve the installed databases over HTTP until interrupted.",
            example="nbs serve --data data --port 9000",
        ),
        "export": Command(
            "export",
            "export",
            "Export all matching runs to a file: a row per run, or per configuration when reduced.",
            example="nbs export nasbench201 --dataset cifar100 --out runs.parquet",
        ),
        "query": Command(
            "query",
            "query",
            "Query the runs of a benchmark or declared table.",
            example=f"nbs query nasbench201 0 {_PART} --reduction mean",
        ),
        "hash": Command(
            "query",
            "hash_cells",
            "Hash NAS-Bench-101 cells; isomorphic cells have equal hashes.",
            example='nbs hash \'{"op1": "conv3x3", "input1": [0], "input2": [1]}\'',
        ),
        "search": Command(
            "search", "app", "Searches on benchmarks and spaces: run, resume, show, export."
        ),
        "study": Command(
            "study",
            "study",
            "Compare searches: median and quartiles of the simple regret at simulated times, or by "
            "trials.",
            example="nbs study runs/*.json --plot regret.svg",
        ),
        "supernet": Command("supernet", "app", "Supernets: train, search, extract networks."),
        "backup": Command(
            "backup",
            "backup",
            "Save keys, jobs, artifacts and uploaded weights into one file; servers may keep "
            "running.",
            example="nbs backup monday.tar --databases",
        ),
        "restore": Command(
            "backup",
            "restore",
            "Restore a backup: keys, jobs, artifacts, weights, and databases if it has any.",
            example="nbs restore monday.tar",
        ),
        "worker": Command(
            "serve",
            "worker",
            "Run jobs until interrupted: build, evaluate, time and train networks.",
            example="nbs worker --device cpu --threads 2",
        ),
        "batch": Command(
            "query",
            "batch",
            "Query the runs of many architectures; prints a JSON list in their order.",
            example=f"echo '[0, 1, 2]' | nbs batch nasbench201 - {_PART}",
        ),
        "top": Command(
            "oracle",
            "top",
            "Show the best architectures by a metric, the mean over their runs, within bounds.",
            example=f"nbs top nasbench201 --metric test_acc {_PART} --max flops=150",
        ),
        "pareto": Command(
            "oracle",
            "pareto",
            "Show the Pareto front of two metrics: architectures that no other dominates.",
            example=f"nbs pareto nasbench201 --x test_acc --y parameters {_PART}",
        ),
        "rank": Command(
            "oracle",
            "rank",
            "Show the rank of an architecture by a metric, and its regret.",
            example=f"nbs rank nasbench201 0 --metric test_acc {_PART}",
        ),
        "correlation": Command(
            "oracle",
            "correlation",
            "Show the correlation of two metrics: Kendall, Spearman, Pearson, overlap of the best.",
            example=f"nbs correlation nasbench201 --x valid_acc --y test_acc {_PART}",
        ),
        "distribution": Command(
            "oracle",
            "distribution",
            "Show the distribution of a metric over all architectures; its points as JSON only.",
            example=f"nbs distribution nasbench201 --metric test_acc {_PART}",
        ),
        "random": Command(
            "oracle",
            "random",
            "Show architectures drawn uniformly from those that have runs.",
            example="nbs random nasbench201 -n 5 --seed 1",
        ),
        "neighbors": Command(
            "oracle",
            "neighbors",
            "Show all architectures one edit away from one.",
            example="nbs neighbors nasbench201 0",
        ),
        "plan": Command(
            "plan",
            "app",
            "Your own benchmarks: plan them, have workers measure them, publish them.",
        ),
        "zoo": Command("zoo", "app", "Searched models: their weights and accuracy."),
        "mcp": Command(
            "mcp_tools",
            "mcp",
            "Offer queries to an agent as tools of the Model Context Protocol, on standard input.",
            example="nbs mcp --url http://127.0.0.1:8000",
        ),
        "jobs": Command("jobs", "app", "Jobs of a server: list, watch, fetch results."),
        "keys": Command("keys", "app", "Keys of a server: create, list, revoke."),
    }
)

_PANELS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Begin": ("start", "doctor"),
        "Tables": ("fetch", "generate", "sample", "info", "verify"),
        "Query": (
            *("query", "batch", "hash", "top", "pareto", "rank", "correlation", "distribution"),
            *("random", "neighbors", "export"),
        ),
        "Search and train": ("search", "study", "supernet", "zoo", "plan"),
        "Serve": ("serve", "worker", "jobs", "keys", "mcp", "backup", "restore"),
    }
)
"""The commands as `nbs --help` groups them."""

_FAILURES: Final = (
    ("bench_client.errors", "BenchError"),
    ("benchmark_db.errors", "BenchmarkDataError"),
    ("benchmark_spec.errors", "SpecError"),
    ("generators.build", "BuildError"),
    ("generators.downloading", "FetchError"),
    ("safe_pickle", "ArchiveError"),
    ("missing_extra", "MissingExtraError"),
    ("model_hub.errors", "ModelHubError"),
    ("nas_search.errors", "StudyError"),
    ("service.access.keys", "KeyFileError"),
    ("service.secret_files", "WrongSettingError"),
    ("sqlite3", "Error"),
)
"""Errors that are printed without a traceback, by module and name; OSError is another."""

_INTERRUPTED: Final = 130
_PYDANTIC: Final = re.compile(r"Value error, |Input should be|, unable to parse string as an? \w+")
_WrongUsage: Final[Any] = typer.BadParameter.__base__
"""Typer's exception for a wrong command line, which has no public name."""


class _LazyCommands(TyperGroup):
    """The group of all commands, which imports only the command that runs."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for panel, names in _PANELS.items():
            for name in names:
                self.add_command(
                    TyperCommand(name, help=COMMANDS[name].help, rich_help_panel=panel)
                )

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that the arguments name, and the remaining arguments."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed if name is None else _imported(COMMANDS[name]), rest


def _imported(command: Command) -> Any:
    """Return an imported command as a click command."""
    with needs("cli", "the command line"):
        found = command.load()
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False)
        found.command(epilog=command.example and f"Example: {command.example}")(function)
    for each in found.registered_commands:
        each.help = _paragraphs(each.help or getdoc(each.callback) or "")
    return typer.main.get_command(found)


def _paragraphs(text: str) -> str:
    """Return a docstring with one line per paragraph, for the terminal to wrap."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


app = typer.Typer(
    name="nbs",
    cls=_LazyCommands,
    help="Benchmarks of neural architecture search: convert, serve, query.",
    epilog="See COMMAND --help for details. Exit status: 0; 1 for a failure; 2 for wrong usage; "
    "130 when interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if asked:
        from importlib.metadata import version

        sys.stdout.write(f"nbs {version('nas-bench-service')}\n")
        raise typer.Exit


@app.callback()
def _options(
    *,
    debug: Annotated[
        bool, typer.Option("--debug", help="Print the traceback of a failure.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    os.environ["NASBENCH_DEBUG"] = "1" if debug else ""


def run() -> int:
    """Run the command line and return its exit status."""
    warnings.showwarning = _print_warning
    try:
        return _run_app()
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except _WrongUsage as error:
        return _print_usage_error(error)
    except Exception as error:
        # Only loaded modules are checked for expected errors: importing all takes a second.
        if not isinstance(error, _failures()):
            raise
        if os.environ.get("NASBENCH_DEBUG"):
            traceback.print_exc()
        sys.stderr.write(f"nbs: {_for_terminal(_error_message(error))}\n")
        return 1


def _run_app() -> int:
    """Run the command of the arguments; if a library is missing, raise an error with its extra."""
    try:
        ended = app(prog_name="nbs", standalone_mode=False)
        return ended if isinstance(ended, int) else 0
    except MissingExtraError:
        raise
    except ModuleNotFoundError:
        with needs("cli", "the command line"):
            raise


def _print_usage_error(error: Any) -> int:
    """Print an error of the command line on one line, which can be copied."""
    if type(error).__name__ != "NoArgsIsHelpError":  # the help has been printed already
        message = _PYDANTIC.sub(_plain_phrase, " ".join(error.format_message().split()))
        command = "nbs" if error.ctx is None else error.ctx.command_path
        told = _for_terminal(f"{message[:1].lower()}{message[1:]}").rstrip(".")
        sys.stderr.write(f"nbs: {told}; see {command} --help\n")
    return int(error.exit_code)


def _plain_phrase(found: re.Match[str]) -> str:
    """Simplify a phrase of pydantic about a value."""
    return "it must be" if found[0].startswith("Input") else ""


def _failures() -> tuple[type[Exception], ...]:
    """Return the classes of expected errors whose modules are loaded."""
    known = (getattr(sys.modules.get(module), name, None) for module, name in _FAILURES)
    return (OSError, *(kind for kind in known if kind is not None))


def _error_message(error: Exception) -> object:
    """Return the message of an error; for system errors with a remedy, if known."""
    if not isinstance(error, OSError) or not isinstance(error.filename, str):
        return error
    path = Path(error.filename).absolute()
    reason = (error.strerror or str(error)).lower()
    if isinstance(error, FileNotFoundError | NotADirectoryError) and not path.parent.is_dir():
        there = next(folder for folder in path.parents if folder.exists())
        if not there.is_dir():
            return f"{there} is a file, but a folder is needed: choose another path"
        return f"there is no folder {path.parent}: create it, or choose another path"
    if path.name.startswith((".", "tmp")) and not os.path.lexists(path):
        # A temporary file, whose name means nothing to the user.
        return f"nothing can be written into {path.parent}: {reason}; choose another folder"
    return f"{error.filename}: {reason}"


def _print_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning on one line, without its place in the program."""
    sys.stderr.write(f"nbs: note: {_for_terminal(message)}\n")


def _for_terminal(message: object) -> str:
    """Return a message for a terminal, without control characters."""
    from bench_client.untrusted import cleaned

    return "\n".join(cleaned(line) for line in str(message).split("\n"))
