"""Requests that mean harm, sent to a real server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

CONNECTIONS: Final = 500
MEBIBYTE: Final = 2**20
MISSING: Final = {401, 404, 405, 422, 400}

_UP: Final = (
    *("../", "..\\", "....//", "..;/", "%2e%2e/", "%2e%2e%2f", "..%2f", "..%5c", "%252e%252e%252f"),
    *("..%c0%af", "..%ef%bc%8f", ".%00./"),
)
_FILES: Final = (
    *("etc/passwd", "etc/shadow", "proc/self/environ", "keys.json", "nasbench201.db", "root/.ssh"),
)
_INJECTIONS: Final = tuple(
    f"{start}{middle}{end}"
    for start, middle, end in islice(
        product(
            ("", "3", "'", '"', "')", "3'"),
            (
                " OR 1=1",
                "; DROP TABLE run",
                " UNION SELECT * FROM sqlite_master",
                " AND (SELECT load_extension('x'))",
                "<script>alert(1)</script>",
                "{{7*7}}${7*7}",
                "$(id)`id`",
                "\r\nSet-Cookie: a=b",
                "%s%n%x",
            ),
            ("", " --"),
        ),
        100,
    )
)


def traversals() -> Iterator[str]:
    """Yield 200 and more ways to ask for a file of the machine."""
    for up, depth, name in product(_UP, (1, 3, 8), _FILES):
        yield up * depth + name


@pytest.fixture(scope="module")
def parameters(server: str) -> list[tuple[str, str]]:
    """Every parameter of every GET, with its path; those in paths are spelled {name}."""
    document = httpx.get(f"{server}/openapi.json").json()
    return [
        (path, parameter["name"])
        for path, methods in document["paths"].items()
        for parameter in methods.get("get", {}).get("parameters", [])
    ]


class TestEveryParameter:
    """A value that names nothing is 422, or 404 in a path; a name that nothing has may be asked for
    where any name may (a word of NDS's `generator`, say): the answer is then an empty list.
    """

    def test_leads_to_no_file(self, server: str, parameters: list[tuple[str, str]]) -> None:
        values = list(traversals())
        assert len(values) >= 200
        _assert_harmless(server, parameters, values)

    def test_injects_nothing(self, server: str, parameters: list[tuple[str, str]]) -> None:
        assert len(_INJECTIONS) == 100
        _assert_harmless(server, parameters, list(_INJECTIONS))


@pytest.mark.parametrize("prefix", ["/", "/v1/", "/swagger/", "/v1/benchmarks/", "/docs/"])
def test_no_address_leads_to_a_file(server: str, prefix: str) -> None:
    with httpx.Client() as http:
        for value in traversals():
            request = http.build_request("GET", server)
            request.url = request.url.copy_with(raw_path=(prefix + value).encode())
            answer = http.send(request)
            assert answer.status_code in MISSING, value
            assert "root:" not in answer.text


def test_five_hundred_connections_at_once_are_served_or_told_when_to_come_again(
    directory: Path, serving: Any
) -> None:
    with serving(directory, NASBENCH_MAX_REQUESTS="100") as url:
        before = _memory(url)
        answers = asyncio.run(_ask_at_once(url))
        grown = _memory(url) - before
        assert httpx.get(f"{url}/v1/benchmarks").status_code == 200
    assert len(answers) == CONNECTIONS
    refused = [answer for answer in answers if answer.status_code != 200]
    assert {answer.status_code for answer in refused} <= {429, 503}
    assert all(answer.headers.get("retry-after") for answer in refused)
    assert len(refused) < CONNECTIONS
    assert grown < 200 * MEBIBYTE


async def _ask_at_once(url: str) -> list[httpx.Response]:
    """Ask for scans on as many connections as there are questions."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=120) as http:
        return await asyncio.gather(
            *(
                http.get(
                    "/v1/nasbench201/intermediate-stats",
                    params={"num_epochs": 200, "limit": 1 + rank},
                )
                for rank in range(CONNECTIONS)
            )
        )


def _memory(url: str) -> int:
    """Return the resident bytes of the process that listens at an address."""
    port = int(url.rpartition(":")[2])
    listening = f":{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (inode,) = {row[9] for row in rows if row[1].endswith(listening) and row[3] == "0A"}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            opened = [str(link.readlink()) for link in (process / "fd").iterdir()]
        except OSError:
            continue
        if f"socket:[{inode}]" in opened and process.name != str(os.getpid()):
            pages = int((process / "statm").read_text().split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE")
    raise AssertionError("no process listens there")


def _assert_harmless(url: str, parameters: list[tuple[str, str]], values: list[str]) -> None:
    """Send each value as some parameters, and as each parameter some values, in turn."""
    with httpx.Client(base_url=url, timeout=60) as http:
        for place, (path, name) in enumerate(parameters):
            # All values to all parameters would be a hundred thousand requests.
            for value in values[place % 7 :: 7]:
                if f"{{{name}}}" in path:
                    answer = http.get(path.replace(f"{{{name}}}", quote(value, safe="")))
                else:
                    answer = http.get(path, params={name: value})
                _assert_nothing_found(answer, (path, name, value))


def _assert_nothing_found(answer: httpx.Response, asked: tuple[str, str, str]) -> None:
    for inside in ("root:", "Traceback", "sqlite", "CREATE TABLE"):
        assert inside not in answer.text.replace(asked[2], "").replace("sqlite_master", ""), asked
    assert "set-cookie" not in answer.headers, asked
    if answer.status_code == 200:
        assert answer.json().get("items") == [], asked
    else:
        assert answer.status_code in MISSING, asked
