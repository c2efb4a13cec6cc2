"""Measure submissions and claims a second on the job table, with few and many jobs waiting.

    python benchmarks/job_store.py [--postgresql postgresql://USER@HOST:PORT/NAME]

The SQLite database is in a temporary folder (TMPDIR selects the disk). The PostgreSQL database must
be empty; job tables are created in it and dropped at the end.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from peewee import fn

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.claim_queries import waiting_for
from service.jobs.database import JobDatabase
from service.jobs.kinds import spec_key
from service.jobs.records import Capabilities, NewJob
from service.jobs.tables import IS_ANSWERING, IS_RUNNING, IS_WAITING, TABLES, JobRow

TIMES: Final = 400
BATCH: Final = 100
WAITING: Final = (0, 10_000)
THREADS: Final = (1, 8)
FORGOTTEN: Final = 1_000.0
CPU: Final = Capabilities(device="cpu")


def new(number: int) -> NewJob:
    """Return a request that differs from those of other numbers."""
    spec = {"number": number}
    return NewJob(kind="model", spec=spec, key=spec_key("model", spec))


@contextmanager
def opened(url: str | None) -> Iterator[tuple[Jobs, JobDatabase]]:
    """Open an empty job table and its database; drop the table at the end."""
    with tempfile.TemporaryDirectory() as folder:
        settings = JobSettings(jobs_dir=Path(folder), jobs_url=url, queue_bound=10**6)
        with open_jobs(settings) as jobs, closing(JobDatabase(settings.database_url)) as database:
            yield jobs, database
            with database.peewee.connection_context(), database.peewee.bind_ctx(TABLES):
                database.peewee.drop_tables(TABLES)


def fill(jobs: Jobs, database: JobDatabase, waiting: int) -> None:
    """Insert waiting jobs and as many ended ones, and update the statistics of the database."""
    job, _ = jobs.store.submit(new(-1))
    jobs.store.cancel(job.id)
    (row,) = database.read(lambda: database.rows(JobRow.select()))
    del row["number"]
    for state, ended in (("failed", 2 * FORGOTTEN), ("queued", None)):
        for _ in range(0, waiting, BATCH):
            others = [
                {**row, "id": uuid4().hex, "key": uuid4().hex, "state": state, "finished_at": ended}
                for _ in range(BATCH)
            ]
            database.write(lambda rows=others: database.insert(JobRow.insert_many(rows)))
    with database.peewee.connection_context():
        # PostgreSQL does so by itself within a minute or so.
        database.peewee.execute_sql("ANALYZE" if database.is_sqlite else "VACUUM ANALYZE job")


def rate(do: Callable[[int], object], threads: int, begin: int) -> float:
    """Return how many times a second an operation is done."""
    with ThreadPoolExecutor(threads) as pool:
        # Opens the connections before the clock starts.
        list(pool.map(do, range(begin, begin + threads)))
        began = time.perf_counter()
        list(pool.map(do, range(begin + threads, begin + threads + TIMES)))
        return TIMES / (time.perf_counter() - began)


def measure(name: str, url: str | None) -> None:
    """Print a row of rates for each number of waiting jobs, and the query plans."""
    for waiting in WAITING:
        with opened(url) as (jobs, database):
            fill(jobs, database, waiting)
            submitted = [
                rate(lambda number: jobs.store.submit(new(number)), threads, threads * 10_000)
                for threads in THREADS
            ]
            claimed = [
                rate(lambda number: jobs.leases.acquire(f"w{number}", CPU), threads, 0)
                for threads in THREADS
            ]
            cells = " | ".join(f"{figure:,.0f}" for figure in [*submitted, *claimed])
            print(f"| {name} | {waiting:,} | {cells} |", flush=True)
            if waiting:
                explain(database)


def explain(database: JobDatabase) -> None:
    """Print the query plans of the queries of submissions, claims and maintenance rounds."""
    queries = {
        "same request": JobRow.select().where(JobRow.key == "0" * 64, IS_ANSWERING),
        "how many wait": JobRow.select(fn.COUNT(1)).where(IS_WAITING),
        "first to do": waiting_for(CPU, database.now())
        .order_by(JobRow.priority.desc(), JobRow.number)
        .limit(1),
        "leases that ran out": JobRow.select().where(
            IS_RUNNING, JobRow.lease_until < database.now()
        ),
        "ended long ago": JobRow.select(JobRow.id)
        .where(JobRow.finished_at < FORGOTTEN)
        .order_by(JobRow.finished_at)
        .limit(100),
    }
    for what, query in queries.items():
        for line in plan(database, query):
            print(f"    {what}: {line}")


def plan(database: JobDatabase, query: Any) -> list[str]:
    """Return the lines of a query plan that name scans and searches."""
    text, values = query.bind(database.peewee).sql()
    explained = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    with database.peewee.connection_context():
        lines = database.peewee.execute_sql(explained + text, values).fetchall()
    found = [str(line[-1]).strip() for line in lines]
    return [line for line in found if "Scan" in line or "SCAN" in line or "SEARCH" in line]


def main() -> None:
    """Measure SQLite, and PostgreSQL if its address is given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgresql", metavar="URL")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    heads = [f"{what}, {n} at once" for what in ("submitted", "claimed") for n in THREADS]
    print(f"| database | waiting | {' | '.join(heads)} |\n|---|---|{'---|' * len(heads)}")
    measure("SQLite", None)
    if arguments.postgresql is not None:
        measure("PostgreSQL", arguments.postgresql)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
