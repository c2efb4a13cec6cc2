"""What all pages have in common, the overview and the page of the key, in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from bench_server import BenchServer, ending_together
from playwright.sync_api import Error

from bench_client import BenchClient
from service.access.keys import KeyFile, KeyScope

OPEN = ["explore", "explore/key", "explore/plans", "explore/status"]


@pytest.mark.parametrize("path", OPEN)
def test_is_ready_and_accessible_in_both_themes(
    open_page: Callable[..., Any], served: BenchServer, path: str
) -> None:
    explorer = open_page(served, viewport={"width": 320, "height": 700})
    explorer.open(path)
    explorer.accessible_in_both_themes()
    # Nothing is wider than the narrowest screen.
    assert explorer.width <= 320
    # A table is scrolled before its headings fall apart into single signs.
    heads = explorer.find("thead th").evaluate_all("all => all.map((head) => head.clientHeight)")
    assert max(heads, default=0) < 100
    color = "element => getComputedStyle(element).color"
    assert explorer.find("main").evaluate(color) == "rgb(22, 32, 44)"
    explorer.page.emulate_media(color_scheme="dark")
    assert explorer.find("main").evaluate(color) == "rgb(231, 236, 242)"


class TestTheOverview:
    def test_tells_of_every_benchmark_what_the_client_says(
        self, explorer: Any, served: BenchServer
    ) -> None:
        explorer.open("")  # which leads here
        with BenchClient(served.url) as bench:
            listed = bench.benchmarks()
        assert explorer.status.startswith(f"{len(listed)} benchmarks are installed: all of them")
        cards = explorer.find("article.card")
        assert cards.count() == len(listed)
        for rank, info in enumerate(listed):
            text = cards.nth(rank).inner_text()
            assert info.title in text
            assert info.provenance.content_digest.removeprefix("sha256:")[:12] in text
            assert "made-up data" in text
            assert info.licence in text
        explorer.find("article.card a").nth(1).click()
        explorer.page.wait_for_url("**/explore/nasbench201")
        explorer.wait()
        explorer.page.go_back()
        explorer.wait()

    def test_is_walked_by_the_keyboard(self, explorer: Any) -> None:
        explorer.open("explore")
        explorer.page.keyboard.press("Tab")
        assert explorer.page.evaluate("() => document.activeElement.className") == "skip"
        seen = set()
        for _ in range(30):
            explorer.page.keyboard.press("Tab")
            seen.add(explorer.page.evaluate("() => document.activeElement.textContent"))
        assert {"NAS-Bench-101", "Theme: auto", "Citation and notes", "Access key"} <= seen

    def test_keeps_the_theme_that_is_chosen(
        self, open_page: Callable[..., Any], served: BenchServer
    ) -> None:
        explorer = open_page(served, own_profile=True)
        explorer.open("explore")
        button = explorer.find("#theme")
        button.click()
        button.click()
        assert explorer.find("html").get_attribute("data-theme") == "dark"
        explorer.open("explore/key")
        assert explorer.find("html").get_attribute("data-theme") == "dark"
        explorer.open("explore?theme=light&odd=1")
        assert explorer.find("html").get_attribute("data-theme") == "light"

    def test_of_nothing_says_so(self, open_page: Callable[..., Any], tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with ending_together() as start:
            server = start(BenchServer(tmp_path, tmp_path / "empty"))
            explorer = open_page(server)
            explorer.open("explore")
            assert explorer.status == "No benchmark is installed."
            assert "nbs fetch" in explorer.find("main").inner_text()
            explorer.complained("503")  # that the service is not ready


class TestAPageBelowAPrefix:
    def test_asks_below_it(self, explorer: Any, served: BenchServer) -> None:
        def forward(route: Any) -> None:
            address = route.request.url.replace("/lab/nas/", "/")
            # Of a page that has gone on, nobody waits for the answer.
            with suppress(Error):
                route.fulfill(response=route.fetch(url=address))

        explorer.page.route("**/lab/nas/**", forward)
        asked: list[str] = []
        explorer.page.on("request", lambda request: asked.append(request.url))
        explorer.open("lab/nas/explore")
        assert explorer.find("article.card").count() > 3
        assert all(url.startswith(f"{served.url}/lab/nas/") for url in asked)
        links = explorer.page.evaluate("() => [...document.links].map((link) => link.href)")
        assert all(link.startswith(f"{served.url}/lab/nas/") for link in links if "#" not in link)


@pytest.fixture(scope="module")
def keyed(
    sample_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[BenchServer, str]]:
    """A server that wants a key, and one."""
    folder = tmp_path_factory.mktemp("keyed")
    token = KeyFile(folder / "keys.json").create("lab", KeyScope.READ)
    told = {"NASBENCH_KEYS_FILE": str(folder / "keys.json"), "NASBENCH_READ_ACCESS": "keyed"}
    with ending_together() as start:
        yield start(BenchServer(folder, sample_folder, **told)), token


class TestTheKey:
    def test_is_asked_for_and_leads_back(
        self, open_page: Callable[..., Any], keyed: tuple[BenchServer, str]
    ) -> None:
        server, token = keyed
        explorer = open_page(server)
        explorer.page.goto(f"{server.url}/explore/nasbench201?x=flops")
        explorer.page.wait_for_url("**/explore/key?back=**")
        explorer.wait()
        assert explorer.status == "The service requires a key."
        explorer.complained("401")
        explorer.find("#key").fill(token[:-1] + ("A" if token[-1] != "A" else "B"))
        explorer.find("#key").press("Enter")
        explorer.page.get_by_text("The service does not accept this key.").wait_for()
        explorer.complained("401")
        explorer.find("#key").fill(token)
        explorer.find("#key").press("Enter")
        explorer.page.wait_for_url("**/explore/nasbench201?x=flops**")
        explorer.wait()
        explorer.open("explore/key")
        held = explorer.find("#held").inner_text()
        assert token[-4:] in held
        assert token not in explorer.page.content()
        explorer.accessible()
        explorer.page.get_by_role("button", name="Forget").press("Enter")
        assert explorer.find("#key:focus").count() == 1
        assert explorer.page.evaluate("() => sessionStorage.length") == 0

    @pytest.mark.parametrize(
        "back",
        [
            "https://evil.example/",
            "//evil.example",
            "javascript:1",
            "http://[",
            "/\\\\evil.example",
        ],
    )
    def test_leads_nowhere_else(
        self, open_page: Callable[..., Any], keyed: tuple[BenchServer, str], back: str
    ) -> None:
        server, token = keyed
        explorer = open_page(server)
        explorer.open(f"explore/key?back={back}")
        explorer.find("#key").fill(token)
        explorer.find("#key").press("Enter")
        explorer.find("#held").wait_for()
        assert explorer.page.url.startswith(f"{server.url}/explore/key")
