"""What the metrics tell, asked of real servers."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from waiting import until

from service.http.request_middleware import RequestCounter
from service.jobs.records import DeviceState, JobState, WorkerState
from service.observability.metrics import Metrics, job_families

Serve: TypeAlias = Callable[..., str]

REPOSITORY: Final = Path(__file__).resolve().parents[3]
STATS: Final = "/v1/nasbench201/computed-stats"
BATCH: Final = f"{STATS}/query"


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def read(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return samples(httpx.get(f"{url}/metrics").text)


def value(metrics: dict[Any, float], name: str, **labels: str) -> float:
    return metrics.get((name, frozenset(labels.items())), 0.0)


def requests(url: str, method: str, route: str, status: int) -> float:
    return value(
        read(url), "nasbench_requests_total", method=method, route=route, status=str(status)
    )


@pytest.fixture(scope="module")
def url(directory: Path, serving: Any) -> Any:
    with serving(directory) as address:
        yield address


class TestRequests:
    @pytest.mark.parametrize(
        ("method", "path", "route", "status"),
        [
            ("GET", f"{STATS}?arch=3", STATS, 200),
            ("GET", f"{STATS}?arch=nonsense", STATS, 422),
            ("GET", "/v1/benchmarks/nasbench201", "/v1/benchmarks/{name}", 200),
            ("GET", "/v1/benchmarks/nonsense", "/v1/benchmarks/{name}", 404),
            ("POST", BATCH, BATCH, 422),
            ("DELETE", STATS, STATS, 405),
            ("GET", "/nothing/at/all", "(none)", 404),
        ],
    )
    def test_are_counted_by_the_template_of_their_route(
        self, url: str, method: str, path: str, route: str, status: int
    ) -> None:
        before = requests(url, method, route, status)
        for _ in range(3):
            httpx.request(method, url + path, json={} if method == "POST" else None)
        assert requests(url, method, route, status) - before == 3

    def test_that_are_read_without_the_router_have_their_latency_counted(self, url: str) -> None:
        labels = {"method": "GET", "route": STATS}
        before = read(url)
        for _ in range(5):
            httpx.get(f"{url}{STATS}?arch=3")
        after = read(url)
        count, seconds = (
            value(after, name, **labels) - value(before, name, **labels)
            for name in ("nasbench_request_seconds_count", "nasbench_request_seconds_sum")
        )
        assert count == 5
        assert 0 < seconds < 60
        for bound in ("0.0005", "0.1", "10.0", "+Inf"):
            bucket = frozenset({**labels, "le": bound}.items())
            assert ("nasbench_request_seconds_bucket", bucket) in after

    def test_that_callers_make_up_make_no_new_series(self, url: str) -> None:
        httpx.get(f"{url}/nothing")
        before = len(read(url))
        for rank in range(50):
            httpx.get(f"{url}/made-up/{rank}")
            httpx.get(f"{url}/v1/benchmarks/{rank}")
        assert len(read(url)) - before <= 20

    def test_that_a_reading_itself_is_are_in_progress(self, url: str) -> None:
        assert value(read(url), "nasbench_requests_in_progress") == 1


class TestAnswers:
    def test_that_are_kept_are_counted(self, url: str) -> None:
        before = read(url)
        for _ in range(3):
            httpx.get(f"{url}{STATS}?num_epochs=200&limit=7")
        after = read(url)
        grown = {
            result: value(after, "nasbench_response_cache_total", result=result)
            - value(before, "nasbench_response_cache_total", result=result)
            for result in ("hit", "miss")
        }
        assert grown == {"hit": 2, "miss": 1}


class TestDatabases:
    def test_tell_their_size_and_digest(self, url: str, directory: Path) -> None:
        metrics = read(url)
        size = value(metrics, "nasbench_database_bytes", benchmark="nasbench201")
        assert size == (directory / "nasbench201.db").stat().st_size
        digest = httpx.get(f"{url}/readyz").json()["benchmarks"]["nasbench201"]["content_digest"]
        assert [
            dict(labels)["synthetic"]
            for name, labels in metrics
            if name == "nasbench_database_info" and ("content_digest", digest) in labels
        ] == ["true"]

    def test_that_cannot_be_served_are_told_of(self, serve: Serve, tmp_path: Path) -> None:
        (tmp_path / "nasbench201.db").write_bytes(b"no database")
        metrics = read(serve(tmp_path))
        assert metrics["nasbench_database_usable", frozenset({("benchmark", "nasbench201")})] == 0


class TestSeveralWorkers:
    def test_tell_the_same_sum_whichever_is_killed_and_leave_nothing_behind(
        self, directory: Path, tmp_path: Path, serving: Any
    ) -> None:
        with serving(directory, 2, NASBENCH_METRICS_DIR=str(tmp_path)) as url:
            (folder,) = tmp_path.iterdir()
            assert folder.stat().st_mode & 0o077 == 0
            for _ in range(40):
                httpx.get(f"{url}{STATS}?arch=3")
            time.sleep(2.5)
            told = {requests(url, "GET", STATS, 200) for _ in range(20)}
            assert told == {40}
            pids = {path.name.rpartition("_")[2] for path in folder.glob("*.db")}
            assert len(pids) == 2
            killed = int(next(folder.glob("counter_*.db")).stem.rpartition("_")[2])
            os.kill(killed, signal.SIGKILL)
            until(
                lambda: {path.stem.rpartition("_")[2] for path in folder.glob("counter_*.db")},
                lambda pids: len(pids) > 2,
                what="another worker in the place of the killed one",
            )
            # What it had in progress is forgotten, and not what it counted.
            assert requests(url, "GET", STATS, 200) == 40
            assert not list(folder.glob(f"gauge_live*_{killed}.db"))
        assert list(tmp_path.iterdir()) == []


class TestWhatIsWatched:
    def test_is_asked_at_every_reading(self) -> None:
        metrics = Metrics(RequestCounter())
        seen_at = datetime(2026, 1, 1, tzinfo=UTC)
        gpu = DeviceState(name="cuda:0", kind="cuda", model="H200", memory=2**37)
        worker = WorkerState(
            id="w", host="h", pid=1, version="1", devices=(gpu,), running=("a",), seen_at=seen_at
        )
        metrics.watch(lambda: job_families({JobState.QUEUED: 4}, [worker]))
        told = samples(metrics.text().decode())
        assert value(told, "nasbench_jobs", state="queued") == 4
        assert told["nasbench_jobs", frozenset({("state", "parked")})] == 0
        assert value(told, "nasbench_worker_alive", worker="w") == 1
        assert value(told, "nasbench_worker_running_jobs", worker="w") == 1
        assert value(told, "nasbench_worker_seen_seconds", worker="w") == seen_at.timestamp()
        device = {"worker": "w", "device": "cuda:0", "kind": "cuda", "model": "H200"}
        assert value(told, "nasbench_worker_device_bytes", **device) == 2**37


def test_the_page_of_metrics_lists_every_metric(url: str) -> None:
    page = (REPOSITORY / "docs/metrics.md").read_text()
    jobs = Metrics(RequestCounter())
    jobs.watch(lambda: job_families({}, []))
    text = httpx.get(f"{url}/metrics").text + jobs.text().decode()
    for name in re.findall(r"^# TYPE (\w+) \w+$", text, re.MULTILINE):
        if not name.endswith("_created"):
            assert f"| `{name}` |" in page, name
