"""The guide is made without a warning, served, without a broken link, and its code runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urldefrag, urljoin

import httpx
import pytest
from forked_nbs import nbs

from bench_client import BenchClient

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.usefixtures("unmeasured")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide, made anew: strict, so that a page without a place or a broken link is an error."""
    target = tmp_path_factory.mktemp("guide") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(target)]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    return target


@pytest.fixture(scope="module")
def guide(folder: Path, directory: Path, serving: Any) -> Iterator[str]:
    with serving(directory, NASBENCH_GUIDE_DIR=str(folder)) as url:
        yield f"{url}/guide"


class _Links(HTMLParser):
    """Collects where the elements of a page lead, and what in it can be led to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.elements: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        for name, value in attrs:
            if name in {"href", "src"} and value is not None:
                self.links.add(value)
            elif name in {"id", "name"} and value is not None:
                self.anchors.add(value)
            # The policy lets none of these act.
            assert not name.startswith("on"), (tag, name)
            assert name != "style", (tag, value)


def test_every_page_is_served_and_every_link_leads_somewhere(guide: str) -> None:
    seen: dict[str, _Links] = {}
    with httpx.Client() as http:
        waiting = [f"{guide}/index.html"]
        while waiting:
            address = waiting.pop()
            answer = http.get(address)
            assert answer.status_code == 200, address
            assert "script-src" not in answer.headers["content-security-policy"]
            links = seen[address] = _Links()
            if not answer.headers["content-type"].startswith("text/html"):
                continue
            links.feed(answer.text)
            assert not links.elements & {"script", "style", "iframe", "form"}
            for link in links.links:
                target = urldefrag(urljoin(address, link)).url
                if target.startswith(guide) and target not in seen and target not in waiting:
                    waiting.append(target)
    broken = [
        (address, link)
        for address, links in seen.items()
        for link in links.links
        if (to := urldefrag(urljoin(address, link))).url in seen
        and to.fragment
        and to.fragment not in seen[to.url].anchors
    ]
    assert broken == []
    pages = {path.name for path in (REPOSITORY / "docs").glob("*.md")}
    assert {f"{name[:-3]}.html" for name in pages} <= {
        address.rpartition("/")[2] for address in seen
    }


def test_the_reference_has_every_method_of_the_client(folder: Path) -> None:
    page = (folder / "reference/bench_client.html").read_text()
    public = {name for name in dir(BenchClient) if not name.startswith("_")}
    listed = set(re.findall(r'id="bench_client\.clients\.BenchClient\.(\w+)"', page))
    assert public - listed <= {"drive", "ask", "download_to"}


@pytest.mark.parametrize(
    "package",
    [
        *("bench_client", "benchmark_spec", "model_hub", "model_hub.evaluation", "model_hub.zoo"),
        *("nas_search", "nas_search.contract", "nas_search.oneshot", "nas_search.problems"),
        *("nas_search.proxies", "nas_search.strategies"),
    ],
)
def test_the_reference_has_every_public_name(package: str, folder: Path) -> None:
    pages = [path.read_text() for path in (folder / "reference").glob("*.html")]
    listed = {
        anchor.rpartition(".")[2] for page in pages for anchor in re.findall(r'id="([\w.]+)"', page)
    }
    # The same methods as `BenchClient`, which the page says; a sentinel; an alias of types.
    told_otherwise = {"AsyncBenchClient", "WAIT", "Space"}
    assert set(import_module(package).__all__) - listed <= told_otherwise


def test_the_reference_has_the_units_of_what_is_answered(folder: Path) -> None:
    page = (folder / "reference/bench_client.html").read_text()
    section = page.partition('id="bench_client.Nb201Stats"')[2].partition("<h3")[0]
    rows = re.findall(r"<td><code>(\w+)</code></td>\s*<td>([^<]*)</td>", section)
    told = dict(rows)
    assert (told["test_acc"], told["training_time"], told["flops"]) == (
        "percent",
        "seconds",
        "millions",
    )


@pytest.mark.parametrize(
    "name", ["nonesuch.html", "../pyproject.toml", "%2e%2e/pyproject.toml", "//etc/passwd", "a%00b"]
)
def test_nothing_else_is_there(guide: str, name: str) -> None:
    with httpx.Client() as http:
        request = http.build_request("GET", guide)
        request.url = request.url.copy_with(raw_path=f"/guide/{name}".encode())
        assert http.send(request).status_code in {400, 404, 422}


def test_it_opens_at_its_first_page_and_is_sent_once(guide: str) -> None:
    first = httpx.get(guide, follow_redirects=True)
    assert str(first.url) == f"{guide}/index.html"
    again = httpx.get(first.url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_where_it_is_not_made_the_service_says_how(
    directory: Path, serving: Any, tmp_path: Path
) -> None:
    with serving(directory, NASBENCH_GUIDE_DIR=str(tmp_path / "none")) as url:
        answer = httpx.get(f"{url}/guide/index.html")
        (tmp_path / "none").mkdir()
        (tmp_path / "none/index.html").write_text("made meanwhile")
        made = httpx.get(f"{url}/guide/index.html")
    assert (answer.status_code, "make guide" in answer.text) == (404, True)
    assert (made.status_code, made.text) == (200, "made meanwhile")


RUN: Final = ("tables.md", "columns.md", "coming-from.md")
RUN_ELSEWHERE: Final = {
    "api.md": "tests/service/job_routes/test_job_clients.py",
    "first-search.md": "tests/service/test_notebook.py",
    "model-hub.md": "tests/nas_search/test_stage_four.py",
    "one-shot.md": "tests/nas_search/oneshot/test_page.py",
    "plans.md": "tests/examples/test_examples.py",
    "searching.md": "tests/nas_search/test_searching_page.py",
}
"""Pages with code that needs workers or PyTorch, and the tests that run it or the same methods."""


def code_of(page: str) -> list[str]:
    text = (REPOSITORY / "docs" / page).read_text()
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_all_code_of_the_guide_is_run() -> None:
    pages = {path.name for path in (REPOSITORY / "docs").glob("*.md") if code_of(path.name)}
    assert pages == {*RUN, *RUN_ELSEWHERE}
    assert all((REPOSITORY / test).is_file() for test in RUN_ELSEWHERE.values())


@pytest.fixture(scope="module")
def newcomer(
    every_sample: Path,
    whole_sample: Path,
    tmp_path_factory: pytest.TempPathFactory,
    serving: Any,
) -> Iterator[str]:
    """The address of what `make serve` serves: every architecture, few of them with long curves."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "nasbench201.db").hardlink_to(whole_sample / "nasbench201.db")
    for path in every_sample.glob("*.db"):
        if path.name != "nasbench201.db":
            (folder / path.name).hardlink_to(path)
    with serving(folder) as url:
        yield url


@pytest.mark.parametrize("page", RUN)
def test_the_code_of_a_tutorial_runs(page: str, newcomer: str) -> None:
    blocks = code_of(page)
    assert len(blocks) >= 2
    told = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks).replace("http://127.0.0.1:8000", newcomer)],
        env={**os.environ, "NASBENCH_URL": newcomer},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr


def test_the_table_of_the_page_becomes_a_benchmark(tmp_path: Path) -> None:
    text = (REPOSITORY / "docs/adding-a-benchmark.md").read_text()
    for kind in ("csv", "toml"):
        (content,) = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
        (tmp_path / f"widths.{kind}").write_text(content)
    (console,) = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = [line.removeprefix("nbs ").split() for line in console.splitlines()]
    told = [nbs(*line, cwd=tmp_path) for line in lines]
    assert [one.returncode for one in told] == [0] * 3, told
    assert json.loads(told[1].stdout)[0]["test_acc"] == 95.0
