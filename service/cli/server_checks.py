"""Checks of a server's databases, keys, jobs, workers and artifacts, and of a running server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from missing_extra import MissingExtraError, install_command
from service.cli.findings import Finding, note, ok, problem

__all__ = [
    "check_artifacts",
    "check_databases",
    "check_jobs",
    "check_keys",
    "check_server",
]

_DISTRIBUTION: Final = "nas-bench-service"
_READABLE_BY_OTHERS: Final = 0o077
_TIMEOUT: Final = 5.0
_CLOCKS_APART: Final = 5.0
"""Allowed difference in seconds: a request and the one-second resolution of an HTTP date."""


def check_databases(directory: Path, *, whole: bool) -> Iterator[Finding]:
    """Yield the usable databases, read completely if requested, and the unusable ones."""
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
                    remedy = "replace it by a copy or a newly generated database"
                    yield problem(about=about, says=str(error), remedy=remedy)
                    continue
                said += ", read completely and sound"
            if provenance.synthetic:
                yield note(
                    about=about,
                    says=f"{said}; every number is MADE UP",
                    remedy=f"real ones: nbs fetch {name}, then nbs generate {name} ARCHIVE",
                )
            else:
                yield ok(about=about, says=said)
    for name, reason in unusable.items():
        yield problem(
            about=f"database {name}",
            says=str(reason),
            remedy="generate it again with `nbs generate`, or move the file away",
        )
    if not installed:
        yield note(
            about="databases", says=f"none in {directory}", remedy="nbs generate, or nbs sample"
        )


def check_keys() -> Iterator[Finding]:
    """Yield the number of keys, and whether other users can read them."""
    from service.access.keys import KeyFile, KeyFileError
    from service.settings import Settings

    settings = Settings()
    path = settings.keys_path
    try:
        keys = KeyFile(path).read()
    except KeyFileError as error:
        yield problem(about="keys", says=str(error), remedy="restore it from a backup")
        return
    if keys is None:
        yield note(
            about="keys",
            says="there are none: everybody who reaches a server on 127.0.0.1 may do everything",
            remedy="before others can reach it: nbs keys create NAME --scope jobs",
        )
        return
    valid = [key for key in keys if key.revoked_at is None]
    if os.name == "posix" and path.stat().st_mode & _READABLE_BY_OTHERS:
        yield problem(about="keys", says=f"others can read {path}", remedy=f"chmod 600 {path}")
    yield ok(about="keys", says=f"{len(valid)} valid, {len(keys) - len(valid)} revoked")


def check_jobs() -> Iterator[Finding]:
    """Yield the numbers of jobs and the state of workers, if there are jobs."""
    from service.jobs.settings import JobSettings

    settings = JobSettings()
    if settings.jobs_url is None and not (settings.folder / "jobs.db").exists():
        yield ok(about="jobs", says="none yet")
        return
    from service.jobs import open_jobs
    from service.jobs.errors import StoreUnavailableError, UnusableStoreError
    from service.jobs.records import JobState

    with open_jobs(settings) as jobs:
        try:
            counts = jobs.store.counts()
            workers = jobs.workers.all()
        except UnusableStoreError as error:
            says, _, remedy = str(error).partition(": ")
            remedy = remedy or "begin with an empty database, or correct $NASBENCH_JOBS_URL"
            yield problem(about="jobs", says=says, remedy=remedy)
            return
        except StoreUnavailableError as error:
            yield problem(
                about="jobs",
                says=str(error),
                remedy="is the database of jobs up, and $NASBENCH_JOBS_URL right?",
            )
            return
    waiting = counts.get(JobState.QUEUED, 0)
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    yield ok(about="jobs", says=said or "none")
    alive = [worker for worker in workers if worker.alive]
    if waiting and not alive:
        yield problem(
            about="workers",
            says=f"none is alive, and {waiting} jobs are queued",
            remedy="start one beside the server: nbs worker",
        )
    for worker in workers:
        seen = "" if worker.seen_at is None else f", last seen {worker.seen_at:%Y-%m-%d %H:%M:%S}"
        said = f"{worker.host}, version {worker.version}{seen}"
        if not worker.alive:
            yield note(about=f"worker {worker.id}", says=f"{said}: lost")
        elif worker.version != version(_DISTRIBUTION):
            yield problem(
                about=f"worker {worker.id}",
                says=said,
                remedy=f"install the version of this program, {version(_DISTRIBUTION)}",
            )
        else:
            yield ok(about=f"worker {worker.id}", says=said)


def check_artifacts() -> Iterator[Finding]:
    """Yield the store of the artifacts, and whether it answers."""
    from service.jobs.artifact_store import open_artifact_store
    from service.jobs.errors import ArtifactsUnavailableError
    from service.jobs.settings import JobSettings

    settings = JobSettings()
    try:
        store = open_artifact_store(settings)
        there = store.is_there()
    except MissingExtraError as error:
        yield problem(
            about="artifacts",
            says="the library for buckets is not installed",
            remedy=install_command(error.extra),
        )
        return
    except ArtifactsUnavailableError as error:
        remedy = "are $AWS_ENDPOINT_URL, $AWS_REGION and the credentials right, and is it up?"
        yield problem(about="artifacts", says=str(error), remedy=remedy)
        return
    if store.is_remote and not there:
        yield problem(
            about="artifacts",
            says=f"{store.where}: there is no such bucket",
            remedy="create it, or correct $NASBENCH_ARTIFACTS_URL",
        )
        return
    whose = store.owner()
    if whose is not None and (settings.jobs_url or (settings.folder / "jobs.db").exists()):
        from service.jobs import open_jobs

        with open_jobs(settings) as jobs:
            mine = jobs.database.identity()
        if mine != whose:
            yield problem(
                about="artifacts",
                says=f"{store.where} belongs to another database, so no artifact is evicted",
                remedy="give each job database its own prefix",
            )
            return
    yield ok(about="artifacts", says=f"in {store.where}{', which answers' * store.is_remote}")


def check_server(url: str) -> Iterator[Finding]:
    """Yield the state of a server, and differences of its clock and version from this program's."""
    import time
    from email.utils import parsedate_to_datetime

    import httpx

    key = os.environ.get("NASBENCH_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=url, timeout=_TIMEOUT, headers=headers) as http:
            ready = http.get("/readyz")
            listed = http.get("/v1/benchmarks")
            described = None
            with suppress(httpx.HTTPError):  # generated at the first request, which may time out
                described = http.get("/openapi.json")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        yield problem(
            about="server",
            says=f"{url}: {error}",
            remedy="is it running?" if "://" in url else f"is http://{url} meant?",
        )
        return
    if ready.status_code == httpx.codes.OK:
        yield ok(about="server", says=f"{url} is ready")
    else:
        yield problem(
            about="server",
            says=f"{url}/readyz answers {ready.status_code}: {ready.text[:300]}",
            remedy="see its log",
        )
    if listed.status_code == httpx.codes.UNAUTHORIZED:
        yield problem(
            about="server",
            says="it requires a key",
            remedy="set $NASBENCH_API_KEY to one of its keys",
        )
    elif listed.status_code != httpx.codes.OK:
        yield problem(about="server", says=f"/v1/benchmarks answers {listed.status_code}")
    if described is not None and described.status_code == httpx.codes.OK:
        theirs, ours = described.json()["info"]["version"], version(_DISTRIBUTION)
        if theirs != ours:
            yield note(
                about="server",
                says=f"it is version {theirs}, this program {ours}",
                remedy="workers need the server's version; other clients may lack methods",
            )
    if "date" in ready.headers:
        apart = abs(parsedate_to_datetime(ready.headers["date"]).timestamp() - time.time())
        if apart > _CLOCKS_APART:
            yield problem(
                about="server",
                says=f"its clock and this one are {apart:.0f} s apart",
                remedy="synchronise both by NTP",
            )
