"""A database of jobs that is damaged, away or another's, when a server starts and while it serves.

Whatever lies in its place: every route of jobs is 503, metrics and questions go on, and what is put
right is used again without a restart.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from bench_server import BenchServer
from forked_nbs import nbs, start_nbs
from waiting import until

from service.jobs import JobSettings, open_jobs

PAGE: Final = 4096
NETWORK: Final = {"benchmark": "nasbench201", "arch": 1, "dataset": "cifar10"}
READS: Final = (
    *("jobs", "workers", "datasets", "checkpoints", "jobs/{id}", "jobs/{id}?wait=0.2"),
    *("jobs/{id}/events", "jobs/{id}/artifacts/report.json"),
)
Damage = Callable[[Path], Any]


def write_at(path: Path, place: int, content: bytes) -> None:
    """Overwrite a file from a place on, without making it anew."""
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)


def cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def in_its_place(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def with_sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def all_rows_wrong(path: Path, column: str, value: str) -> None:
    with_sql(path, f"UPDATE job SET {column} = {value}, revision = revision + 1")  # noqa: S608


# What none of the routes can be right about.
WHOLLY: Final[dict[str, Damage]] = {
    "header": lambda path: write_at(path, 0, b"x" * 100),
    "half": lambda path: cut(path, path.stat().st_size // 2 // PAGE * PAGE),
    "odd length": lambda path: cut(path, PAGE + 1234),
    "one page": lambda path: cut(path, PAGE),
    "noise": lambda path: write_at(path, 0, random.Random(0).randbytes(path.stat().st_size)),  # noqa: S311
    "zeros behind the first page": lambda path: write_at(
        path, PAGE, bytes(path.stat().st_size - PAGE)
    ),
    "text": lambda path: in_its_place(path, lambda one: one.write_text("not a database\n" * 999)),
    "folder": lambda path: in_its_place(path, Path.mkdir),
    "dangling link": lambda path: in_its_place(
        path, lambda one: one.symlink_to(one.parent / "nowhere" / "jobs.db")
    ),
    "other tables": lambda path: in_its_place(
        path, lambda one: with_sql(one, "CREATE TABLE job (name TEXT)")
    ),
    "a table is missing": lambda path: with_sql(path, "DROP TABLE worker"),
    "another version": lambda path: with_sql(path, "UPDATE jobs_schema SET version = 99"),
    "no version": lambda path: with_sql(path, "DELETE FROM jobs_schema"),
    "-wal is a folder": lambda path: path.with_name("jobs.db-wal").mkdir(),
}
# What some routes need not notice.
PARTLY: Final[dict[str, Damage]] = {
    "kind": lambda path: all_rows_wrong(path, "kind", "'nonesuch'"),
    "state": lambda path: all_rows_wrong(path, "state", "'nonesuch'"),
    "spec is no JSON": lambda path: all_rows_wrong(path, "spec", "'{\"network'"),
    "spec is no text": lambda path: all_rows_wrong(path, "spec", "X'ff00fe'"),
    "time": lambda path: all_rows_wrong(path, "created_at", "1e300"),
    "time is text": lambda path: all_rows_wrong(path, "created_at", "'yesterday'"),
    "progress": lambda path: all_rows_wrong(path, "progress", "'[1]'"),
    "error": lambda path: all_rows_wrong(path, "error", "'{}'"),
    "a column is missing": lambda path: with_sql(path, "ALTER TABLE job DROP COLUMN time_limit"),
    "half a letter": lambda path: all_rows_wrong(path, "key", "CAST(X'C3' AS TEXT)"),
}


@pytest.fixture(scope="module")
def server(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchServer]:
    """A server that all tests damage the jobs of, and put them right again."""
    server = BenchServer(tmp_path_factory.mktemp("damaged"), directory)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def known(server: BenchServer) -> tuple[str, bytes]:
    """The job that it has, and the file that holds it."""
    answer = httpx.post(f"{server.url}/v1/models", json={"network": NETWORK})
    assert answer.status_code == 202, answer.text
    path = server.jobs_folder / "jobs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return answer.json()["id"], path.read_bytes()


@pytest.fixture
def path(server: BenchServer, known: tuple[str, bytes]) -> Path:
    """Where the database is that is right."""
    put(server.jobs_folder / "jobs.db", known[1])
    return server.jobs_folder / "jobs.db"


@pytest.fixture
def job_id(known: tuple[str, bytes]) -> str:
    """A job in it."""
    return known[0]


@pytest.fixture
def own_server(directory: Path, tmp_path: Path, known: tuple[str, bytes]) -> Iterator[BenchServer]:
    """A server of a test's own with the same jobs, not running yet."""
    server = BenchServer(tmp_path, directory)
    server.jobs_folder.mkdir()
    put(server.jobs_folder / "jobs.db", known[1])
    yield server
    server.stop()


def assert_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, (str(answer.request.url), answer.text)
    found = answer.json()
    assert found["type"].rpartition(":")[2] in {"jobs-unavailable", "jobs-unusable"}
    assert int(answer.headers["Retry-After"]) > 0
    for inside in ("sqlite", "peewee", "jobs.db", "Error", "malformed", str(Path.home())):
        assert inside not in answer.text


def asked_for_all(url: str, job_id: str) -> list[httpx.Response]:
    """Return the answer of every route of jobs."""
    body = {"network": {**NETWORK, "seed": 1}}
    asked: list[tuple[str, str, Any]] = [("GET", name.format(id=job_id), None) for name in READS]
    asked += [("POST", name, body) for name in ("models", "latency")]
    asked.append(("POST", f"jobs/{job_id}/cancel", None))
    with (
        httpx.Client(base_url=f"{url}/v1/", timeout=30) as client,
        ThreadPoolExecutor(len(asked)) as threads,
    ):

        def ask(one: tuple[str, str, Any]) -> httpx.Response:
            with client.stream(one[0], one[1], json=one[2]) as answer:
                # A stream of events of a job that is there goes on.
                if answer.headers["Content-Type"] != "text/event-stream; charset=utf-8":
                    answer.read()
                return answer

        return list(threads.map(ask, asked))


def available(url: str) -> float | None:
    """Return what the metrics say of jobs, which must come in any case, as questions must."""
    assert httpx.get(f"{url}/v1/nasbench201/computed-stats?arch=0").status_code == 200
    assert httpx.get(f"{url}/livez").status_code == 200
    assert httpx.get(f"{url}/readyz").status_code == 200
    answer = httpx.get(f"{url}/metrics", timeout=30)
    assert answer.status_code == 200
    assert "nasbench_requests_total" in answer.text
    lines = (line.split() for line in answer.text.splitlines() if line[:1] != "#")
    return next((float(line[1]) for line in lines if line[0] == "nasbench_jobs_available"), None)


def put(path: Path, content: bytes) -> None:
    """Put a database in the place of another while it is served, as the manual says."""
    incoming = path.with_name("incoming")
    incoming.write_bytes(content)
    aside = path.with_name("aside")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    for name in ("jobs.db", "jobs.db-wal", "jobs.db-shm"):
        with suppress(FileNotFoundError):
            path.with_name(name).rename(aside / name)
    incoming.rename(path)


@pytest.mark.parametrize("damage", WHOLLY.values(), ids=WHOLLY)
def test_a_database_that_is_no_use_is_503_and_the_rest_goes_on_until_it_is_put_right(
    server: BenchServer, path: Path, job_id: str, known: tuple[str, bytes], damage: Damage
) -> None:
    damage(path)
    for answer in asked_for_all(server.url, job_id):
        assert_unavailable(answer)
    assert available(server.url) == 0
    put(path, known[1])
    assert httpx.get(f"{server.url}/v1/jobs/{job_id}").json()["state"] == "queued"
    assert available(server.url) == 1
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("damage", ["header", "folder", "other tables"])
def test_a_server_that_finds_no_useful_database_serves_the_rest_and_waits_for_one(
    own_server: BenchServer, job_id: str, known: tuple[str, bytes], damage: str
) -> None:
    path = own_server.jobs_folder / "jobs.db"
    WHOLLY[damage](path)
    own_server.start()
    told = until(
        lambda: available(own_server.url),
        lambda told: told is not None,
        what="whether jobs are available told",
    )
    assert told == 0
    for answer in asked_for_all(own_server.url, job_id):
        assert_unavailable(answer)
    put(path, known[1])
    assert httpx.get(f"{own_server.url}/v1/jobs/{job_id}").json()["state"] == "queued"
    assert "Traceback" not in own_server.log.read_text()


@pytest.mark.parametrize("damage", PARTLY.values(), ids=PARTLY)
def test_rows_that_nobody_wrote_are_never_500(
    server: BenchServer, path: Path, job_id: str, damage: Damage
) -> None:
    damage(path)
    answers = asked_for_all(server.url, job_id)
    assert {answer.status_code for answer in answers} <= {200, 202, 404, 503}
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    for answer in refused:
        assert_unavailable(answer)
    assert available(server.url) is not None
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_are_never_500(
    server: BenchServer, path: Path, job_id: str, known: tuple[str, bytes], seed: int
) -> None:
    source = random.Random(seed)  # noqa: S311 - damage, not secrets
    for flips in (3, 30, 300):
        damaged = bytearray(known[1])
        for _ in range(flips):
            damaged[source.randrange(len(damaged))] ^= 1 << source.randrange(8)
        put(path, bytes(damaged))
        answers = asked_for_all(server.url, job_id)
        assert all(answer.status_code != 500 for answer in answers)
        assert available(server.url) is not None
    put(path, known[1])
    assert httpx.get(f"{server.url}/v1/jobs/{job_id}").status_code == 200
    assert "Traceback" not in server.log.read_text()


def test_a_file_that_is_deleted_while_it_is_served_is_503_until_it_is_back(
    server: BenchServer, path: Path, job_id: str
) -> None:
    assert httpx.get(f"{server.url}/v1/jobs/{job_id}").status_code == 200
    path.rename(path.with_name("away.db"))
    for answer in asked_for_all(server.url, job_id):
        assert_unavailable(answer)
    assert available(server.url) == 0
    # Nothing new is begun where there were jobs.
    assert not path.exists()
    path.with_name("away.db").rename(path)
    assert httpx.get(f"{server.url}/v1/jobs/{job_id}").status_code == 200


def test_an_empty_file_in_its_place_is_503_until_a_restart_begins_anew(
    own_server: BenchServer, job_id: str
) -> None:
    own_server.start()
    assert httpx.get(f"{own_server.url}/v1/jobs/{job_id}").status_code == 200
    put(own_server.jobs_folder / "jobs.db", b"")
    for answer in asked_for_all(own_server.url, job_id):
        assert_unavailable(answer)
    own_server.restart()
    assert httpx.get(f"{own_server.url}/v1/jobs").json()["items"] == []


def test_a_stream_outlasts_damage_and_goes_on_when_it_is_right(
    server: BenchServer, path: Path, job_id: str, known: tuple[str, bytes]
) -> None:
    with httpx.stream("GET", f"{server.url}/v1/jobs/{job_id}/events", timeout=60) as events:
        lines = events.iter_lines()
        assert '"queued"' in next(line for line in lines if line.startswith("data:"))
        put(path, b"not a database" * 500)
        until(
            lambda: httpx.get(f"{server.url}/v1/jobs/{job_id}", timeout=30),
            lambda answer: answer.status_code == 503,
            what="503 for a damaged file",
        )
        put(path, known[1])
        assert httpx.post(f"{server.url}/v1/jobs/{job_id}/cancel").status_code == 200
        assert '"cancelled"' in next(line for line in lines if line.startswith("data:"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text("not a database\n" * 999),
        Path.mkdir,
        lambda path: with_sql(path, "CREATE TABLE task (name TEXT)"),
    ],
    ids=["text", "folder", "other tables"],
)
def test_a_damaged_queue_costs_nothing_but_time(
    server: BenchServer, path: Path, tmp_path: Path, damage: Damage
) -> None:
    queue = path.with_name("queue.db")
    for name in ("queue.db", "queue.db-wal", "queue.db-shm"):
        with suppress(FileNotFoundError):
            path.with_name(name).rename(tmp_path / f"old-{name}")
    damage(queue)
    logged = len(server.log.read_text())

    def submitted(arch: int, *, logs: str) -> None:
        body = {"network": {**NETWORK, "arch": arch}}
        assert httpx.post(f"{server.url}/v1/models", json=body).status_code == 202
        # The log is written beside the answers.
        until(
            lambda: server.log.read_text()[logged:],
            lambda log: logs in log,
            what=f"{logs!r} in the log",
        )

    server.kill()
    server.start()
    submitted(2, logs="no messages between server and workers")
    queue.rename(tmp_path / "queue")
    submitted(3, logs="messages between server and workers again")
    assert queue.is_file()


def test_a_worker_says_what_is_wrong_and_works_when_it_is_put_right(
    own_server: BenchServer, job_id: str, known: tuple[str, bytes], tmp_path: Path
) -> None:
    path = own_server.jobs_folder / "jobs.db"
    write_at(path, 0, b"not a database")
    log = tmp_path / "worker.log"
    environment = own_server.options["env"]
    check = nbs("worker", "--check", **environment)
    assert check.returncode == 1
    assert "not a database" in check.stderr
    assert "Traceback" not in check.stderr
    with log.open("wb") as output:
        worker = start_nbs("worker", "--threads", "1", env=environment, stderr=output)
    try:
        until(
            log.read_text,
            lambda log: log.count("file is not a database") > 2,
            what="a worker that tries a damaged file again and again",
        )
        assert worker.poll() is None
        put(path, known[1])
        with open_jobs(JobSettings(jobs_dir=own_server.jobs_folder)) as jobs:
            ended = until(
                lambda: jobs.store.get(job_id), lambda job: job.is_finished, what="the job ended"
            )
            assert ended.state == "succeeded"
        assert "Traceback" not in log.read_text()
    finally:
        worker.kill()
        worker.wait()
