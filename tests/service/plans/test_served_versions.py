"""Questions over HTTP that name a version of a plan's table."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from planned import content, do_cells, make_version, work
from typer.testing import CliRunner
from waiting import until

from bench_client import BenchClient, BenchmarkNotInstalledError, InvalidRequestError
from service.cli.plan import app
from service.jobs import Jobs


def grow(jobs: Jobs, bench: BenchClient, name: str, number: int) -> None:
    """Do cells of a plan, more with each version, and wait until a version has them."""
    do_cells(jobs, number**2 - bench.plan_named(name).counts.done)
    until(
        lambda: bench.plan_named(name).counts,
        lambda counts: counts.done >= number**2,
        what=f"the cells of version {number} done",
    )
    make_version(bench, name, number)


@pytest.mark.filterwarnings("ignore::bench_client.errors.PartialDataWarning")
def test_a_question_names_the_version_that_it_is_about(
    jobs: Jobs, bench: BenchClient, url: str
) -> None:
    bench.plan(content(name="grown", protocol__seeds=[81, 82]), pilot=False)
    bench.start_plan("grown")
    for number in (1, 2, 3):
        grow(jobs, bench, "grown", number)

    def told(path: str, **options: Any) -> httpx.Response:
        return httpx.request(options.pop("method", "GET"), f"{url}/v1/{path}", **options)

    # A server goes over to new files within seconds.
    until(
        lambda: told("grown/computed-stats", params={"version": 3}),
        lambda answer: answer.status_code == 200,
        what="version 3 served",
    )
    archs = sorted({cell.arch_str for cell in bench.plan_cells("grown")})
    for number, versioned in enumerate(("grown@1", "grown@2", "grown@3"), 1):
        there = bench.plan_named("grown").versions[number - 1].there
        assert len(bench.query(versioned)) == there
        batch = bench.query_many(versioned, archs)
        assert sum(map(len, batch)) == there
        assert bench.benchmark(versioned).provenance.contents["version"] == number
        answer = told(f"grown/top?metric=valid_acc&version={number}&num_epochs=1")
        assert answer.json()["provenance"]["version"] == number
    unpinned = told("grown/top?metric=valid_acc&num_epochs=1")
    assert unpinned.headers["etag"] != answer.headers["etag"]  # of the same rows
    assert unpinned.json() == answer.json()
    with pytest.raises(BenchmarkNotInstalledError, match="version 9 of 'grown' is not kept; kept"):
        bench.query("grown@9")
    for stated in ("x", "0", "-1", "1&version=2", "1e0", "%31", "../grown", "1000000000", ""):
        for address in ("benchmarks/grown", "grown/computed-stats", "grown/columns"):
            refused = told(f"{address}?version={stated}")
            assert refused.status_code == 422, refused.text
            assert refused.json()["errors"][0]["loc"] == ["query", "version"]
    assert told("grown/architecture?version=9", method="POST", json={"arch": 0}).status_code == 404
    assert told("grown@3/computed-stats").status_code == 404
    assert told("nasbench201/computed-stats?version=1").status_code in {404, 422}
    document = httpx.get(f"{url}/openapi.json").json()["paths"]
    for path, method in (("/v1/grown/top", "get"), ("/v1/grown/architecture", "post")):
        assert "version" in [one["name"] for one in document[path][method]["parameters"]]
    named = document["/v1/nasbench201/top"]["get"]["parameters"]
    assert "version" not in [one["name"] for one in named]
    assert bench.keep_version("grown", 1).versions[0].kept
    runner = CliRunner()
    forgotten = ["keep", "grown", "1", "--forget", "--url", url, "--json"]
    kept = runner.invoke(app, forgotten, catch_exceptions=False)
    assert json.loads(kept.stdout)["versions"][0]["kept"] is False
    with pytest.raises(InvalidRequestError, match="version 9 of grown is not kept"):
        bench.keep_version("grown", 9)


def test_the_last_version_is_told_though_its_rows_are_those_before(
    jobs: Jobs, bench: BenchClient, url: str
) -> None:
    bench.plan(content(name="ended", protocol__seeds=[91]), pilot=False)
    bench.start_plan("ended")
    work(jobs, bench, "ended")

    def asked(**headers: str) -> httpx.Response:
        return httpx.get(f"{url}/v1/ended/top?metric=valid_acc&num_epochs=1", headers=headers)

    def answered(version: int, **headers: str) -> httpx.Response:
        """Wait for a version, which a server goes over to within seconds."""
        answer = until(
            lambda: asked(**headers),
            lambda answer: (
                answer.status_code == 200 and answer.json()["provenance"]["version"] == version
            ),
            what=f"version {version} served",
        )
        assert isinstance(answer, httpx.Response)
        return answer

    make_version(bench, "ended", 1)
    make_version(bench, "ended", 2)
    first = answered(2)
    bench.seal_plan("ended")
    last = answered(3, **{"If-None-Match": first.headers["etag"]})
    marks = [one.json()["provenance"] for one in (first, last)]
    assert marks[0]["content_digest"] == marks[1]["content_digest"]
    assert [mark["complete"] for mark in marks] == [False, True]
    assert first.json()["items"] == last.json()["items"]
