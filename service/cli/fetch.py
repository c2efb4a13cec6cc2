"""`nbs fetch`: raw archives from where they are published."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from generators.fetch import RAW_FILES, fetch
from service.cli.data import data_directory
from service.cli.output import progress_bar

__all__ = ["fetch_command"]

_FOLDER: Final = "raw"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def _known_benchmark(name: str) -> str:
    if name not in RAW_FILES:
        raise typer.BadParameter(f"{name!r} is unknown; known are {', '.join(RAW_FILES)}")
    return name


def _digest(text: str | None) -> str | None:
    if text is None or _SHA256.fullmatch(text.lower()):
        return text and text.lower()
    raise typer.BadParameter(f"{text!r:.80} is not 64 hexadecimal digits")


def fetch_command(
    benchmark: Annotated[
        str, typer.Argument(callback=_known_benchmark, help=f"One of {', '.join(RAW_FILES)}.")
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the archive; raw/ in that of the databases by default."),
    ] = None,
    file: Annotated[
        str | None, typer.Option(help="Which of its files, by name; the largest by default.")
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            envvar="NASBENCH_MIRROR",
            help="Address of a folder that has the files under their published names.",
        ),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(callback=_digest, help="Digest to compare the file with.")
    ] = None,
) -> None:
    """Download a raw archive, going on where a download broke off.

    The file is in place only when it is complete. Its digest is written beside it, and compared
    with --sha256 if given; no digest is published for any of the files.
    """
    folder = (out or data_directory(None) / _FOLDER).expanduser()
    with progress_bar(benchmark) as progress:
        fetched = fetch(
            benchmark, folder, name=file, mirror=mirror, sha256=sha256, progress=progress
        )
    write = sys.stderr.write
    checked = "as expected" if fetched.compared else "compare it with one you trust"
    write(f"{fetched.path}: {fetched.path.stat().st_size / 1e6:.1f} MB\n")
    write(f"  sha256: {fetched.sha256} ({checked})\n")
    write(f"  convert it with `nbs generate {benchmark} {fetched.path}`\n")
