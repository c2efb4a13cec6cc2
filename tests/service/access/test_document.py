"""What the OpenAPI document says of keys, held against what real servers do."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import httpx
import pytest

from service.access.keys import KeyFile, KeyScope

Serve: TypeAlias = Callable[..., str]

WATCHED: Final = {"livez", "readyz"}
REFUSALS: Final = {"400", "401", "403", "429", "503"}


class Operation(NamedTuple):
    """An operation of a document, and an address that has it."""

    method: str
    address: str
    said: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.said["operationId"])

    @property
    def scope(self) -> KeyScope:
        return KeyScope(self.said["x-scope"])

    @property
    def demands_key(self) -> bool:
        return bool(self.said["security"]) and {} not in self.said["security"]

    def ask(self, http: httpx.Client, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        json = None if self.method == "GET" else {}
        return http.request(self.method, self.address, headers=headers, json=json)


def operations(http: httpx.Client) -> list[Operation]:
    return [
        Operation(method.upper(), path.replace("{", "").replace("}", ""), said)
        for path, methods in http.get("/openapi.json").json()["paths"].items()
        for method, said in methods.items()
    ]


@pytest.fixture(scope="module")
def folder(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database and a file of keys."""
    folder = tmp_path_factory.mktemp("keyed")
    shutil.copy(directory / "nasbench201.db", folder)
    KeyFile(folder / "keys.json").create("first", KeyScope.ADMIN)
    return folder


@pytest.fixture(scope="module")
def tokens(folder: Path) -> dict[KeyScope, str]:
    file = KeyFile(folder / "keys.json")
    return {scope: file.create(f"the-{scope}", scope) for scope in KeyScope}


@pytest.fixture(scope="module")
def reading_open(folder: Path, tokens: Any, serving: Any) -> Iterator[httpx.Client]:
    """Asks a server where keys are configured and reading is open."""
    assert tokens
    with serving(folder) as url, httpx.Client(base_url=url, timeout=30) as http:
        yield http


@pytest.fixture(scope="module")
def reading_keyed(folder: Path, tokens: Any, serving: Any) -> Iterator[httpx.Client]:
    """Asks a server where reading needs a key too."""
    assert tokens
    with (
        serving(folder, NASBENCH_READ_ACCESS="keyed") as url,
        httpx.Client(base_url=url, timeout=30) as http,
    ):
        yield http


class TestWithoutAKey:
    def test_every_operation_but_get_is_401_where_reading_is_keyed(
        self, reading_keyed: httpx.Client
    ) -> None:
        asked = [each for each in operations(reading_keyed) if each.method != "GET"]
        assert len(asked) >= 15
        for each in asked:
            assert each.ask(reading_keyed).status_code == 401, each.name

    def test_every_operation_that_changes_something_is_401_where_reading_is_open(
        self, reading_open: httpx.Client
    ) -> None:
        asked = [each for each in operations(reading_open) if each.name not in WATCHED]
        changing = [each for each in asked if each.scope != KeyScope.READ]
        assert {each.name for each in changing} == {
            *(
                "submit_model",
                "submit_evaluation",
                "submit_latency",
                "submit_training",
                "submit_supernet",
                "cancel_job",
                "stop_job",
            ),
            *("submit_plan", "start_plan", "pause_plan", "resume_plan", "stop_plan", "retry_plan"),
            *("seal_plan", "version_plan", "withdraw_cell", "measure_cells", "keep_version"),
            "upload_checkpoint",
            "delete_checkpoint",
        }
        for each in changing:
            assert each.ask(reading_open).status_code == 401, each.name

    def test_an_operation_is_401_where_the_document_demands_a_key_and_nowhere_else(
        self, reading_open: httpx.Client, reading_keyed: httpx.Client, http: httpx.Client
    ) -> None:
        every = len(operations(http)) - len(WATCHED)
        for asking, demanding in ((http, 0), (reading_open, 20), (reading_keyed, every)):
            found = operations(asking)
            assert sum(each.demands_key for each in found) == demanding
            for each in found:
                answer = each.ask(asking)
                assert (answer.status_code == 401) == each.demands_key, each.name
                if each.demands_key:
                    assert answer.headers["www-authenticate"].startswith("Bearer")

    def test_the_page_of_the_status_needs_none_where_reading_is_open(
        self, reading_open: httpx.Client, reading_keyed: httpx.Client
    ) -> None:
        script = (resources.files("service.pages") / "scripts/status.js").read_text()
        asked = re.findall(r'(?:tried|send)\("([a-z0-9/]+)"', script)
        assert {"readyz", "v1/workers", "metrics"} <= set(asked)
        for http, answered in ((reading_open, 200), (reading_keyed, 401)):
            assert http.get("/explore/status").status_code == 200
            for path in asked:
                expected = 200 if path == "readyz" else answered
                assert http.get(f"/{path}").status_code == expected, path


class TestWithAKey:
    def test_an_operation_is_403_where_its_scope_is_less_than_the_document_says(
        self, reading_keyed: httpx.Client, tokens: dict[KeyScope, str]
    ) -> None:
        for each in operations(reading_keyed):
            if each.name not in WATCHED:
                assert each.said["security"] == [{"bearer": [each.scope]}]
                for scope, token in tokens.items():
                    status = each.ask(reading_keyed, token).status_code
                    assert (status == 403) == (not scope.allows(each.scope)), each.name
                    assert status != 401


class TestTheDocument:
    def test_declares_the_scheme(self, http: httpx.Client) -> None:
        (scheme,) = http.get("/openapi.json").json()["components"]["securitySchemes"].values()
        assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
        for scope in KeyScope:
            assert f"`{scope}`" in scheme["description"]

    def test_says_how_every_operation_is_refused(self, http: httpx.Client) -> None:
        for each in operations(http):
            if each.name not in WATCHED:
                assert each.said["responses"].keys() >= REFUSALS, each.name
                for status in REFUSALS:
                    content = each.said["responses"][status]["content"]
                    assert list(content) == ["application/problem+json"]

    def test_says_that_health_needs_nothing(self, reading_keyed: httpx.Client) -> None:
        found = [each for each in operations(reading_keyed) if each.name in WATCHED]
        assert [each.said["security"] for each in found] == [[], []]

    def test_demands_a_key_as_soon_as_there_are_keys(
        self, serve: Serve, directory: Path, tmp_path: Path
    ) -> None:
        shutil.copy(directory / "nasbench201.db", tmp_path)
        with httpx.Client(base_url=serve(tmp_path)) as http:
            assert not any(each.demands_key for each in operations(http))
            KeyFile(tmp_path / "keys.json").create("alice", KeyScope.JOBS)
            time.sleep(2)
            demanding = [each for each in operations(http) if each.demands_key]
            assert {each.scope for each in demanding} == set(KeyScope) - {
                KeyScope.READ,
                KeyScope.WORKER,  # its routes are not in the document
            }
