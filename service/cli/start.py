"""`nbs start`: asks what to do, and does it or shows the command that does it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import typer

from service.cli.options import AsJson, DataDirectory, data_directory
from service.cli.output import print_json

__all__ = ["Choice", "start"]

_INTERRUPTED: Final = 130
_TIMEOUT: Final = 5.0
"""Timeout of the server's first response."""
_DEFAULT_URL: Final = "http://127.0.0.1:8000"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A choice of `nbs start`.

    Attributes:
        name: Its name: `nbs start NAME` does it without asking.
        says: Its description on one line.
        command: The command that does the same.
    """

    name: str
    says: str
    command: str


CHOICES: Final = (
    Choice(
        name="serve",
        says="serve databases and pages on this machine, synthetic ones if there are none",
        command="nbs serve",
    ),
    Choice(
        name="generate",
        says="create the database of a published table",
        command="nbs generate NAME ARCHIVE",
    ),
    Choice(
        name="look",
        says="open the pages of a running server: plots, searches, jobs",
        command="nbs start look",
    ),
    Choice(
        name="work",
        says="run the server's jobs on this machine: build, train, evaluate, time networks",
        command="nbs worker",
    ),
)


def start(
    what: Annotated[
        str | None,
        typer.Argument(help=f"One of {', '.join(choice.name for choice in CHOICES)}."),
    ] = None,
    *,
    data: DataDirectory = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port to serve on, with `serve`.")
    ] = 8000,
    url: Annotated[
        str | None, typer.Option(envvar="NASBENCH_URL", help="The server to look at.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask what to do, and do it or show the command that does it.

    Without a terminal, or with --json, the choices are printed and nothing is done.
    """
    asking = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    if what is None and not asking:
        _print_choices(as_json=as_json)
        return
    actions: Mapping[str, Callable[[], None]] = {
        "serve": lambda: _serve(data_directory(data), port),
        "generate": lambda: _generate(data_directory(data), asking=asking),
        "look": lambda: _look(url),
        "work": _work,
    }
    try:
        chosen = _chosen(what) if what is not None else _asked()
        if as_json:
            print_json(asdict(_BY_NAME[chosen]))
        else:
            actions[chosen]()
    except EOFError:
        _say("\nnbs: no more input; nothing more is done")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _say("\nnbs: interrupted")
        raise typer.Exit(_INTERRUPTED) from None


_BY_NAME: Final = MappingProxyType({choice.name: choice for choice in CHOICES})


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _ask(question: str) -> str:
    """Ask for a line on standard error.

    Raises:
        EOFError: The input has ended.
    """
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()


def _print_choices(*, as_json: bool) -> None:
    if as_json:
        print_json({"choices": [asdict(choice) for choice in CHOICES]})
        return
    for choice in CHOICES:
        sys.stdout.write(f"{choice.name:<9} {choice.says}\n{'':<9} {choice.command}\n")


def _chosen(word: str) -> str:
    """Return the choice for a number, a name or the beginning of a name.

    Raises:
        typer.BadParameter: No choice, or several, match.
    """
    names = list(_BY_NAME)
    word = word.lower()
    if word.isdecimal() and 0 < int(word[:3]) <= len(names):
        return names[int(word[:3]) - 1]
    begun = [name for name in names if word and name.startswith(word)]
    if len(begun) == 1:
        return begun[0]
    near = get_close_matches(word, names, n=1)
    hint = f"is {near[0]} meant? " if near else ""
    raise typer.BadParameter(f"{word!r:.80} is unknown; {hint}choices: {', '.join(names)}")


def _asked() -> str:
    """Ask until a choice is named; an empty line selects the first one."""
    _say("What do you want to do?")
    for number, choice in enumerate(CHOICES, start=1):
        _say(f"  {number}  {choice.name:<9} {choice.says}")
    while True:
        word = _ask(f"1 to {len(CHOICES)}, or a name [1]: ")
        try:
            return _chosen(word or "1")
        except typer.BadParameter as error:
            _say(error.message)


def _serve(directory: Path, port: int) -> None:
    """Serve the databases of a folder, creating synthetic ones if it has none."""
    from service.cli.databases import sample
    from service.cli.serve import listener_at, serve

    listener_at("127.0.0.1", port).close()  # reports an occupied port before creating databases
    if not any(directory.glob("*.db")):
        _say(f"No database in {directory}: creating synthetic ones.")
        sample(directory / "raw", convert=directory)
    _say(f"> {shlex.join(['nbs', 'serve', '--data', str(directory), '--port', str(port)])}")
    serve(data=directory, port=port)


def _generate(directory: Path, *, asking: bool) -> None:
    """Ask for a table and its archive and convert it; without asking, list the commands."""
    from generators.fetch import published_files

    published = published_files()
    if not asking:
        for name, each in published.items():
            sys.stdout.write(f"nbs generate {name} {each.files[0].name}\n")
        sys.stdout.write("nbs fetch lists the sources of the files\n")
        return
    for number, (name, each) in enumerate(published.items(), start=1):
        _say(f"  {number:>2}  {name:<20} {each.title}")
    names = list(published)
    while (name := _named(_ask("Which table? "), names)) is None:  # type: ignore[assignment]
        _say(f"1 to {len(names)}, or a name")
    each = published[name]
    what = f"the folder of {len(each.files)} files" if each.together else each.files[0].name
    raw = _ask(f"Path of {what}, empty to fetch it: ")
    if raw:
        _convert(name, Path(raw).expanduser(), directory)
        return
    if each.files[0].url is None:
        _say(f"it cannot be downloaded by a program: {each.by_hand(each.files[0])}")
        return
    from service.cli.databases import fetch

    _say(f"> nbs fetch {name} --out {shlex.quote(str(directory / 'raw'))}")
    fetch(name, out=directory / "raw")
    at = name if each.together else each.files[0].name
    _convert(name, directory / "raw" / at, directory)


def _named(word: str, names: list[str]) -> str | None:
    """Return the table for a number or an approximate name; None if there is none."""
    if word.isdecimal():
        number = int(word[:3])
        return names[number - 1] if 0 < number <= len(names) else None
    parts = [name for name in names if word and word.lower() in name]
    if len(parts) == 1:
        return parts[0]
    return next(iter(get_close_matches(word.lower(), names, n=1)), None)


def _convert(name: str, raw: Path, directory: Path) -> None:
    from service.cli.databases import generate

    if not raw.exists():
        _say(f"nbs: there is no {raw}; once it exists: nbs generate {name} {shlex.quote(str(raw))}")
        raise typer.Exit(1)
    _say(f"> {shlex.join(['nbs', 'generate', name, str(raw), '--out', str(directory)])}")
    generate(name, raw, out=directory)


def _look(url: str | None) -> None:
    """Print the address of a server's pages, and open it in a browser if there is one."""
    from bench_client import BenchClient, BenchError

    address = url or _DEFAULT_URL
    with BenchClient(address, timeout=_TIMEOUT, retries=0) as bench:
        try:
            names = [found.name for found in bench.benchmarks()]
        except BenchError as error:
            _say(f"nbs: {error}")
            _say("no server found; start one in another terminal: nbs start serve")
            raise typer.Exit(1) from None
    page = f"{address.rstrip('/')}/explore"
    if "nasbench201" in names:
        page += "/nasbench201"
    sys.stdout.write(f"{page}\n")
    if _has_browser():
        import webbrowser

        webbrowser.open(page)


def _has_browser() -> bool:
    """Tell whether a graphical browser can open, as one in the terminal would take it over."""
    if not sys.stdout.isatty():
        return False
    return sys.platform == "darwin" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def _work() -> None:
    from service.cli.serve import worker

    _say("> nbs worker")
    worker()
