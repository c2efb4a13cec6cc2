"""The panels of the dashboard and the rules, asked of a real Prometheus that reads a server."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import create_server
from typing import Any, Final, TypeAlias

import httpx
import pytest
import yaml
from waiting import PATIENCE, until

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.records import DeviceState, NewJob, WorkerState

DOCKER: Final = Path(__file__).resolve().parents[3] / "docker"
STATS: Final = "/v1/nasbench201/computed-stats"
OFTEN: Final = "200ms"

Ask: TypeAlias = Callable[..., Any]

GPU: Final = DeviceState(name="cuda:0", kind="cuda", model="H200", memory=2**37)
WORKER: Final = WorkerState(
    id="w", host="h", pid=1, version="1", devices=(GPU,), running=("a-job",)
)
QUEUED: Final = NewJob(kind="model", spec={"network": {}}, key="0" * 64)


UNITS: Final = {"bytes", "percentunit", "reqps", "s", "short", "string"}
"""Those of Grafana's units that are used here, by its ids; others it shows as text."""
WIDTH: Final = 24
"""Columns of a dashboard."""


def dashboard() -> Any:
    return json.loads((DOCKER / "grafana/dashboards/nasbench.json").read_text())


def panels() -> list[Any]:
    found: list[Any] = dashboard()["panels"]
    return found


def provisioned(kind: str) -> list[Any]:
    """Return what Grafana finds of a kind as it starts."""
    (file,) = (DOCKER / "grafana/provisioning" / kind).iterdir()
    told = yaml.safe_load(file.read_text())
    assert told["apiVersion"] == 1
    found: list[Any] = told["datasources" if kind == "datasources" else "providers"]
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

        def answers() -> object:
            assert process.poll() is None, log.read_text()
            try:
                ask("query", query="up")
            except (httpx.TransportError, AssertionError):
                return log.read_text()
            return True

        until(answers, lambda seen: seen is True, what="Prometheus ready", pause=0.1)
        yield ask
    finally:
        process.terminate()
        process.wait(PATIENCE)


def use(url: str) -> None:
    """Ask what panels are about: lookups, and scans that are answered from memory."""
    for _ in range(2):
        httpx.get(f"{url}{STATS}", params={"arch": 3})
        httpx.get(f"{url}{STATS}", params={"num_epochs": 200, "limit": 7})


def test_the_dashboard_is_as_grafana_wants_it() -> None:
    told = dashboard()
    assert {"uid", "title", "schemaVersion", "time", "templating"} <= told.keys()
    assert told["refresh"] in {"5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "2h", "1d"}
    variables = {f"${{{one['name']}}}" for one in told["templating"]["list"]}
    sources = {one["uid"]: one["type"] for one in provisioned("datasources")}
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    for panel in panels():
        title = panel["title"]
        for asking in (panel, *panel["targets"]):
            source = asking["datasource"]
            assert source["uid"] in variables or sources[source["uid"]] == source["type"], title
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS, title
        assert defaults["unit"] != "percentunit" or (defaults["min"], defaults["max"]) == (0, 1)
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references)), title
        options = panel["options"]
        match panel["type"]:
            case "timeseries":
                legend = options["legend"]
                assert (legend["showLegend"], legend["placement"]) == (True, "bottom"), title
                assert all(target["legendFormat"] for target in panel["targets"]), title
            case "stat":
                assert options["reduceOptions"]["calcs"] == ["lastNotNull"], title
            case "table":
                # A range would be a row for every reading.
                assert [(t["format"], t["instant"]) for t in panel["targets"]] == [("table", True)]
            case other:
                raise AssertionError(f"{title}: {other}")


def test_no_two_panels_overlap_and_none_is_beyond_the_edge() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels():
        at = panel["gridPos"]
        assert at["x"] >= 0 < at["w"] <= WIDTH - at["x"]
        assert at["y"] >= 0 < at["h"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    # No hole either: a row is filled.
    assert len(taken) == WIDTH * (1 + max(y for _, y in taken))


def test_grafana_finds_its_files_and_prometheus_where_compose_has_them() -> None:
    services = yaml.safe_load((DOCKER.parent / "docker-compose.yml").read_text())["services"]
    mounted = {}
    for volume in services["grafana"]["volumes"]:
        source, _, target = volume.removesuffix(":ro").rpartition(":")
        mounted[target] = source
    for target, source in mounted.items():
        if source.startswith("./"):
            assert any((DOCKER.parent / source).iterdir()), target
    (provider,) = provisioned("dashboards")
    folder = DOCKER.parent / mounted[provider["options"]["path"]]
    assert [path.name for path in folder.iterdir()] == ["nasbench.json"]
    assert mounted["/etc/grafana/provisioning"] == "./docker/grafana/provisioning"
    (source,) = provisioned("datasources")
    host, _, port = source["url"].removeprefix("http://").partition(":")
    assert any(f":{port}/" in word for word in services[host]["healthcheck"]["test"])
    reachable = set(services[host]["networks"]) & set(services["grafana"]["networks"])
    assert reachable


def test_there_are_panels_whose_titles_differ() -> None:
    titles = [panel["title"] for panel in panels()]
    assert len(titles) == len(set(titles)) >= 15
    assert len(QUERIES) >= len(titles)


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_of_the_dashboard_finds_data(query: str, prometheus: Ask, watched: str) -> None:
    def values() -> list[float]:
        # A rate is that of what happens between two readings.
        use(watched)
        found = prometheus("query", query=query)["result"]
        return [float(series["value"][1]) for series in found]

    until(values, lambda found: any(map(math.isfinite, found)), what=query, pause=0.1)


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
        "Servers up": 1,
        "Databases served": 5,
        "Workers alive": 1,
        "Jobs queued": 1,
    }


def test_every_rule_is_evaluated_and_nothing_is_wrong(prometheus: Ask) -> None:
    rules = until(
        lambda: [rule for group in prometheus("rules")["groups"] for rule in group["rules"]],
        lambda rules: all(rule["health"] == "ok" for rule in rules),
        what="every rule evaluated",
        pause=0.1,
    )
    assert len(rules) >= 8
    alerting = [rule["name"] for rule in rules if rule.get("state") == "firing"]
    assert alerting == []
