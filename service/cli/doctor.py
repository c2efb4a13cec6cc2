"""`nbs doctor`: looks at an installation and says what to do about what is not right.

A check is a generator of findings; none changes anything, and one that fails is a finding itself.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import partial
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from bench_client.untrusted import cleaned
from missing_extra import MissingExtraError, install_command
from service.cli.options import AsJson, DataDirectory, data_directory
from service.cli.output import print_json, wants_json

__all__ = ["Finding", "doctor"]

_DISTRIBUTION: Final = "nas-bench-service"
_OF_OTHERS: Final = ("NASBENCH_API_KEY", "NASBENCH_URL", "NASBENCH_ZOO_DIR", "NASBENCH_MIRROR")
"""Variables of the client and the command line, which are no settings of a server."""
_OF_PROGRAM: Final = ("NASBENCH_DEBUG", "NASBENCH_SECRETS_DIR", "NASBENCH_VERSION")
_LITTLE_SPACE: Final = 2 * 2**30
_READABLE_BY_OTHERS: Final = 0o077
_TIMEOUT: Final = 5.0
_CLOCKS_APART: Final = 5.0
"""Seconds; more than a request and a whole second of an HTTP date."""
_REQUIREMENT: Final = re.compile(
    r"(?P<name>[\w.-]+)(\[(?P<extras>[^]]*)\])?[^;]*(;.*?extra == ['\"](?P<extra>[\w-]+)['\"])?"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        about: What was looked at.
        state: `ok`, `note` for what may be as it should, `problem` for what is wrong.
        says: What was found, a sentence or a value.
        remedy: What to do; empty where nothing is to be done.
    """

    about: str
    state: Literal["ok", "note", "problem"]
    says: str
    remedy: str = ""


_ok = partial(Finding, state="ok")
_note = partial(Finding, state="note")
_problem = partial(Finding, state="problem")


def doctor(
    *,
    data: DataDirectory = None,
    host: Annotated[str, typer.Option(help="Address that a server would listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Its port.")] = 8000,
    url: Annotated[
        str | None, typer.Option(envvar="NASBENCH_URL", help="Also ask this server how it is.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Read every database whole, as `nbs verify` does.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look at this installation and say what to do about what is not right.

    Looked at are versions, extras, settings, folders, disk, databases, keys, port, jobs, workers,
    artifacts, GPUs and, with --url, a server. Exits with 1 if there is a problem. Changes nothing.
    """
    directory = data_directory(data) if _readable_settings() else (data or Path("~/.nasbenchmark"))
    directory = directory.expanduser()
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "versions": _versions,
        "extras": _extras,
        "settings": _settings,
        "folders": partial(_folders, directory),
        "databases": partial(_databases, directory, whole=whole),
        "keys": _keys,
        "port": partial(_port, host, port),
        "jobs": _jobs,
        "artifacts": _artifacts,
        "devices": _devices,
    }
    if url is not None:
        checks["server"] = partial(_server, url)
    found = [finding for name, check in checks.items() for finding in _tried(name, check)]
    if wants_json(asked=as_json):
        print_json([asdict(finding) for finding in found])
    else:
        _print(found)
    if any(finding.state == "problem" for finding in found):
        raise typer.Exit(1)


def _print(found: list[Finding]) -> None:
    """Print a line a finding, and below it what to do."""
    width = max(len(finding.about) for finding in found)
    for finding in found:
        sys.stdout.write(
            f"{finding.state:<8} {cleaned(finding.about):<{width}}  {cleaned(finding.says)}\n"
        )
        if finding.remedy:
            sys.stdout.write(f"{'':<8} {'':<{width}}  → {cleaned(finding.remedy)}\n")
    problems = sum(finding.state == "problem" for finding in found)
    sys.stdout.write(f"{problems or 'no'} problem{'' if problems == 1 else 's'}\n")


def _tried(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield what a check finds; that it could not be made is a finding, too."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - the other checks still have something to say
        yield _problem(
            about=name, says=f"could not be checked: {str(error) or type(error).__name__}"
        )


def _versions() -> Iterator[Finding]:
    yield _ok(
        about="versions",
        says=f"{_DISTRIBUTION} {version(_DISTRIBUTION)}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {platform.system()} {platform.machine()}",
    )


def _extras() -> Iterator[Finding]:
    """Yield which extras are whole, and what the others miss."""
    every = set(metadata(_DISTRIBUTION).get_all("Provides-Extra") or ()) - {"dev"}
    missing = {extra: sorted(_missing_of(extra)) for extra in sorted(every)}
    whole = [extra for extra, names in missing.items() if not names]
    yield _ok(about="extras", says=f"whole: {', '.join(whole) or 'none'}")
    for extra, names in missing.items():
        if names:
            yield _note(
                about=f"extra {extra}",
                says=f"not installed: {', '.join(names)}",
                remedy=f"if you want it: {install_command(extra)}",
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
    """Tell whether the settings can be read; `_settings` says what is wrong with them."""
    from service.secret_files import WrongSettingError
    from service.settings import Settings

    try:
        Settings()
    except WrongSettingError:
        return False
    return True


def _settings() -> Iterator[Finding]:
    """Yield settings that are wrong, and variables that look like one and are none."""
    from service.jobs.settings import JobSettings
    from service.secret_files import WrongSettingError
    from service.settings import Settings

    wrong = False
    for kind in (Settings, JobSettings):
        try:
            kind()
        except WrongSettingError as error:
            wrong = True
            yield _problem(
                about="settings", says=str(error), remedy="docs/limits.md lists what each may be"
            )
    known = {*_OF_OTHERS, *_OF_PROGRAM}
    for kind in (Settings, JobSettings):
        known |= {f"NASBENCH_{name.upper()}" for name in kind.model_fields}
    given = {name for name in os.environ if name.startswith("NASBENCH_")}
    for name in sorted(given - known):
        near = get_close_matches(name, known, n=1)
        yield _problem(
            about="settings",
            says=f"{name} is no setting",
            remedy=f"is {near[0]} meant?" if near else "unset it, or see docs/limits.md",
        )
    if not wrong:
        yield _ok(about="settings", says=f"{len(given & known)} given by the environment")


def _folders(directory: Path) -> Iterator[Finding]:
    from service.jobs.settings import JobSettings

    jobs = JobSettings()
    folders = {
        "databases": (directory, "nbs generate, or `make serve` for made-up ones"),
        "jobs": (jobs.folder, "made by the first `nbs serve`"),
        "data sets": (
            jobs.datasets_dir.expanduser(),
            "needed by a worker that evaluates or trains",
        ),
    }
    for what, (folder, remedy) in folders.items():
        if not folder.exists():
            yield _note(about=f"folder of {what}", says=f"there is no {folder}", remedy=remedy)
            continue
        if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
            yield _problem(
                about=f"folder of {what}",
                says=f"{folder} is no folder that this user can read",
                remedy="say another one, or change its owner",
            )
            continue
        free = shutil.disk_usage(folder).free
        said = f"{folder}, {free / 2**30:.1f} GiB free"
        if what == "jobs" and not os.access(folder, os.W_OK):
            yield _problem(
                about=f"folder of {what}",
                says=f"{folder} cannot be written by this user",
                remedy="change its owner, or set NASBENCH_JOBS_DIR",
            )
        elif free < _LITTLE_SPACE:
            yield _problem(
                about=f"folder of {what}",
                says=said,
                remedy="make room: jobs and generators stop when the disk is full",
            )
        else:
            yield _ok(about=f"folder of {what}", says=said)


def _databases(directory: Path, *, whole: bool) -> Iterator[Finding]:
    from benchmark_db.catalog import Catalog
    from benchmark_db.errors import BenchmarkDataError
    from benchmark_db.verify import verify_database

    if not directory.is_dir():
        return
    with closing(Catalog(directory)) as catalog:
        installed, unusable = dict(catalog.installed), dict(catalog.unusable)
        for name, database in installed.items():
            provenance = database.provenance
            about = f"database {name}"
            said = f"{provenance.content_digest[:19]}…, made {provenance.created[:10]}"
            if whole:
                try:
                    verify_database(directory / f"{name}.db")
                except BenchmarkDataError as error:
                    remedy = "put a copy or a newly generated database in its place"
                    yield _problem(about=about, says=str(error), remedy=remedy)
                    continue
                said += ", read whole and sound"
            if provenance.synthetic:
                yield _note(
                    about=about,
                    says=f"{said}; every number is MADE UP",
                    remedy=f"real ones: nbs fetch {name}, then nbs generate {name} ARCHIVE",
                )
            else:
                yield _ok(about=about, says=said)
    for name, reason in unusable.items():
        yield _problem(
            about=f"database {name}",
            says=str(reason),
            remedy="make it again with `nbs generate`, or move the file away",
        )
    if not installed:
        yield _note(
            about="databases", says=f"none in {directory}", remedy="nbs generate, or nbs sample"
        )


def _keys() -> Iterator[Finding]:
    from service.access.keys import KeyFile, KeyFileError
    from service.settings import Settings

    settings = Settings()
    path = settings.keys_path
    try:
        keys = KeyFile(path).read()
    except KeyFileError as error:
        yield _problem(about="keys", says=str(error), remedy="restore it from a backup")
        return
    if keys is None:
        yield _note(
            about="keys",
            says="there are none: whoever reaches a server on 127.0.0.1 may do everything",
            remedy="before others reach it: nbs keys create NAME --scope jobs",
        )
        return
    valid = [key for key in keys if key.revoked_at is None]
    if os.name == "posix" and path.stat().st_mode & _READABLE_BY_OTHERS:
        yield _problem(about="keys", says=f"others can read {path}", remedy=f"chmod 600 {path}")
    yield _ok(about="keys", says=f"{len(valid)} valid, {len(keys) - len(valid)} revoked")


def _port(host: str, port: int) -> Iterator[Finding]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            yield _note(
                about="port",
                says=f"{host}:{port}: {error.strerror or error}",
                remedy=f"a server runs there already, or: nbs serve --port {port + 1}",
            )
            return
    yield _ok(about="port", says=f"{host}:{port} is free")


def _jobs() -> Iterator[Finding]:
    """Yield what the table of jobs and the workers tell, where there is one."""
    from service.jobs.settings import JobSettings

    settings = JobSettings()
    if settings.jobs_url is None and not (settings.folder / "jobs.db").exists():
        yield _ok(about="jobs", says="none yet")
        return
    from service.jobs import open_jobs
    from service.jobs.errors import StoreUnavailableError
    from service.jobs.records import JobState

    with open_jobs(settings) as jobs:
        try:
            counts = jobs.store.counts()
            workers = jobs.workers.all()
        except StoreUnavailableError as error:
            yield _problem(
                about="jobs",
                says=str(error),
                remedy="is the database of jobs up, and $NASBENCH_JOBS_URL right?",
            )
            return
    waiting = counts.get(JobState.QUEUED, 0)
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    yield _ok(about="jobs", says=said or "none")
    alive = [worker for worker in workers if worker.alive]
    if waiting and not alive:
        yield _problem(
            about="workers",
            says=f"none is alive, and {waiting} jobs wait",
            remedy="start one beside the server: nbs worker",
        )
    for worker in workers:
        seen = "" if worker.seen_at is None else f", last seen {worker.seen_at:%Y-%m-%d %H:%M:%S}"
        said = f"{worker.host}, version {worker.version}{seen}"
        if not worker.alive:
            yield _note(about=f"worker {worker.id}", says=f"{said}: lost")
        elif worker.version != version(_DISTRIBUTION):
            yield _problem(
                about=f"worker {worker.id}",
                says=said,
                remedy=f"give it the version of this program, {version(_DISTRIBUTION)}",
            )
        else:
            yield _ok(about=f"worker {worker.id}", says=said)


def _artifacts() -> Iterator[Finding]:
    """Yield which store has the artifacts, and whether it answers."""
    from service.jobs.artifact_store import open_artifact_store
    from service.jobs.errors import ArtifactsUnavailableError
    from service.jobs.settings import JobSettings

    settings = JobSettings()
    try:
        store = open_artifact_store(settings)
        there = store.is_there()
    except MissingExtraError as error:
        yield _problem(
            about="artifacts",
            says="the library that speaks with a bucket is not installed",
            remedy=install_command(error.extra),
        )
        return
    except ArtifactsUnavailableError as error:
        remedy = "are $AWS_ENDPOINT_URL, $AWS_REGION and the credentials right, and is it up?"
        yield _problem(about="artifacts", says=str(error), remedy=remedy)
        return
    if store.is_remote and not there:
        yield _problem(
            about="artifacts",
            says=f"{store.where}: there is no such bucket",
            remedy="make it, or correct $NASBENCH_ARTIFACTS_URL",
        )
        return
    whose = store.owner()
    if whose is not None and (settings.jobs_url or (settings.folder / "jobs.db").exists()):
        from service.jobs import open_jobs

        with open_jobs(settings) as jobs:
            mine = jobs.database.identity()
        if mine != whose:
            yield _problem(
                about="artifacts",
                says=f"{store.where} is another database's, and nothing there is thrown away",
                remedy="give each database of jobs a prefix of its own",
            )
            return
    yield _ok(about="artifacts", says=f"in {store.where}{', which answers' * store.is_remote}")


def _devices() -> Iterator[Finding]:
    if find_spec("torch") is None:
        yield _note(
            about="devices",
            says="PyTorch is not installed: no networks, no worker",
            remedy=f"if you want them: {install_command('worker')}",
        )
        return
    import torch

    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            yield _ok(about=f"device cuda:{number}", says=torch.cuda.get_device_name(number))
    else:
        built = torch.version.cuda
        yield _note(
            about="devices",
            says=f"PyTorch {torch.__version__}: processor only, {os.cpu_count()} cores",
            remedy="a build with CUDA is installed, but no GPU is seen: look at `nvidia-smi`"
            if built
            else "",
        )


def _server(url: str) -> Iterator[Finding]:
    """Yield how a server is, and whether its clock and its version are this program's."""
    import time
    from email.utils import parsedate_to_datetime

    import httpx

    key = os.environ.get("NASBENCH_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=url, timeout=_TIMEOUT, headers=headers) as http:
            ready = http.get("/readyz")
            listed = http.get("/v1/benchmarks")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        yield _problem(
            about="server",
            says=f"{url}: {error}",
            remedy="is it running?" if "://" in url else f"is http://{url} meant?",
        )
        return
    if ready.status_code == httpx.codes.OK:
        yield _ok(about="server", says=f"{url} is ready")
    else:
        yield _problem(
            about="server",
            says=f"{url}/readyz answers {ready.status_code}: {ready.text[:300]}",
            remedy="its log says more",
        )
    if listed.status_code == httpx.codes.UNAUTHORIZED:
        yield _problem(
            about="server", says="it wants a key", remedy="set $NASBENCH_API_KEY to one of it"
        )
    elif listed.status_code != httpx.codes.OK:
        yield _problem(about="server", says=f"/v1/benchmarks answers {listed.status_code}")
    if "date" in ready.headers:
        apart = abs(parsedate_to_datetime(ready.headers["date"]).timestamp() - time.time())
        if apart > _CLOCKS_APART:
            yield _problem(
                about="server",
                says=f"its clock and this one are {apart:.0f} s apart",
                remedy="let NTP set both",
            )
