"""The service as any HTTP client sees it."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from forked_nbs import nbs
from waiting import until

from benchmark_db.questions import MAX_BATCH, MAX_LIMIT
from generators.registry import GENERATORS, SAMPLES
from service.app import create_app
from service.settings import Settings

Serve: TypeAlias = Callable[..., str]

STATS = "/v1/nasbench201/computed-stats"
CURVES = "/v1/nasbench201/intermediate-stats"
BATCH = "/v1/nasbench201/computed-stats/query"
ARCHITECTURE = "/v1/nasbench201/architecture"
ONE = {"arch": "3", "num_epochs": 200, "dataset": "cifar100"}


def assert_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """Check the shape of an error, as the contract has it, and return it."""
    assert response.status_code == status, response.text[:500]
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= problem.keys()
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["x-request-id"]
    for inside in ("Traceback", 'File "', "/home/", "site-packages", "sqlite3"):
        assert inside not in response.text
    return problem


class TestQuery:
    def test_an_item_has_the_fields_of_the_contract(self, http: httpx.Client) -> None:
        item = http.get(STATS, params=ONE).json()["items"][0]
        assert list(item) == [
            *("config", "seed", "num_runs"),
            *("train_acc", "valid_acc", "test_acc", "ori_test_acc"),
            *("train_loss", "valid_loss", "test_loss", "ori_test_loss"),
            *("parameters", "flops", "latency", "training_time"),
            *("valid_evaluation_time", "test_evaluation_time", "ori_test_evaluation_time"),
        ]
        assert list(item["config"]) == [
            *("arch", "arch_str", "index", "num_epochs", "dataset", "num_channels", "num_cells")
        ]

    def test_pages_hold_each_item_once(self, http: httpx.Client) -> None:
        seen = []
        cursor = None
        while True:
            page = http.get(STATS, params={"limit": 7, **({"cursor": cursor} if cursor else {})})
            seen += [json.dumps(item, sort_keys=True) for item in page.json()["items"]]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                break
        whole = http.get(STATS, params={"limit": MAX_LIMIT}).json()["items"]
        assert seen == [json.dumps(item, sort_keys=True) for item in whole]

    def test_every_answer_carries_its_provenance(self, http: httpx.Client) -> None:
        for answer in (
            http.get(STATS, params=ONE),
            http.get(CURVES, params=ONE),
            http.post(BATCH, json={"archs": [3]}),
        ):
            mark = answer.json()["provenance"]
            assert mark["synthetic"] is True
            assert mark["content_digest"].startswith("sha256:")

    def test_a_batch_reports_malformed_members_in_place(self, http: httpx.Client) -> None:
        archs = [3, "nonsense", None, 2.5, {"0_1": "none"}, 14_000]
        results = http.post(BATCH, json={"archs": archs, "num_epochs": 200}).json()["results"]
        assert isinstance(results[0], list)
        assert results[5] == []
        assert all(result["error"]["status"] == 422 for result in results[1:5])

    def test_an_empty_batch_is_answered_empty(self, http: httpx.Client) -> None:
        assert http.post(BATCH, json={"archs": []}).json()["results"] == []


SEEDS = (777, 888, 999)


class TestCaching:
    def test_a_held_answer_is_not_sent_again(self, http: httpx.Client) -> None:
        first = http.get(STATS, params=ONE)
        assert "max-age" in first.headers["cache-control"]
        again = http.get(STATS, params=ONE, headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == first.headers["etag"]

    def test_another_question_has_another_tag(self, http: httpx.Client) -> None:
        tags = {http.get(STATS, params={**ONE, "seed": seed}).headers["etag"] for seed in SEEDS}
        assert len(tags) == len(SEEDS)

    def test_a_list_of_tags_is_understood(self, http: httpx.Client) -> None:
        tag = http.get("/v1/benchmarks").headers["etag"]
        held = {"If-None-Match": f'"other", {tag}'}
        assert http.get("/v1/benchmarks", headers=held).status_code == 304

    def test_another_database_has_another_tag(
        self, http: httpx.Client, serve: Serve, tmp_path: Path
    ) -> None:
        raw = SAMPLES["nasbench201"](tmp_path / "raw", architectures=4, seed=9)
        GENERATORS["nasbench201"](raw, tmp_path, progress=lambda *_: None)
        other = httpx.get(serve(tmp_path) + STATS, params=ONE)
        assert other.headers["etag"] != http.get(STATS, params=ONE).headers["etag"]


class TestTransport:
    def test_answers_are_compressed_on_request(self, http: httpx.Client) -> None:
        for accepted, encoding in (("gzip", "gzip"), ("identity", None)):
            headers = {"Accept-Encoding": accepted}
            with http.stream("GET", CURVES, params=ONE, headers=headers) as response:
                raw = b"".join(response.iter_raw())
            assert response.headers.get("content-encoding") == encoding
            assert "Accept-Encoding" in response.headers["vary"]
            plain = gzip.decompress(raw) if encoding else raw
            assert json.loads(plain)["items"]

    def test_a_sane_request_id_is_echoed(self, http: httpx.Client) -> None:
        answer = http.get("/livez", headers={"X-Request-ID": "search-17/step:4"})
        assert answer.headers["x-request-id"] == "search-17/step:4"

    @pytest.mark.parametrize("sent", ["", "a" * 129, "a b", "ä".encode(), '"><script>'])
    def test_another_request_id_is_replaced(self, http: httpx.Client, sent: str | bytes) -> None:
        answer = http.get("/livez", headers={"X-Request-ID": sent})
        echoed = answer.headers["x-request-id"]
        assert echoed not in {sent, ""}

    def test_request_ids_differ(self, http: httpx.Client) -> None:
        assert len({http.get("/livez").headers["x-request-id"] for _ in range(5)}) == 5

    def test_the_caller_is_not_told_what_serves(self, http: httpx.Client) -> None:
        assert "server" not in http.get("/livez").headers


class TestRefusals:
    @pytest.mark.parametrize(
        ("parameters", "field"),
        [
            ({"arch": "nonsense"}, "arch"),
            ({"arch": "15625"}, "arch"),
            ({"arch": "|a~0|+|none~0|none~1|+|none~0|none~1|none~2|"}, "arch"),
            ({"arch": '["none", "none"]'}, "arch"),
            ({"arch": '{"0_1": 1}'}, "arch"),
            ({"arch": "[" * 900}, "arch"),
            ({"arch": "9" * 900}, "arch"),
            ({"dataset": "mnist"}, "dataset"),
            ({"dataset": ""}, "dataset"),
            ({"num_epochs": "many"}, "num_epochs"),
            ({"num_epochs": 0}, "num_epochs"),
            ({"num_epochs": 2**63}, "num_epochs"),
            ({"seed": -1}, "seed"),
            ({"seed": 10**30}, "seed"),
            ({"reduction": "median"}, "reduction"),
            ({"limit": 0}, "limit"),
            ({"limit": MAX_LIMIT + 1}, "limit"),
            ({"limit": 10**12}, "limit"),
            ({"include_intermediates": "perhaps"}, "include_intermediates"),
            ({"cursor": "nonsense"}, "cursor"),
            ({"cursor": "ä"}, "cursor"),
            ({"cursor": "W10"}, "cursor"),
            ({"unknown": 1}, "unknown"),
        ],
    )
    def test_a_bad_parameter_is_named(
        self, http: httpx.Client, parameters: dict[str, Any], field: str
    ) -> None:
        problem = assert_problem(http.get(STATS, params=parameters), 422)
        assert problem["errors"][0]["loc"] == ["query", field]
        assert problem["errors"][0]["msg"]

    def test_a_parameter_given_twice_is_refused(self, http: httpx.Client) -> None:
        problem = assert_problem(http.get(f"{STATS}?arch=1&arch=2"), 422)
        assert problem["errors"][0]["loc"] == ["query", "arch"]

    def test_a_cursor_of_another_question_is_refused(self, http: httpx.Client) -> None:
        cursor = http.get(STATS, params={"limit": 1}).json()["next_cursor"]
        problem = assert_problem(http.get(STATS, params={"cursor": cursor, "seed": 777}), 422)
        assert "another question" in problem["detail"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "archs"),
            ({"archs": 3}, "archs"),
            ({"archs": [0] * (MAX_BATCH + 1)}, "archs"),
            ({"archs": [0], "num_epochs": "200"}, "num_epochs"),
            ({"archs": [0], "num_epochs": True}, "num_epochs"),
            ({"archs": [0], "include_intermediates": 1}, "include_intermediates"),
            ({"archs": [0], "arch": 1}, "arch"),
            ({"archs": [0], "dataset": "mnist"}, "dataset"),
            ({"archs": [0], "reduction": "median"}, "reduction"),
        ],
    )
    def test_a_bad_field_of_a_batch_is_named(
        self, http: httpx.Client, body: dict[str, Any], field: str
    ) -> None:
        problem = assert_problem(http.post(BATCH, json=body), 422)
        assert problem["errors"][0]["loc"][:2] == ["body", field]

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"x"', b"[" * 100_000])
    def test_a_body_that_is_no_question_is_refused(
        self, http: httpx.Client, content: bytes
    ) -> None:
        response = http.post(BATCH, content=content, headers={"Content-Type": "application/json"})
        assert_problem(response, response.status_code)
        assert response.status_code in {400, 422}

    def test_a_body_that_is_no_text_is_refused(self, http: httpx.Client) -> None:
        headers = {"Content-Type": "application/json"}
        assert_problem(http.post(BATCH, content=b"\xff\xfe\x00", headers=headers), 400)

    @pytest.mark.parametrize("arch", [True, 2.5, None, [], {}, ["none"] * 7, "", -1])
    def test_a_bad_architecture_is_refused(self, http: httpx.Client, arch: Any) -> None:
        problem = assert_problem(http.post(ARCHITECTURE, json={"arch": arch}), 422)
        assert problem["title"] == "Invalid architecture"

    def test_a_body_that_says_it_is_too_long_is_refused(self, http: httpx.Client) -> None:
        assert_problem(http.post(BATCH, json={"archs": ["x" * (4 * 2**20)]}), 413)

    def test_a_body_that_grows_too_long_is_refused(self, http: httpx.Client) -> None:
        def chunks() -> Any:
            for _ in range(80):
                yield b" " * 65_536

        headers = {"Content-Type": "application/json"}
        assert_problem(http.post(BATCH, content=chunks(), headers=headers), 413)

    def test_an_unknown_address_is_a_problem(self, http: httpx.Client) -> None:
        assert_problem(http.get("/v1/nasbench201/nothing"), 404)

    def test_an_address_of_a_misspelt_benchmark_names_the_one_that_is_near(
        self, http: httpx.Client
    ) -> None:
        problem = assert_problem(http.get("/v1/nb201/computed-stats"), 404)
        assert problem["detail"].startswith("there is no benchmark 'nb201'; is it nasbench201?")
        for path in ("/v1/nasbench201/nothing", "/v1/zzz/computed-stats", "/nb201"):
            assert "nothing at this path" in assert_problem(http.get(path), 404)["detail"]

    def test_another_method_is_a_problem(self, http: httpx.Client) -> None:
        response = http.delete(STATS)
        assert_problem(response, 405)
        assert response.headers["allow"] == "GET, HEAD"

    def test_a_benchmark_that_is_not_installed_says_how(self, http: httpx.Client) -> None:
        problem = assert_problem(http.get("/v1/benchmarks/nasbench301"), 404)
        assert "known are" in problem["detail"]

    def test_another_site_may_not_read_the_answers(self, http: httpx.Client) -> None:
        answer = http.get(STATS, params=ONE, headers={"Origin": "https://elsewhere.example"})
        assert "access-control-allow-origin" not in answer.headers


class TestHealth:
    def test_a_server_without_databases_lives_but_is_not_ready(
        self, serve: Serve, tmp_path: Path
    ) -> None:
        url = serve(tmp_path)
        assert httpx.get(f"{url}/livez").json() == {"status": "alive"}
        assert "nbs generate" in assert_problem(httpx.get(f"{url}/readyz"), 503)["detail"]
        problem = assert_problem(httpx.get(url + STATS), 404)
        assert "nbs generate nasbench201" in problem["detail"]
        assert httpx.get(f"{url}/v1/benchmarks").json() == {"items": []}

    @pytest.mark.parametrize("content", [b"", b"not a database\n" * 99])
    def test_a_file_that_is_no_database_is_told_of(
        self, serve: Serve, tmp_path: Path, content: bytes
    ) -> None:
        (tmp_path / "nasbench201.db").write_bytes(content)
        url = serve(tmp_path)
        state = assert_problem(httpx.get(f"{url}/readyz"), 503)["benchmarks"]["nasbench201"]
        assert state["status"] == "unusable"
        assert "nasbench201.db" in state["reason"]
        assert str(tmp_path) not in httpx.get(f"{url}/readyz").text
        assert_problem(httpx.get(url + STATS), 404)

    def test_a_database_that_is_damaged_while_served_is_told_of(
        self, serve: Serve, tmp_path: Path, directory: Path
    ) -> None:
        target = tmp_path / "nasbench201.db"
        shutil.copy(directory / "nasbench201.db", target)
        url = serve(tmp_path)
        # All but the first page, which SQLite has read when the server started.
        with target.open("r+b") as file:
            file.seek(16_384)
            file.write(b"\xff" * (target.stat().st_size - 16_384))
        problem = assert_problem(httpx.get(url + STATS, params=ONE), 503)
        assert problem["type"].endswith("database-unusable")
        assert httpx.get(f"{url}/livez").status_code == 200

    def test_ready_names_the_digest(self, http: httpx.Client) -> None:
        ready = http.get("/readyz").json()
        installed = http.get("/v1/benchmarks").json()["items"]
        assert ready["status"] == "ready"
        assert {name: state["content_digest"] for name, state in ready["benchmarks"].items()} == {
            info["name"]: info["provenance"]["content_digest"] for info in installed
        }


class TestTimeBudget:
    def test_a_question_that_takes_too_long_is_stopped(self, serve: Serve, directory: Path) -> None:
        url = serve(directory, NASBENCH_TIME_BUDGET="0.000001")
        slow = {"limit": 1000, "reduction": "mean", "include_intermediates": True}
        problem = assert_problem(httpx.get(url + STATS, params=slow, timeout=30), 503)
        assert problem["type"].endswith("time-budget-exceeded")
        assert httpx.get(url + STATS, params=ONE).status_code == 200


class TestLogs:
    def test_every_request_is_one_json_line_but_health_checks_that_went_well(
        self, serve: Serve, directory: Path
    ) -> None:
        url = serve(directory)
        for probe in ("/livez", "/readyz", "/metrics"):
            assert httpx.get(url + probe, headers={"X-Request-ID": "probe"}).is_success
            assert httpx.delete(url + probe).status_code == 405
        httpx.get(url + STATS, params=ONE, headers={"X-Request-ID": "find-me"})
        port = url.rpartition(":")[2]
        log = directory / f"server-{port}.log"
        logged = until(log.read_text, lambda log: "find-me" in log, what="the request logged")
        lines = logged.splitlines()
        (event,) = [json.loads(line) for line in lines if "find-me" in line]
        assert (event["method"], event["path"], event["status"]) == ("GET", STATS, 200)
        assert event["ms"] > 0
        assert not [line for line in lines if "probe" in line]
        refused = [json.loads(line)["path"] for line in lines if '"status":405' in line]
        assert refused == ["/livez", "/readyz", "/metrics"]


class TestUnforeseenErrors:
    def test_tell_the_caller_nothing_of_the_inside(self, directory: Path) -> None:
        app = create_app(Settings(directory=directory))

        @app.get("/broken")
        async def broken() -> None:
            raise RuntimeError("secret")

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url="http://test") as client,
            ):
                return await client.get("/broken")

        response = asyncio.run(ask())
        assert_problem(response, 500)
        assert "secret" not in response.text


def test_requests_are_answered_at_the_same_time(server: str) -> None:
    """Scans in threads do not keep single answers waiting, and none is lost."""
    statuses = []

    def ask(parameters: dict[str, Any]) -> None:
        statuses.append(httpx.get(server + STATS, params=parameters, timeout=30).status_code)

    scan = {"limit": MAX_LIMIT, "include_intermediates": True}
    threads = [
        threading.Thread(target=ask, args=(parameters,)) for parameters in [scan, ONE, ONE] * 6
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 18


def test_a_port_that_is_taken_is_a_clear_failure(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = nbs("serve", "--data", directory, "--port", port)
    assert ended.returncode != 0
    assert "address already in use" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.usefixtures("unmeasured")
def test_several_workers_answer_alike_from_one_file(serve: Serve, directory: Path) -> None:
    url = serve(directory, workers=2)

    async def ask(params: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            return await http.get(STATS, params=params)

    async def ask_at_once() -> list[httpx.Response]:
        # Long answers, each on a connection of its own, for any worker to take.
        params = {"num_epochs": 200, "include_intermediates": "true"}
        return await asyncio.gather(*(ask(params) for _ in range(40)))

    answers, workers = [], set()
    until = time.monotonic() + 30
    while len(workers) < 2 and time.monotonic() < until:
        answers += asyncio.run(ask_at_once())
        workers = {each.headers["X-Request-ID"].split("-")[0] for each in answers}
    assert len(workers) == 2
    assert len({(each.status_code, each.text, each.headers["ETag"]) for each in answers}) == 1
