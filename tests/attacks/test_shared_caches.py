"""Where reading needs a key, no cache that callers share may hand answers on (RFC 9111, 3.5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from service.access.keys import KeyFile, KeyScope

ONE: Final = "/v1/nasbench201/computed-stats?arch=0&num_epochs=200&dataset=cifar100"


@pytest.fixture(scope="module")
def keyed(attacked: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Asks with a key a server that demands one."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    token = KeyFile(file).create("reader", KeyScope.READ)
    server = attacked(NASBENCH_KEYS_FILE=str(file), NASBENCH_READ_ACCESS="keyed")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30) as http:
        yield http


def addresses(http: httpx.Client) -> list[str]:
    """Return the address of every GET, one of an answer that may be kept among them."""
    paths = http.get("/openapi.json").json()["paths"]
    plain = [path.replace("{", "").replace("}", "") for path, has in paths.items() if "get" in has]
    return [ONE, "/v1/benchmarks/nasbench201", *plain]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_answer_is_public_and_all_vary_by_the_key(keyed: httpx.Client, method: str) -> None:
    kept = 0
    for address in addresses(keyed):
        answer = keyed.request(method, address)
        control = answer.headers.get("cache-control", "")
        assert "public" not in control, address
        assert "s-maxage" not in control, address
        assert "Authorization" in answer.headers["vary"], address
        if "max-age" in control:
            kept += 1
            assert control.startswith("private, max-age="), address
    assert kept > 5


def test_a_confirmed_copy_is_as_private(keyed: httpx.Client) -> None:
    for address in (ONE, "/v1/nasbench201/export", "/v1/benchmarks"):
        tag = keyed.head(address).headers["etag"]
        confirmed = keyed.get(address, headers={"If-None-Match": tag})
        assert confirmed.status_code == 304
        assert confirmed.headers["cache-control"] == "private, max-age=300"
        assert "Authorization" in confirmed.headers["vary"]


def test_a_refusal_is_no_answer_for_others(keyed: httpx.Client) -> None:
    refused = httpx.get(f"{keyed.base_url}{ONE}")
    assert refused.status_code == 401
    assert "Authorization" in refused.headers["vary"]
    assert "cache-control" not in refused.headers


def test_open_reading_stays_public(attacked: Any, tmp_path: Path) -> None:
    server = attacked(NASBENCH_KEYS_FILE=str(tmp_path / "none.json"))
    answer = httpx.get(server.url + ONE)
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert "Authorization" not in answer.headers["vary"]
