"""The panels of the dashboard and the rules, asked of a real Prometheus that reads a server."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import create_server
from typing import Any, Final, TypeAlias

import httpx
import pytest
import yaml

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.records import DeviceState, NewJob, WorkerState

DOCKER: Final = Path(__file__).resolve().parents[3] / "docker"
STATS: Final = "/v1/nasbench201/computed-stats"
OFTEN: Final = "200ms"
PATIENCE: Final = 120
"""Seconds; it takes three."""

Ask: TypeAlias = Callable[..., Any]

GPU: Final = DeviceState(name="cuda:0", kind="cuda", model="H200", memory=2**37)
WORKER: Final = WorkerState(
    id="w", host="h", pid=1, version="1", devices=(GPU,), running=("a-job",)
)
QUEUED: Final = NewJob(kind="model", spec={"network": {}}, key="0" * 64)


def panels() -> list[Any]:
    found: list[Any] = json.loads((DOCKER / "grafana/dashboards/nasbench.json").read_text())[
        "panels"
    ]
    return found


QUERIES: Final = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in panels()
    for target in panel.get("targets", [])
]


@pytest.fixture(scope="module")
def watched(
    directory: Path, tmp_path_factory: pytest.TempPathFactory, serving: Any
) -> Iterator[str]:
    """A server with a job that waits and a worker that runs one."""
    jobs_folder = tmp_path_factory.mktemp("jobs")
    with serving(directory, NASBENCH_JOBS_DIR=str(jobs_folder)) as url:
        jobs: Jobs
        with open_jobs(JobSettings(jobs_dir=jobs_folder)) as jobs:
            jobs.workers.heartbeat(WORKER)
            jobs.store.submit(QUEUED)
        yield url


@pytest.fixture(scope="module")
def prometheus(watched: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks a Prometheus that is set up as in docker/, but for where and how often it reads."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is missing: apt-get install prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    configuration = yaml.safe_load((DOCKER / "prometheus/prometheus.yml").read_text())
    configuration["global"] = dict.fromkeys(("scrape_interval", "evaluation_interval"), OFTEN)
    configuration["rule_files"] = [f"{DOCKER}/prometheus/rules/*.yml"]
    job = configuration["scrape_configs"][0]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [watched.removeprefix("http://")]}]
    configuration["scrape_configs"] = [job]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    with create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={address}",
            ],
            stdout=output,
            stderr=output,
            env={**os.environ, "GOMAXPROCS": "1"},
        )

    def ask(path: str, **parameters: str) -> Any:
        answer = httpx.get(f"http://{address}/api/v1/{path}", params=parameters)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert process.poll() is None, log.read_text()
            try:
                ask("query", query="up")
                break
            except (httpx.TransportError, AssertionError):
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield ask
    finally:
        process.terminate()
        process.wait(30)


def use(url: str) -> None:
    """Ask what panels are about: lookups, and scans that are answered from memory."""
    for _ in range(2):
        httpx.get(f"{url}{STATS}", params={"arch": 3})
        httpx.get(f"{url}{STATS}", params={"num_epochs": 200, "limit": 7})


def test_there_are_panels_whose_titles_differ() -> None:
    titles = [panel["title"] for panel in panels()]
    assert len(titles) == len(set(titles)) >= 15
    assert len(QUERIES) >= len(titles)


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_of_the_dashboard_finds_data(query: str, prometheus: Ask, watched: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        # A rate is that of what happens between two readings.
        use(watched)
        found = prometheus("query", query=query)["result"]
        values = [float(series["value"][1]) for series in found]
        if any(math.isfinite(value) for value in values):
            return
        assert time.monotonic() < deadline, (query, found)
        time.sleep(0.1)


def test_panels_show_what_is_so(prometheus: Ask) -> None:
    """Figures of panels that state something, after the queries above have found data."""
    stated = {
        panel["title"]: float(
            prometheus("query", query=panel["targets"][0]["expr"])["result"][0]["value"][1]
        )
        for panel in panels()
        if panel["type"] == "stat"
    }
    assert stated == {
        "Servers that answer": 1,
        "Databases that are served": 5,
        "Workers that live": 1,
        "Jobs that wait": 1,
    }


def test_every_rule_is_evaluated_and_nothing_is_wrong(prometheus: Ask) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        rules = [rule for group in prometheus("rules")["groups"] for rule in group["rules"]]
        if all(rule["health"] == "ok" for rule in rules):
            break
        assert time.monotonic() < deadline, rules
        time.sleep(0.1)
    assert len(rules) >= 8
    alerting = [rule["name"] for rule in rules if rule.get("state") == "firing"]
    assert alerting == []
