"""PostgreSQL does what it is told and the answer is lost: no job is lost, none is there twice."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from real_servers import PostgresServer

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.errors import LostLeaseError
from service.jobs.kinds import spec_key
from service.jobs.lease_tokens import leases_of
from service.jobs.records import Capabilities, Failure, JobState, Lease, NewJob

CPU = Capabilities(device="cpu")
FAILURE = Failure(kind="crash", message="it fell")
LEASE = 1.0


class LosingProxy:
    """Passes bytes on to PostgreSQL; when armed, loses the next answer to COMMIT.

    Args:
        port: That of PostgreSQL on this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.armed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                losing = threading.Event()
                for source, target, told in ((client, server, True), (server, client, False)):
                    threading.Thread(
                        target=self._pass,
                        args=(source, target, losing),
                        kwargs={"told": told},
                        daemon=True,
                    ).start()

    def _pass(
        self, source: socket.socket, target: socket.socket, losing: threading.Event, *, told: bool
    ) -> None:
        with suppress(OSError):
            while piece := source.recv(2**16):
                if told and b"COMMIT" in piece and self.armed.is_set():
                    self.armed.clear()
                    losing.set()
                elif not told and losing.is_set():
                    break  # it was committed, and nobody hears of it
                target.sendall(piece)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[LosingProxy]:
    """A proxy before the session's PostgreSQL."""
    opened = LosingProxy(postgres_server.port)
    yield opened
    opened.close()


@pytest.fixture
def jobs(proxy: LosingProxy, postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Jobs]:
    """The jobs as one sees them who speaks to PostgreSQL through it."""
    address = urlsplit(postgres_server.url)
    url = address._replace(netloc=f"nas@127.0.0.1:{proxy.port}").geturl()
    settings = JobSettings(
        jobs_dir=tmp_path, jobs_url=url, lease_seconds=LEASE, retry_seconds=0, queue_bound=10
    )
    with open_jobs(settings) as opened:
        yield opened


def new(number: int = 0) -> NewJob:
    spec = {"number": number}
    return NewJob(kind="model", spec=spec, key=spec_key("model", spec))


def claimed(jobs: Jobs) -> Lease:
    claim = jobs.leases.acquire("w", CPU)
    assert claim is not None
    return claim


def test_a_submission_that_was_committed_unheard_is_found_when_it_is_repeated(
    jobs: Jobs, proxy: LosingProxy
) -> None:
    proxy.armed.set()
    job, _ = jobs.store.submit(new(), given_key="k")
    assert not proxy.armed.is_set()
    assert [found.id for found in jobs.store.page()[0]] == [job.id]
    assert jobs.store.submit(new(), given_key="k") == (job, False)


def test_a_claim_that_was_committed_unheard_costs_the_job_a_lease(
    jobs: Jobs, proxy: LosingProxy
) -> None:
    job, _ = jobs.store.submit(new())
    proxy.armed.set()
    assert jobs.leases.acquire("w", CPU) is None
    assert jobs.store.get(job.id).state is JobState.RUNNING
    time.sleep(LEASE + 0.5)
    assert jobs.leases.recover() == 1
    claim = claimed(jobs)
    assert (claim.job.id, leases_of(claim.token), claim.job.losses) == (job.id, 2, 1)


def test_a_result_that_was_committed_unheard_is_there_once(jobs: Jobs, proxy: LosingProxy) -> None:
    job, _ = jobs.store.submit(new())
    claim = claimed(jobs)
    proxy.armed.set()
    jobs.leases.succeed(claim, {"x": 1}, ())
    assert not proxy.armed.is_set()
    assert jobs.store.get(job.id).result == {"x": 1}


@pytest.mark.parametrize(
    ("say", "state", "crashes"),
    [
        (lambda jobs, claim: jobs.leases.fail(claim, FAILURE), JobState.FAILED, 0),
        (lambda jobs, claim: jobs.leases.crash(claim, FAILURE), JobState.QUEUED, 1),
        (lambda jobs, claim: jobs.leases.release(claim), JobState.QUEUED, 0),
        (lambda jobs, claim: jobs.leases.cancel(claim), JobState.CANCELLED, 0),
    ],
    ids=["fail", "crash", "hand back", "give up"],
)
def test_an_end_that_was_committed_unheard_counts_once_and_its_worker_lets_go(
    jobs: Jobs,
    proxy: LosingProxy,
    say: Callable[[Jobs, Lease], object],
    state: JobState,
    crashes: int,
) -> None:
    job, _ = jobs.store.submit(new())
    claim = claimed(jobs)
    proxy.armed.set()
    with pytest.raises(LostLeaseError):
        say(jobs, claim)
    found = jobs.store.get(job.id)
    assert (found.state, found.crashes) == (state, crashes)
