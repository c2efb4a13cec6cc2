"""Measures the size of the product and its start-up times.

    .venv/bin/python benchmarks/structure.py

Start-up is the processor time (user and system, children included) of whole processes, relative to
importing the necessary libraries. Both alternate in one run, because medians of ratios are more
reliable on a noisy machine than seconds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from processes import cpu_seconds, service

from missing_extra import PACKAGES

REPOSITORY: Final = Path(__file__).resolve().parents[1]
ROUNDS: Final = 9
NBS: Final = (sys.executable, "-m", "service.cli")


def importing(modules: str) -> tuple[str, ...]:
    """Return the command of a process that only imports modules."""
    return (sys.executable, "-c", f"import {modules}")


def processor_seconds(command: Sequence[str]) -> float:
    """Run a command that must succeed; return its user and system seconds."""
    before = os.times()
    subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY)
    after = os.times()
    return (
        after.children_user - before.children_user + after.children_system - before.children_system
    )


def ratio(command: Sequence[str], to: Sequence[str]) -> tuple[float, float]:
    """Return the median ratio of two commands' processor times, and the seconds of the first."""
    processor_seconds(command)
    processor_seconds(to)
    pairs = [(processor_seconds(command), processor_seconds(to)) for _ in range(ROUNDS)]
    return (
        statistics.median(mine / other for mine, other in pairs),
        statistics.median(mine for mine, _ in pairs),
    )


def sizes() -> list[tuple[str, str, str]]:
    """Return the rows about lines and files."""
    files = [path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")]
    lines = {path: len(path.read_text().splitlines()) for path in files}
    modules = [count for path, count in lines.items() if path.name != "__init__.py"]
    longest = max(lines, key=lines.__getitem__)
    return [
        ("product lines", f"{sum(lines.values()):,}", "46,000 at most"),
        ("product files", f"{len(files)}", "330 at most"),
        ("median module", f"{statistics.median(modules):.0f} lines", "110 to 200"),
        (
            "longest module",
            f"{lines[longest]} lines ({longest.relative_to(REPOSITORY)})",
            "500 at most",
        ),
    ]


def starts(data: Path) -> list[tuple[str, str, str]]:
    """Return the rows about start-up."""
    libraries = importing("typer, rich, pydantic")
    client = ratio(
        importing("bench_client; bench_client.BenchClient"), importing("httpx, pydantic")
    )
    helped = ratio((*NBS, "--help"), libraries)
    with service(data) as server:
        ask = (*NBS, "query", "nasbench201", "0", "--url", f"http://127.0.0.1:{server.port}")
        asked = ratio(ask, libraries)
    return [
        (what, f"{found:.2f} ({seconds:.2f} s)", f"{reach} at most")
        for what, (found, seconds), reach in (
            ("`bench_client.BenchClient` / `import httpx, pydantic`", client, 1.5),
            ("`nbs --help` / `import typer, rich, pydantic`", helped, 2),
            ("`nbs query` over HTTP / the same", asked, 2.5),
            ("server ready / `import fastapi, uvicorn, peewee, numpy`", ready(data), 2.5),
        )
    ]


def ready(data: Path) -> tuple[float, float]:
    """Return the figures of `ratio` for a server until its first answer."""
    found = []
    for _ in range(ROUNDS):
        with service(data) as server:
            mine = cpu_seconds(server.pid)
        found.append((mine, processor_seconds(importing("fastapi, uvicorn, peewee, numpy"))))
    return (
        statistics.median(mine / other for mine, other in found),
        statistics.median(mine for mine, _ in found),
    )


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        subprocess.run([*NBS, "sample", data / "raw", "--convert", data], check=True, stdout=2)
        rows = [*sizes(), *starts(data)]
    for what, found, reach in rows:
        print(f"{what:60} {found:45} {reach}")


if __name__ == "__main__":
    main()
