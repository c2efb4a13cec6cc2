"""Commands for databases and their raw archives: fetch, generate, sample, info, verify."""

from __future__ import annotations

import functools
import re
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from benchmark_spec.published import PUBLISHED
from service.cli.options import (
    AsJson,
    DataDirectory,
    Url,
    client,
    data_directory,
    existing_directory,
    server_to_ask,
)
from service.cli.output import print_fields, print_json, progress_bar, wants_json, wrapped

if TYPE_CHECKING:
    from benchmark_db.provenance import Provenance
    from generators.fetch import PublishedFiles
    from generators.registry import Generate

__all__ = ["fetch", "generate", "info", "sample", "verify"]

_RAW_FOLDER: Final = "raw"
_BENCHMARKS: Final = f"One of {', '.join(PUBLISHED)}."
_COUNTED: Final = ("runs", "costs")
"""Names of the number of rows in a provenance: runs, or costs of HW-NAS-Bench."""
_FEW: Final = 50
"""Architectures of a sample by default."""
_DEEP: Final = 2
"""Dots in the names of counts that only `nbs info NAME` shows."""
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def _known_benchmark(name: str) -> str:
    from benchmark_db.questions import near_and_known
    from benchmark_spec.declaration import shipped_declarations
    from generators.registry import GENERATORS

    known = (*GENERATORS, *shipped_declarations())
    if name not in known:
        raise typer.BadParameter(
            f"{name!r:.80} is unknown; {near_and_known(name, known)}; for other tables: "
            "nbs generate --table FILE RAW"
        )
    return name


def _known_or_none(name: str | None) -> str | None:
    return None if name is None else _known_benchmark(name)


def _digest(text: str | None) -> str | None:
    if text is None or _SHA256.fullmatch(text.lower()):
        return text and text.lower()
    raise typer.BadParameter(f"{text!r:.80} is not 64 hexadecimal digits")


def fetch(
    benchmark: Annotated[
        str | None, typer.Argument(callback=_known_or_none, help=f"{_BENCHMARKS} Default: all.")
    ] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the archive; by default raw/ in the folder of databases."),
    ] = None,
    file: Annotated[
        str | None, typer.Option(help="Name of one of its files; by default the usual one, or all.")
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            envvar="NASBENCH_MIRROR",
            help="URL of a folder with the files under their published names.",
        ),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(callback=_digest, help="Expected digest of the file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download a raw archive, resuming interrupted downloads; without a name, list all.

    The file is moved to its path when complete. Its digest is written beside it and compared with
    --sha256, or with the digest stated by its authors or its declaration. For files that cannot be
    downloaded by a program, the list and the error say where to get them by hand.
    """
    from generators import fetch as fetching

    published = fetching.published_files()
    if benchmark is None:
        _list_published(published.values(), as_json=wants_json(asked=as_json))
        return
    folder = (out or data_directory(None) / _RAW_FOLDER).expanduser()
    chosen = published[benchmark]
    names = [file]
    if chosen.together:
        folder /= benchmark
        if file is None:
            names = [each.name for each in chosen.files]
    if sha256 is not None and len(names) > 1:
        raise typer.BadParameter("name one --file as well", param_hint="--sha256")
    write = sys.stderr.write
    for name in names:
        with progress_bar(name or benchmark) as progress:
            fetched = fetching.fetch(
                benchmark, folder, name=name, mirror=mirror, sha256=sha256, progress=progress
            )
        checked = "as expected" if fetched.compared else "no published digest to compare with"
        write(f"{fetched.path}: {fetched.path.stat().st_size / 1e6:.1f} MB\n")
        write(f"  sha256: {fetched.sha256} ({checked})\n")
    raw = folder if chosen.together else fetched.path
    write(f"  licence of the data: {chosen.licence}\n")
    write(f"  convert it with `nbs generate {benchmark} {quote(str(raw))}`\n")


def _list_published(published: Iterable[PublishedFiles], *, as_json: bool) -> None:
    """Print every raw file with its licence, digest and source."""
    if as_json:
        print_json([asdict(each) for each in published])
        return
    write = sys.stdout.write
    for each in published:
        how = "all of" if each.together and len(each.files) > 1 else "one of"
        several = f", {how} {len(each.files)} files" if len(each.files) > 1 else ""
        write(f"{each.benchmark}: {each.title}, licence {each.licence}{several}\n")
        for file in each.files:
            write(f"  {file.name}{'' if file.size is None else f', {file.size}'}\n")
            write(f"    {'from' if file.url else 'by hand from'} {file.url or file.page}\n")
            write(f"    sha256 {file.sha256 or 'not known'}\n")
        if any(file.url for file in each.files):
            write(f"  nbs fetch {each.benchmark}\n")
        else:
            write(f"  then: nbs generate {each.benchmark} {each.files[0].name}\n")


def generate(
    benchmark: Annotated[
        str,
        typer.Argument(
            help=f"{_BENCHMARKS} With --table: the raw file, folder or zip. Or a publication, "
            "FILE.nbs."
        ),
    ],
    raw: Annotated[
        Path | None, typer.Argument(help="The raw archive, a file or a folder.", exists=True)
    ] = None,
    *,
    table: Annotated[
        Path | None,
        typer.Option(
            help="Declaration (TOML) of a table, which has its NAME; then only RAW is given.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    out: DataDirectory = None,
    skip_corrupt: Annotated[
        bool,
        typer.Option(
            "--skip-corrupt",
            help="Skip damaged records and report them, instead of stopping at the first one "
            "(nasbench101).",
        ),
    ] = False,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial", help="Convert the files that exist and report the missing ones (nds)."
        ),
    ] = False,
) -> None:
    """Convert a raw archive into a database.

    The database is built in a temporary file, verified, and then moved to its path; if anything
    fails, an existing database stays. For a declared table, the smallest and largest value of each
    column are printed: check whether the units are right.

    A publication, written by `nbs plan publish`, is given alone; its database is verified.
    """
    if benchmark.endswith(".nbs"):
        _generate_published(Path(benchmark), data_directory(out))
        return
    source, declaration = _source(benchmark, raw, table)
    convert = _conversion(
        benchmark, declaration=declaration, skip_corrupt=skip_corrupt, partial=partial
    )
    started = time.monotonic()
    directory = data_directory(out)
    with progress_bar(source.name if declaration else benchmark) as progress:
        provenance = convert(source, directory, progress=progress)
    target = directory / f"{provenance.benchmark}.db"
    size = target.stat().st_size / 1e6
    sys.stderr.write(
        f"{target}: {size:.1f} MB in {time.monotonic() - started:.1f} s{_mark(provenance)}\n"
    )
    for name, value in _flat(provenance.contents).items():
        sys.stderr.write(f"  {name}: {value}\n")


def _generate_published(publication: Path, directory: Path) -> None:
    from service.plans.publication import read_publication

    provenance = read_publication(publication, directory)
    sys.stderr.write(f"{directory / provenance.benchmark}.db{_mark(provenance)}\n")


def _source(benchmark: str, raw: Path | None, table: Path | None) -> tuple[Path, Path | None]:
    """Return the raw archive, and the declaration of its table if it has one."""
    from benchmark_spec.declaration import shipped_declarations

    if table is not None:
        if raw is not None:
            raise typer.BadParameter("with --table, give only the raw file")
        source = Path(benchmark)
        if not source.exists():
            raise typer.BadParameter(f"there is no {benchmark!r:.200}", param_hint="RAW")
        return source, table
    shipped = shipped_declarations().get(benchmark)
    if shipped is None:
        _known_benchmark(benchmark)
    if raw is None:
        raise typer.BadParameter("the raw archive is missing", param_hint="RAW")
    return raw, shipped


def _conversion(
    benchmark: str, *, declaration: Path | None, skip_corrupt: bool, partial: bool
) -> Generate:
    """Return the generator of a benchmark with its options."""
    from generators.registry import GENERATORS, PARTIAL_GENERATORS, TOLERANT_GENERATORS

    if skip_corrupt and benchmark not in TOLERANT_GENERATORS:
        raise typer.BadParameter(f"{benchmark} has no --skip-corrupt")
    if partial and benchmark not in PARTIAL_GENERATORS:
        raise typer.BadParameter(f"{benchmark} has no --partial")
    if skip_corrupt:
        return functools.partial(TOLERANT_GENERATORS[benchmark], skip_corrupt=True)
    if partial:
        return functools.partial(PARTIAL_GENERATORS[benchmark], partial=True)
    if declaration is not None:
        from generators.declared import generate_table

        return functools.partial(generate_table, declaration)
    return GENERATORS[benchmark]


def sample(
    directory: Annotated[Path, typer.Argument(help="Folder for the archives.", file_okay=False)],
    *,
    architectures: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=15_625,
            help="Architectures of each; default 50, with --convert all 15,625 of NAS-Bench-201.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic numbers.")] = 0,
    table: Annotated[
        list[str] | None,
        typer.Option(
            help="A declared table instead: its declaration (TOML), or the name of an included "
            "one; may be repeated."
        ),
    ] = None,
    convert: Annotated[
        Path | None,
        typer.Option(help="Also convert them to databases in this folder.", file_okay=False),
    ] = None,
) -> None:
    """Write small synthetic archives in the raw formats, to try everything out."""
    from generators.registry import GENERATORS, SAMPLES, WHOLE_SAMPLES

    few = architectures or _FEW
    if table:
        _sample_tables(table, directory, architectures=few, seed=seed, convert=convert)
        return
    for benchmark, write in SAMPLES.items():
        if convert is not None and architectures is None and benchmark in WHOLE_SAMPLES:
            made = WHOLE_SAMPLES[benchmark](convert, seed=seed)
            sys.stderr.write(
                f"{convert / benchmark}.db: made up, all {made.contents['architectures']:,} "
                "architectures\n"
            )
            continue
        path = write(directory, architectures=few, seed=seed)
        if convert is None:
            sys.stderr.write(
                f"{path}: made up; convert it with `nbs generate {benchmark} {quote(str(path))}`\n"
            )
        else:
            GENERATORS[benchmark](path, convert, progress=lambda *_: None)
            sys.stderr.write(f"{convert / benchmark}.db: made up, from {path}\n")


def _sample_tables(
    tables: Sequence[str], directory: Path, *, architectures: int, seed: int, convert: Path | None
) -> None:
    """Write samples of declared tables as JSON lines, whatever their raw format."""
    from benchmark_spec.declaration import read_declaration, shipped_declarations
    from generators.declared import generate_table
    from generators.sample.declared import write_table_sample

    for table in tables:
        path = shipped_declarations().get(table, Path(table))
        if not path.is_file():
            raise typer.BadParameter(
                f"there is no declaration {table!r:.200}; included are "
                f"{', '.join(shipped_declarations())}",
                param_hint="--table",
            )
        declared = read_declaration(path)
        sample = write_table_sample(declared, directory, architectures=architectures, seed=seed)
        if convert is None:
            sys.stderr.write(
                f"{sample}: made up; convert it with `nbs generate --table {path} {sample}`\n"
            )
        else:
            generate_table(path, sample, convert)
            sys.stderr.write(f"{convert / declared.spec.name}.db: made up, from {sample}\n")


def info(
    benchmark: Annotated[
        str | None, typer.Argument(help="Show one with metrics, units and citation.")
    ] = None,
    *,
    data: DataDirectory = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show the installed databases, their origin and their contents.

    With a name: its parts, metrics with units, notes, licence and citation.
    """
    if benchmark is not None:
        _describe(benchmark, data=data, url=url, as_json=as_json)
        return
    server = server_to_ask(url, data)
    directory = existing_directory(data) if server is None else None
    installed, unusable = _served(server) if directory is None else _installed(directory)
    if wants_json(asked=as_json):
        print_json({"installed": installed, "unusable": unusable})
    else:
        for provenance in installed:
            sys.stdout.write(f"{provenance['benchmark']}\n")
            flat = _flat(provenance)
            print_fields({name: flat[name] for name in flat if name.count(".") < _DEEP})
        if installed:
            told = "nbs info NAME shows metrics with units, and the citation"
            sys.stdout.write(f"{wrapped(told, '')}\n")
        else:
            sys.stdout.write(
                f"no database in {directory or server}; make one with `nbs generate`\n"
            )
    for name, reason in unusable.items():
        sys.stderr.write(f"nbs: {name} cannot be used: {reason}\n")


def _served(url: str | None) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the provenance of a server's databases; /readyz lists its unusable ones."""
    with client(url, None) as bench:
        return [found.provenance.model_dump() for found in bench.benchmarks()], {}


def _installed(directory: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the provenance of a folder's databases, and why others are unusable."""
    from benchmark_db.catalog import Catalog

    with closing(Catalog(directory)) as catalog:
        found = [asdict(installed.provenance) for installed in catalog.installed.values()]
        return found, {name: str(reason) for name, reason in catalog.unusable.items()}


def _describe(benchmark: str, *, data: Path | None, url: str | None, as_json: bool) -> None:
    """Print the description of a benchmark."""
    from bench_client import TableName

    with client(url, data) as bench:
        found = bench.benchmark(benchmark)
        columns = bench.columns(TableName(benchmark))
    metrics = [column for column in columns.items if column.kind == "metric"]
    if wants_json(asked=as_json):
        told = ("name", "unit", "better", "description")
        listed = [{name: getattr(metric, name) for name in told} for metric in metrics]
        print_json({**found.model_dump(), "metrics": listed})
        return
    sys.stdout.write(f"{found.title}\n")
    print_fields(
        {
            "cite": found.citation,
            "licence of the data": found.licence or "not stated",
            **{axis.name: ", ".join(map(str, axis.values)) for axis in columns.axes},
        }
    )
    sys.stdout.write("database\n")
    print_fields(_flat(found.provenance.model_dump()))
    sys.stdout.write("metrics\n")
    print_fields({one.name: f"{one.description} Better: {one.better or '-'}." for one in metrics})
    sys.stdout.write("".join(f"note\n{wrapped(note)}\n" for note in found.notes))


def verify(
    database: Annotated[Path, typer.Argument(help="A database file.")], *, as_json: AsJson = False
) -> None:
    """Read a whole database and verify it against its stored digests."""
    from benchmark_db.verify import verify_database

    provenance = verify_database(database)
    if wants_json(asked=as_json):
        print_json(asdict(provenance))
    else:
        counted = next(what for what in _COUNTED if what in provenance.contents)
        sys.stdout.write(
            f"{database}: sound, {provenance.contents[counted]} {counted}, "
            f"{provenance.content_digest}{_mark(provenance)}\n"
        )


def _mark(provenance: Provenance) -> str:
    return " (SYNTHETIC: every number is made up)" if provenance.synthetic else ""


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested dicts, joining names by dots."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
