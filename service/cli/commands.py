"""The commands of `nbs`, and how their failures are told.

A command is a line of `COMMANDS`; its module is imported when it runs, so that `nbs --help` and
questions to a server wait for neither NumPy, peewee nor PyTorch.
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
    """Where a command is, and what `nbs --help` says of it.

    Attributes:
        module: Its module in this package.
        name: There, a function that is the command, or a Typer of several.
        help: The first paragraph of its own help; a test compares them.
        example: A command line that its own help ends with, for others to be made from.
    """

    module: str
    name: str
    help: str
    example: str | None = None

    def load(self) -> Any:
        """Import its module and return what is there."""
        return getattr(import_module(f"service.cli.{self.module}"), self.name)


_PART: Final = "--num-epochs 200 --dataset cifar100"

COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {
        "start": Command(
            "start", "start", "Ask what one wants, and do it or say the one command that would."
        ),
        "fetch": Command(
            "databases",
            "fetch",
            "Download a raw archive, going on where a download broke off; list all without a name.",
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
            "Write small made-up archives in the raw formats, to try everything out.",
            example="nbs sample raw --convert data",
        ),
        "doctor": Command(
            "doctor",
            "doctor",
            "Look at this installation and say what to do about what is not right.",
            example="nbs doctor --url http://127.0.0.1:8000",
        ),
        "info": Command(
            "databases",
            "info",
            "Tell which databases are installed, where they come from and what they hold.",
            example="nbs info nasbench201",
        ),
        "verify": Command(
            "databases",
            "verify",
            "Read a database whole and compare it with what it says of itself.",
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
            "Write everything that matches into a file: a row a run, or a configuration when "
            "reduced.",
            example="nbs export nasbench201 --dataset cifar100 --out runs.parquet",
        ),
        "query": Command(
            "query",
            "query",
            "Ask a benchmark or declared table for its runs.",
            example=f"nbs query nasbench201 0 {_PART} --reduction mean",
        ),
        "hash": Command(
            "query",
            "hash_cells",
            "Hash NAS-Bench-101 cells: equal hashes are isomorphic cells.",
            example='nbs hash \'{"op1": "conv3x3", "input1": [0], "input2": [1]}\'',
        ),
        "search": Command(
            "search",
            "app",
            "Searches on benchmarks and spaces: run, gone on with, shown, exported.",
        ),
        "study": Command(
            "study",
            "study",
            "Compare searches: median and quartiles of the simple regret at simulated times, or by "
            "trials.",
            example="nbs study runs/*.json --plot regret.svg",
        ),
        "supernet": Command(
            "supernet",
            "app",
            "Supernets: trained, searched, and networks taken out of them.",
        ),
        "backup": Command(
            "backup",
            "backup",
            "Save keys, jobs, artifacts and uploaded weights into one file; servers may go on "
            "running.",
            example="nbs backup monday.tar --databases",
        ),
        "restore": Command(
            "backup",
            "restore",
            "Put a backup in place: keys, jobs, artifacts, weights, and databases that it has.",
            example="nbs restore monday.tar",
        ),
        "worker": Command(
            "serve",
            "worker",
            "Do jobs: build, evaluate and time networks, until interrupted.",
            example="nbs worker --device cpu --threads 2",
        ),
        "batch": Command(
            "query",
            "batch",
            "Ask for the runs of many architectures; prints a JSON list aligned with them.",
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
            "Show the architectures that none beats in one metric without losing in the other.",
            example=f"nbs pareto nasbench201 --x test_acc --y parameters {_PART}",
        ),
        "rank": Command(
            "oracle",
            "rank",
            "Show where an architecture stands among all by a metric, and its regret.",
            example=f"nbs rank nasbench201 0 --metric test_acc {_PART}",
        ),
        "correlation": Command(
            "oracle",
            "correlation",
            "Show how well two metrics agree: Kendall, Spearman, Pearson, overlap of the best.",
            example=f"nbs correlation nasbench201 --x valid_acc --y test_acc {_PART}",
        ),
        "distribution": Command(
            "oracle",
            "distribution",
            "Show how a metric is distributed over all architectures; its points as JSON only.",
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
            "Benchmarks of one's own: planned, measured by workers, published.",
        ),
        "zoo": Command("zoo", "app", "Searched models: their weights and accuracy."),
        "mcp": Command(
            "mcp_tools",
            "mcp",
            "Offer the questions to an agent, as tools of the Model Context Protocol on standard "
            "input.",
            example="nbs mcp --url http://127.0.0.1:8000",
        ),
        "jobs": Command("jobs", "app", "Jobs of a server: listed, watched, fetched."),
        "keys": Command("keys", "app", "Keys of a server: create, list, revoke."),
    }
)

_PANELS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Begin": ("start", "doctor"),
        "Tables": ("fetch", "generate", "sample", "info", "verify"),
        "Ask": (
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
"""Modules and names of errors that are told in a line, without a traceback; OSError is another."""

_INTERRUPTED: Final = 130
_PYDANTIC: Final = re.compile(r"Value error, |Input should be|, unable to parse string as an? \w+")
_WrongUsage: Final[Any] = typer.BadParameter.__base__
"""What typer raises where a command line is wrong; it has no public name of its own."""


class _LateCommands(TyperGroup):
    """The group of all commands: lists them by their sentences, and imports the one that is run."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for panel, names in _PANELS.items():
            for name in names:
                self.add_command(
                    TyperCommand(name, help=COMMANDS[name].help, rich_help_panel=panel)
                )

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that arguments name, and what is left of them."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed if name is None else _imported(COMMANDS[name]), rest


def _imported(command: Command) -> Any:
    """Return a command as typer runs it."""
    with needs("cli", "the command line"):
        found = command.load()
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False)
        found.command(epilog=command.example and f"Example: {command.example}")(function)
    for each in found.registered_commands:
        each.help = _paragraphs(each.help or getdoc(each.callback) or "")
    return typer.main.get_command(found)


def _paragraphs(text: str) -> str:
    """Return the paragraphs of a docstring with a line each, which a terminal breaks anew."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


app = typer.Typer(
    name="nbs",
    cls=_LateCommands,
    help="Benchmarks of neural architecture search: convert, serve, ask.",
    epilog="Each COMMAND --help says more. Exits with 0; 1 for a failure, told in a line; 2 for "
    "wrong usage; 130 when interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)


def _tell_version(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if asked:
        from importlib.metadata import version

        sys.stdout.write(f"nbs {version('nas-bench-service')}\n")
        raise typer.Exit


@app.callback()
def _options(
    *,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the program a failure arose.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - acts when it is read
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Tell the version, and end."
        ),
    ] = False,
) -> None:
    os.environ["NASBENCH_DEBUG"] = "1" if debug else ""


def run() -> int:
    """Run the command line and return its exit status."""
    warnings.showwarning = _tell_warning
    try:
        return _run_app()
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except _WrongUsage as error:
        return _tell_usage(error)
    except Exception as error:
        # Which errors are expected is asked of the modules that are loaded: all take a second.
        if not isinstance(error, _failures()):
            raise
        if os.environ.get("NASBENCH_DEBUG"):
            traceback.print_exc()
        sys.stderr.write(f"nbs: {_shown(_without_number(error))}\n")
        return 1


def _run_app() -> int:
    """Run the command that the arguments name; where a library is missing, name its extra."""
    try:
        ended = app(prog_name="nbs", standalone_mode=False)
        return ended if isinstance(ended, int) else 0
    except MissingExtraError:
        raise
    except ModuleNotFoundError:
        with needs("cli", "the command line"):
            raise


def _tell_usage(error: Any) -> int:
    """Tell what is wrong with a command line, in a line that can be copied from."""
    if type(error).__name__ != "NoArgsIsHelpError":  # whose help has been shown
        message = _PYDANTIC.sub(_plainly, " ".join(error.format_message().split()))
        command = "nbs" if error.ctx is None else error.ctx.command_path
        told = _shown(f"{message[:1].lower()}{message[1:]}").rstrip(".")
        sys.stderr.write(f"nbs: {told}; see {command} --help\n")
    return int(error.exit_code)


def _plainly(found: re.Match[str]) -> str:
    """Return words of pydantic about a value as those of a person."""
    return "it must be" if found[0].startswith("Input") else ""


def _failures() -> tuple[type[Exception], ...]:
    """Return the classes of expected errors; one whose module is not loaded was not raised."""
    known = (getattr(sys.modules.get(module), name, None) for module, name in _FAILURES)
    return (OSError, *(kind for kind in known if kind is not None))


def _without_number(error: Exception) -> object:
    """Return what an error says, of one of the system what is to be done where that is known."""
    if not isinstance(error, OSError) or not isinstance(error.filename, str):
        return error
    path = Path(error.filename).absolute()
    reason = (error.strerror or str(error)).lower()
    if isinstance(error, FileNotFoundError | NotADirectoryError) and not path.parent.is_dir():
        there = next(folder for folder in path.parents if folder.exists())
        if not there.is_dir():
            return f"{there} is a file, where a folder is needed: name another one"
        return f"there is no folder {path.parent}: make it first, or name another one"
    if path.name.startswith((".", "tmp")) and not os.path.lexists(path):
        # A file that gets its name when it is whole: its own would tell nobody anything.
        return f"nothing can be written into {path.parent}: {reason}; name another folder"
    return f"{error.filename}: {reason}"


def _tell_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Write a warning as one line for people, without the place in the program."""
    sys.stderr.write(f"nbs: note: {_shown(message)}\n")


def _shown(message: object) -> str:
    """Return a message for a terminal: its lines, without control characters."""
    from bench_client.untrusted import cleaned

    return "\n".join(cleaned(line) for line in str(message).split("\n"))
