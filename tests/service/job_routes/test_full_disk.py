"""A real server whose jobs lie on a disk of four MiB: what it answers when there is no room."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from bench_server import BenchServer
from waiting import until

from bench_client import BenchClient, ServerFailedError

# A namespace of its own needs no privileges where the system grants one, and ends with the server.
ON_A_SMALL_DISK: Final = (
    *("unshare", "--map-root-user", "--mount", "sh", "-c"),
    'mount -t tmpfs -o size=4m disk "$0" && exec "$@"',
)
REPORT: Final = b'{"parameters": 1}'
HAND: Final = f"""
from pathlib import Path
from service.jobs import JobSettings, open_jobs
from service.jobs.records import Artifact, Capabilities

with open_jobs(JobSettings()) as jobs:
    claimed = jobs.leases.acquire("hand", Capabilities(device="cpu", datasets=frozenset()))
    report = jobs.settings.folder / "made"
    report.write_bytes({REPORT!r})
    sha256, size = jobs.artifacts.add(report)
    report.unlink()
    found = Artifact(name="report.json", media_type="text/json", size=size, sha256=sha256)
    jobs.leases.succeed(claimed, {{}}, [found])
"""


class SmallServer(BenchServer):
    """A server whose jobs lie on a small disk that nobody else has."""

    def command(self) -> list[str]:
        return [*ON_A_SMALL_DISK, str(self.jobs_folder), *super().command()]

    @property
    def seen_jobs(self) -> Path:
        """The folder of the jobs as it is seen from here."""
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/root{self.jobs_folder}")

    def do_a_job(self) -> None:
        """Do the job that waits, as a worker on that disk does."""
        with self._beside("-c", HAND) as process:
            assert process.wait() == 0

    @contextmanager
    def working(self) -> Iterator[None]:
        """Have a worker on that disk, within the context."""
        with self._beside("-m", "service.cli", "worker", "--threads", "1") as process:
            try:
                yield
            finally:
                process.terminate()

    def _beside(self, *arguments: str) -> subprocess.Popen[bytes]:
        assert self._process is not None
        enter = ["nsenter", "--target", str(self._process.pid), "--user", "--mount"]
        enter += ["--preserve-credentials", sys.executable, *arguments]
        told = {"PYTHONPATH": str(self.options["cwd"]), "NASBENCH_RETRY_SECONDS": "0.1"}
        return subprocess.Popen(enter, env={**self.options["env"], **told})

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave no room on the disk, within the context."""
        filling = self.seen_jobs / "filling"
        try:
            with filling.open("wb", buffering=0) as file:
                # The last write that fits may be a part of what was to be written.
                while file.write(bytes(2**20)) == 2**20:
                    pass
            yield
        finally:
            filling.unlink()


@pytest.fixture(scope="module")
def small_server(
    directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SmallServer]:
    """A server for all tests, each of which leaves half of the disk to the next."""
    folder = tmp_path_factory.mktemp("small")
    tried = subprocess.run([*ON_A_SMALL_DISK, str(folder), "true"], check=False)
    if tried.returncode != 0:
        pytest.skip("tests may not mount a disk of their own here")
    server = SmallServer(folder, directory)
    server.jobs_folder.mkdir()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def asking(small_server: SmallServer) -> Iterator[httpx.Client]:
    """A client; at the end no job waits."""
    with httpx.Client(base_url=small_server.url, timeout=30) as client:
        yield client
        for job in waiting_jobs(client):
            client.post(f"/v1/jobs/{job['id']}/cancel")


def waiting_jobs(asking: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = asking.get("/v1/jobs?state=queued").json()["items"]
    return items


def submission(arch: int) -> dict[str, Any]:
    return {"network": {"benchmark": "nasbench201", "arch": arch, "dataset": "cifar10"}}


def safetensors(values: int) -> bytes:
    header = b'{"w":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}' % (values, 4 * values)
    return len(header).to_bytes(8, "little") + header + bytes(4 * values)


def assert_is_full(answer: httpx.Response) -> None:
    assert answer.status_code == 507, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"].endswith(":disk-full")
    assert "/" not in answer.json()["detail"]


def test_weights_that_do_not_fit_are_507_and_leave_their_room_to_others(
    asking: httpx.Client, small_server: SmallServer
) -> None:
    headers = {"Content-Type": "application/octet-stream"}

    def upload(values: int) -> httpx.Response:
        content = safetensors(values)
        return asking.post("/v1/checkpoints?name=x", content=content, headers=headers)

    assert_is_full(upload(2_000_000))
    assert list((small_server.seen_jobs / "checkpoints/incoming").iterdir()) == []
    assert upload(500_000).status_code == 201


def test_a_submission_is_507_until_there_is_room_again(
    asking: httpx.Client, small_server: SmallServer
) -> None:
    waiting = asking.post("/v1/models", json=submission(1)).json()
    path = f"/v1/jobs/{waiting['id']}"
    with small_server.full():
        assert_is_full(asking.post("/v1/models", json=submission(2)))
        assert_is_full(asking.post(f"{path}/cancel"))
        with BenchClient(small_server.url) as bench, pytest.raises(ServerFailedError, match="full"):
            bench.build("nasbench201", 3, dataset="cifar10")
        assert asking.get(path).json() == waiting
        assert asking.post("/v1/models", json=submission(1)).json() == waiting
        assert asking.get("/v1/nasbench201/computed-stats?arch=0").status_code == 200
    assert asking.post("/v1/models", json=submission(2)).status_code == 202
    assert len(waiting_jobs(asking)) == 2


def test_what_was_made_is_sent_although_the_disk_is_full(
    asking: httpx.Client, small_server: SmallServer
) -> None:
    job = asking.post("/v1/models", json=submission(4)).json()
    small_server.do_a_job()
    with small_server.full():
        answer = asking.get(f"/v1/jobs/{job['id']}/artifacts/report.json")
    assert (answer.status_code, answer.content) == (200, REPORT)


def test_a_job_whose_file_does_not_fit_leaves_nothing_and_others_are_done(
    asking: httpx.Client, small_server: SmallServer
) -> None:
    large = network("conv_3x3")
    jobs = [asking.post("/v1/models", json=one).json() for one in (large, network("none"))]
    with small_server.working():
        ended = [end_of(asking, job["id"]) for job in jobs]
        assert [job["state"] for job in ended] == ["parked", "succeeded"]
        assert ended[0]["error"]["kind"] == "disk-full"
        assert "/" not in ended[0]["error"]["message"].replace("NASBENCH_", "")
        assert ended[0]["artifacts"] == []
        assert list((small_server.seen_jobs / "artifacts/incoming").iterdir()) == []
        assert list((small_server.seen_jobs / "scratch").glob("*/*")) == []
        (artifact,) = ended[1]["artifacts"]
        file = asking.get(f"/v1/jobs/{ended[1]['id']}/artifacts/{artifact['name']}")
        assert hashlib.sha256(file.content).hexdigest() == artifact["sha256"]


def test_a_job_that_ends_while_the_disk_is_full_is_told_of_when_there_is_room(
    asking: httpx.Client, small_server: SmallServer
) -> None:
    job = asking.post("/v1/models", json=network("skip_connect")).json()
    with small_server.full(), small_server.working():
        time.sleep(3)
        assert not asking.get(f"/v1/jobs/{job['id']}").json()["artifacts"]
    with small_server.working():
        assert end_of(asking, job["id"])["state"] == "succeeded"


def network(operation: str) -> dict[str, Any]:
    """Return the building of a network of 6 MB with convolutions, and of 0.3 MB without."""
    labels = ("cell/0_1", "cell/0_2", "cell/1_2", "cell/0_3", "cell/1_3", "cell/2_3")
    space = {"space": "NasBench201", "arch": dict.fromkeys(labels, operation)}
    return {"network": space, "formats": ["safetensors"]}


def end_of(asking: httpx.Client, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = until(
        lambda: asking.get(f"/v1/jobs/{job_id}?wait=5").json(),
        lambda job: job["state"] not in {"queued", "running"},
        what="the job ended",
    )
    return job
