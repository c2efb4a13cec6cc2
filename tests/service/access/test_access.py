"""Who is let through, asked of real servers."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx
import pytest
from waiting import until

from benchmark_db.registry import BENCHMARKS
from service.access.keys import KeyFile, KeyScope, draw_token
from service.access.required_scopes import is_query, required_scope
from service.app import create_app
from service.pages import PAGES
from service.settings import Settings

Serve: TypeAlias = Callable[..., str]

QUESTIONS = [
    f"/v1/{name}/{topic}"
    for name in BENCHMARKS
    for topic in ("architecture", "architectures/neighbors", "computed-stats/query", "hash")
]
STATS: Final = "/v1/nasbench201/computed-stats?arch=3&num_epochs=200"
JOBS: Final = ("/v1/models", "/v1/evaluations", "/v1/latency", "/v1/jobs/x/cancel", "/v1/anything")
UPLOAD: Final = "/v1/checkpoints"


@pytest.fixture(scope="module")
def keyed_folder(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database and no keys yet."""
    folder = tmp_path_factory.mktemp("keyed")
    shutil.copy(directory / "nasbench201.db", folder)
    return folder


@pytest.fixture(scope="module")
def tokens(keyed_folder: Path) -> dict[str, str]:
    """A key of each scope, and one that was revoked."""
    file = KeyFile(keyed_folder / "keys.json")
    made = {str(scope): file.create(f"the-{scope}", scope) for scope in KeyScope}
    made["revoked"] = file.create("gone", KeyScope.ADMIN)
    file.revoke("gone")
    return made


@pytest.fixture(scope="module")
def open_url(keyed_folder: Path, tokens: dict[str, str], serving: Any) -> Iterator[str]:
    """A server where keys are configured and reading is open."""
    assert tokens
    with serving(keyed_folder) as url:
        yield url


@pytest.fixture(scope="module")
def keyed_url(keyed_folder: Path, tokens: dict[str, str], serving: Any) -> Iterator[str]:
    """A server where reading needs a key too."""
    assert tokens
    with serving(keyed_folder, NASBENCH_READ_ACCESS="keyed") as url:
        yield url


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def without_id(problem: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in problem.json().items() if name != "request_id"}


def wrong_keys(tokens: dict[str, str], count: int) -> Iterator[dict[str, str]]:
    """Yield headers that show no key that is taken."""
    rng = random.Random(0)  # noqa: S311 - keys to repeat
    good = tokens["admin"]
    others = ("Basic YTpi", "Bearer", "bearer ", f"Token {good}", good, f"Bearer  {good}", "")
    for rank in range(count):
        place = rng.randrange(len(good))
        changed = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        kinds = (
            bearer(draw_token()),
            bearer(changed),
            bearer(tokens["revoked"]),
            bearer(good[: place or 1]),
            bearer(good + "x" * (1 + place)),
            {"Authorization": others[rank % len(others)]},
            bearer("' OR 1=1 --"),
        )
        yield kinds[rank % len(kinds)]


class TestEveryRoute:
    def test_is_declared_a_question_or_needs_more_than_reading(self, tmp_path: Path) -> None:
        checked = 0
        for route in create_app(Settings(directory=tmp_path)).routes:
            path: str = getattr(route, "path", "")
            for method in (getattr(route, "methods", None) or set()) - {"GET", "HEAD"}:
                checked += 1
                assert path.split("/")[2] in _JOB_WORDS or is_query(path), path
                needed = required_scope(method, path.format_map(_Filled()))
                assert (needed == KeyScope.READ) == (is_query(path)), path
        assert checked > 8

    def test_that_reads_needs_the_scope_that_reads(self, tmp_path: Path) -> None:
        free = {
            getattr(route, "path", "")
            for route in create_app(Settings(directory=tmp_path)).routes
            if required_scope("GET", getattr(route, "path", "")) is None
        }
        documentation = {"/", "/docs", "/openapi.json", "/swagger/{name}"}
        documentation |= {"/guide", "/guide/{name:path}"}
        pages = {"/assets/{digest}/{name}", *(page.path for page in PAGES)}
        assert free == {"/livez", "/readyz", *documentation, *pages}

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "post"])
    def test_a_route_that_nobody_thought_of_needs_jobs(self, method: str) -> None:
        assert required_scope(method, "/v1/something/new") == KeyScope.JOBS
        assert required_scope(method, "/livez") == KeyScope.JOBS

    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
    def test_a_route_of_workers_needs_their_scope(self, method: str) -> None:
        assert required_scope(method, "/v1/worker/claim") == KeyScope.WORKER
        assert required_scope("GET", "/v1/workers") == KeyScope.READ

    def test_uploads_need_admin(self) -> None:
        assert required_scope("POST", "/v1/checkpoints") == KeyScope.ADMIN
        assert required_scope("DELETE", "/v1/checkpoints/abc") == KeyScope.ADMIN
        assert required_scope("GET", "/v1/checkpoints") == KeyScope.READ


_JOB_WORDS: Final = {
    *("models", "evaluations", "latency", "trainings", "supernets"),
    *("jobs", "checkpoints", "plans", "worker"),
}
"""What the paths begin with that change something; another one is to be decided on here."""


class _Filled(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "x"


class TestWhereReadingIsOpen:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
    def test_workers_need_a_key_of_theirs_whatever_they_ask(
        self, open_url: str, tokens: dict[str, str], method: str
    ) -> None:
        path = f"{open_url}/v1/worker/checkpoints/{'0' * 64}"
        assert httpx.request(method, path).status_code == 401
        assert httpx.request(method, path, headers=bearer(tokens["jobs"])).status_code == 403

    def test_reading_and_asking_need_no_key(self, open_url: str) -> None:
        assert httpx.get(open_url + STATS).status_code == 200
        for path in QUESTIONS:
            answer = httpx.post(open_url + path, json={"arch": 3, "archs": [3]})
            assert answer.status_code in {200, 404, 422}, path

    @pytest.mark.parametrize("path", [*JOBS, UPLOAD])
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_what_changes_something_needs_one(self, open_url: str, method: str, path: str) -> None:
        answer = httpx.request(method, open_url + path, json={})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize("path", [*JOBS, UPLOAD])
    def test_a_key_may_do_what_its_scope_says(
        self, open_url: str, tokens: dict[str, str], path: str
    ) -> None:
        needed = KeyScope.ADMIN if path == UPLOAD else KeyScope.JOBS
        for scope in KeyScope:
            answer = httpx.post(open_url + path, json={}, headers=bearer(tokens[scope]))
            assert (answer.status_code == 403) == (not scope.allows(needed)), scope
            assert answer.status_code != 401

    def test_a_thousand_wrong_keys_get_the_same_401(
        self, open_url: str, tokens: dict[str, str]
    ) -> None:
        with httpx.Client(base_url=open_url) as http:
            told = {
                json.dumps([answer.status_code, without_id(answer)])
                for headers in wrong_keys(tokens, 1000)
                for answer in [http.post("/v1/models", json={}, headers=headers)]
            }
            missing = http.post("/v1/models", json={})
        assert told == {json.dumps([401, without_id(missing)])}

    def test_a_wrong_key_is_told_even_where_none_is_needed(self, open_url: str) -> None:
        assert httpx.get(open_url + STATS, headers=bearer(draw_token())).status_code == 401

    def test_two_keys_at_once_are_none(self, open_url: str, tokens: dict[str, str]) -> None:
        headers = [("Authorization", f"Bearer {tokens['admin']}")] * 2
        assert httpx.post(f"{open_url}/v1/models", json={}, headers=headers).status_code == 401

    def test_the_log_names_the_key_and_never_tells_it(
        self, open_url: str, keyed_folder: Path, tokens: dict[str, str]
    ) -> None:
        headers = {**bearer(tokens["read"]), "X-Request-ID": "who-asks"}
        httpx.get(open_url + STATS, headers=headers)
        log = keyed_folder / f"server-{open_url.rpartition(':')[2]}.log"
        event = _logged(log, "who-asks")
        assert (event["key"], event["client"]) == ("the-read", "127.0.0.1")
        for token in tokens.values():
            assert token.split("_", 2)[2] not in log.read_text()


class TestWhereReadingIsKeyed:
    @pytest.mark.parametrize("path", [STATS, "/metrics", "/v1/benchmarks", "/v1/jobs", "/nothing"])
    def test_reading_needs_a_key(self, keyed_url: str, tokens: dict[str, str], path: str) -> None:
        assert httpx.get(keyed_url + path).status_code == 401
        answer = httpx.get(keyed_url + path, headers=bearer(tokens["read"]))
        assert answer.status_code in {200, 404}

    def test_questions_by_post_need_one(self, keyed_url: str, tokens: dict[str, str]) -> None:
        for path in QUESTIONS:
            assert httpx.post(keyed_url + path, json={"arch": 3}).status_code == 401
            headers = bearer(tokens["read"])
            answer = httpx.post(keyed_url + path, json={"arch": 3}, headers=headers)
            assert answer.status_code not in {401, 403}

    @pytest.mark.parametrize(
        "path", ["/livez", "/readyz", "/docs", "/openapi.json", "/", "/explore"]
    )
    def test_health_and_documentation_need_none(self, keyed_url: str, path: str) -> None:
        assert httpx.get(keyed_url + path).status_code in {200, 307}

    @pytest.mark.parametrize(
        "path",
        [
            *("/v1/benchmarks/", "//v1/benchmarks", "/v1/./benchmarks", "/livez/../v1/benchmarks"),
            *("/livez/", "/%6civez%2f..%2fv1/benchmarks", "/docs/../v1/benchmarks", "/swagger"),
            *("/V1/benchmarks", "/v1/benchmarks;x", "/v1/benchmarks%00", "/docsx"),
            *("/explorer", "/assets", "/Explore/", "/explore%00"),
        ],
    )
    def test_no_spelling_of_an_address_goes_around_the_key(self, keyed_url: str, path: str) -> None:
        with httpx.Client() as http:
            request = http.build_request("GET", keyed_url)
            request.url = request.url.copy_with(raw_path=path.encode())
            assert http.send(request).status_code == 401


class TestChangesOfKeys:
    @pytest.mark.usefixtures("unmeasured")
    def test_are_noticed_within_two_seconds_by_every_worker(
        self, serve: Serve, directory: Path, tmp_path: Path
    ) -> None:
        shutil.copy(directory / "nasbench201.db", tmp_path)
        url = serve(tmp_path, workers=2)
        assert httpx.post(f"{url}/v1/anything").status_code == 404
        file = KeyFile(tmp_path / "keys.json")
        token = file.create("alice", KeyScope.JOBS)
        time.sleep(2)
        assert _statuses(url, {}) == {401}
        assert _statuses(url, bearer(token)) == {404}
        file.revoke("alice")
        time.sleep(2)
        assert _statuses(url, bearer(token)) == {401}
        file.path.write_text("{")
        time.sleep(2)
        assert _statuses(url, {}) == {401}
        file.path.unlink()
        time.sleep(2)
        assert _statuses(url, {}) == {401}

    def test_a_server_does_not_start_with_damaged_keys(self, tmp_path: Path) -> None:
        (tmp_path / "keys.json").write_text("{}")
        with pytest.raises(ValueError, match="is not a key file"):
            create_app(Settings(directory=tmp_path))


class TestWithoutKeys:
    def test_what_a_page_of_another_site_asks_to_change_is_refused(self, server: str) -> None:
        headers = {"Sec-Fetch-Site": "cross-site"}
        assert httpx.post(f"{server}/v1/anything", headers=headers).status_code == 403
        assert httpx.post(f"{server}/v1/anything").status_code == 404
        assert httpx.get(server + STATS, headers=headers).status_code == 200

    def test_a_key_that_is_shown_is_not_looked_at(self, server: str) -> None:
        assert httpx.get(server + STATS, headers=bearer("anything")).status_code == 200


def _statuses(url: str, headers: dict[str, str]) -> set[int]:
    """Ask on several connections, so that several workers answer."""
    return {httpx.post(f"{url}/v1/anything", headers=headers).status_code for _ in range(12)}


def _logged(log: Path, request_id: str) -> dict[str, Any]:
    logged = until(log.read_text, lambda log: request_id in log, what=f"{request_id} logged")
    (line,) = [line for line in logged.splitlines() if request_id in line]
    event: dict[str, Any] = json.loads(line)
    return event


class TestBeyondThisMachine:
    """What a file of keys that is missing opens."""

    @pytest.mark.parametrize(
        ("host", "environment", "refused"),
        [
            ("127.0.0.1", {}, False),
            ("127.0.0.9", {}, False),
            ("127.0.0.1", {"NASBENCH_WRITE_ACCESS": "keyed"}, True),
            ("0.0.0.0", {}, True),  # answers are asked for on loopback alone
            ("0.0.0.0", {"NASBENCH_WRITE_ACCESS": ""}, True),
            ("0.0.0.0", {"NASBENCH_WRITE_ACCESS": "open"}, False),
        ],
    )
    def test_nothing_is_changed_beyond_a_loopback_address(
        self,
        directory: Path,
        tmp_path: Path,
        serving: Any,
        host: str,
        environment: dict[str, str],
        *,
        refused: bool,
    ) -> None:
        shutil.copy(directory / "nasbench201.db", tmp_path)
        with serving(tmp_path, host=host, **environment) as url:
            assert httpx.get(url + STATS).status_code == 200
            for path in (*JOBS, UPLOAD):
                assert (httpx.post(url + path).status_code == 401) == refused
            assert (httpx.delete(f"{url}{UPLOAD}/x").status_code == 401) == refused
            document = httpx.get(f"{url}/openapi.json").json()
            security = document["paths"]["/v1/evaluations"]["post"]["security"]
            assert ({} in security) != refused
        told = next(tmp_path.glob("server-*.log")).read_text()
        assert ("nobody may submit jobs" in told) == (refused and host == "0.0.0.0")
        assert ("who can reach it may submit jobs" in told) == ("open" in environment.values())

    def test_a_key_that_is_made_later_is_taken(
        self, directory: Path, tmp_path: Path, serving: Any
    ) -> None:
        shutil.copy(directory / "nasbench201.db", tmp_path)
        with serving(tmp_path, NASBENCH_WRITE_ACCESS="keyed") as url:
            token = KeyFile(tmp_path / "keys.json").create("alice", KeyScope.JOBS)
            answer = until(
                lambda: httpx.post(url + JOBS[0], headers=bearer(token)),
                lambda answer: answer.status_code != 401,
                what="the new key taken",
            )
            assert answer.status_code == 415
