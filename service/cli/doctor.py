"""`nbs doctor`: checks an installation and says how to fix problems.

Checks of the program and the machine are here, those of a server's data in `server_checks`.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict
from difflib import get_close_matches
from functools import partial
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from missing_extra import install_command
from service.cli.findings import Finding, note, ok, print_findings, problem, run_check
from service.cli.options import AsJson, DataDirectory, data_directory
from service.cli.output import print_json, wants_json
from service.cli.server_checks import (
    check_artifacts,
    check_databases,
    check_jobs,
    check_keys,
    check_server,
)
from service.cli.trainer_checks import check_trainers

__all__ = ["doctor"]

_DISTRIBUTION: Final = "nas-bench-service"
_OF_OTHERS: Final = ("NASBENCH_API_KEY", "NASBENCH_URL", "NASBENCH_ZOO_DIR", "NASBENCH_MIRROR")
"""Variables of the client and the command line, which are not settings of a server."""
_OF_PROGRAM: Final = ("NASBENCH_DEBUG", "NASBENCH_SECRETS_DIR", "NASBENCH_VERSION")
_LITTLE_SPACE: Final = 2 * 2**30
_REQUIREMENT: Final = re.compile(
    r"(?P<name>[\w.-]+)(\[(?P<extras>[^]]*)\])?[^;]*(;.*?extra == ['\"](?P<extra>[\w-]+)['\"])?"
)


def doctor(
    *,
    data: DataDirectory = None,
    host: Annotated[str, typer.Option(help="Address that a server would listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Its port.")] = 8000,
    url: Annotated[
        str | None, typer.Option(envvar="NASBENCH_URL", help="Also check this server.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Read every database completely, as `nbs verify` does.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check this installation and say how to fix problems.

    Checks versions, extras, settings, folders, disk, databases, keys, port, jobs, workers,
    artifacts, GPUs, trainers (each is imported in a separate process) and, with --url, a server.
    Exits with 1 if there is a problem. Changes nothing.
    """
    directory = data_directory(data) if _readable_settings() else (data or Path("~/.nasbenchmark"))
    directory = directory.expanduser()
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "versions": _versions,
        "extras": _extras,
        "settings": _settings,
        "folders": partial(_folders, directory),
        "databases": partial(check_databases, directory, whole=whole),
        "keys": check_keys,
        "port": partial(_port, host, port),
        "jobs": check_jobs,
        "artifacts": check_artifacts,
        "devices": _devices,
        "trainers": check_trainers,
    }
    if url is not None:
        checks["server"] = partial(check_server, url)
    found = [finding for name, check in checks.items() for finding in run_check(name, check)]
    if wants_json(asked=as_json):
        print_json([asdict(finding) for finding in found])
    else:
        print_findings(found)
    if any(finding.state == "problem" for finding in found):
        raise typer.Exit(1)


def _versions() -> Iterator[Finding]:
    yield ok(
        about="versions",
        says=f"{_DISTRIBUTION} {version(_DISTRIBUTION)}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {platform.system()} {platform.machine()}",
    )


def _extras() -> Iterator[Finding]:
    """Yield the complete extras, and the missing distributions of the others."""
    every = set(metadata(_DISTRIBUTION).get_all("Provides-Extra") or ()) - {"dev"}
    missing = {extra: sorted(_missing_of(extra)) for extra in sorted(every)}
    whole = [extra for extra, names in missing.items() if not names]
    yield ok(about="extras", says=f"complete: {', '.join(whole) or 'none'}")
    others = {extra: names for extra, names in missing.items() if names}
    if others:
        told = "; ".join(f"{extra} without {', '.join(names)}" for extra, names in others.items())
        yield note(
            about="other extras",
            says=f"not installed: {told}",
            remedy=f"to install one, by its name: {install_command(next(iter(others)))}",
        )


def _missing_of(extra: str) -> set[str]:
    """Return the distributions of an extra that are not installed."""
    missing: set[str] = set()
    for text in requires(_DISTRIBUTION) or ():
        found = _REQUIREMENT.match(text)
        if found is None or found["extra"] != extra or "sys_platform" in text:
            continue
        if found["name"] == _DISTRIBUTION:
            for part in (found["extras"] or "").split(","):
                missing |= _missing_of(part.strip())
            continue
        try:
            version(found["name"])
        except PackageNotFoundError:
            missing.add(found["name"])
    return missing


def _readable_settings() -> bool:
    """Tell whether the settings are valid; `_settings` yields the errors."""
    from service.secret_files import WrongSettingError
    from service.settings import Settings

    try:
        Settings()
    except WrongSettingError:
        return False
    return True


def _settings() -> Iterator[Finding]:
    """Yield invalid settings, and variables that look like a setting but are none."""
    from service.jobs.settings import JobSettings
    from service.secret_files import WrongSettingError
    from service.settings import Settings

    wrong = False
    for kind in (Settings, JobSettings):
        try:
            kind()
        except WrongSettingError as error:
            wrong = True
            yield problem(
                about="settings", says=str(error), remedy="docs/limits.md lists the valid values"
            )
    known = {*_OF_OTHERS, *_OF_PROGRAM}
    for kind in (Settings, JobSettings):
        known |= {f"NASBENCH_{name.upper()}" for name in kind.model_fields}
    given = {name for name in os.environ if name.startswith("NASBENCH_")}
    for name in sorted(given - known):
        near = get_close_matches(name, known, n=1)
        yield problem(
            about="settings",
            says=f"{name} is not a setting",
            remedy=f"is {near[0]} meant?" if near else "unset it, or see docs/limits.md",
        )
    if not wrong:
        yield ok(about="settings", says=f"{len(given & known)} given by the environment")


def _folders(directory: Path) -> Iterator[Finding]:
    from service.jobs.settings import JobSettings

    jobs = JobSettings()
    folders = {
        "databases": (directory, "nbs generate, or `make serve` for made-up ones"),
        "jobs": (jobs.folder, "created by the first `nbs serve`"),
        "data sets": (
            jobs.datasets_dir.expanduser(),
            "needed by a worker that evaluates or trains",
        ),
    }
    for what, (folder, remedy) in folders.items():
        if not folder.exists():
            yield note(about=f"folder of {what}", says=f"there is no {folder}", remedy=remedy)
            continue
        if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
            yield problem(
                about=f"folder of {what}",
                says=f"{folder} is not a folder that this user can read",
                remedy="choose another one, or change its owner",
            )
            continue
        free = shutil.disk_usage(folder).free
        said = f"{folder}, {free / 2**30:.1f} GiB free"
        if what == "jobs" and not os.access(folder, os.W_OK):
            yield problem(
                about=f"folder of {what}",
                says=f"{folder} cannot be written by this user",
                remedy="change its owner, or set NASBENCH_JOBS_DIR",
            )
        elif free < _LITTLE_SPACE:
            yield problem(
                about=f"folder of {what}",
                says=said,
                remedy="free disk space: jobs and generators stop when the disk is full",
            )
        else:
            yield ok(about=f"folder of {what}", says=said)


def _port(host: str, port: int) -> Iterator[Finding]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            yield note(
                about="port",
                says=f"{host}:{port}: {error.strerror or error}",
                remedy=f"a server may be running there already; or: nbs serve --port {port + 1}",
            )
            return
    yield ok(about="port", says=f"{host}:{port} is free")


def _devices() -> Iterator[Finding]:
    if find_spec("torch") is None:
        yield note(
            about="devices",
            says="PyTorch is not installed: no networks, no worker",
            remedy=f"if you need them: {install_command('worker')}",
        )
        return
    import torch

    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            yield ok(about=f"device cuda:{number}", says=torch.cuda.get_device_name(number))
    else:
        built = torch.version.cuda
        yield note(
            about="devices",
            says=f"PyTorch {torch.__version__}: processor only, {os.cpu_count()} cores",
            remedy="this build supports CUDA, but finds no GPU: check `nvidia-smi`"
            if built
            else "",
        )
