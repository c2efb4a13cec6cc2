"""The pages in the Chromium of the distribution, driven by Playwright, beside a served sample."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest
from bench_server import BenchServer, ending_together
from chromium import CHROMIUM, MISSING
from made_once import made_once

from generators.nasbench201 import generate
from generators.sample.nasbench201 import write_sample

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page, Response, ViewportSize

READY_MILLISECONDS: Final = 20_000
"""For a busy machine: what a quiet one takes is measured by benchmarks/pages.py."""
COLORED: Final = ["color-contrast", "link-in-text-block"]
"""Rules of axe that may say something else in another theme."""


class Explorer:
    """A page, and what the browser complains about meanwhile.

    Attributes:
        page: Playwright's.
        url: The address of the service.
        complaints: Errors of scripts and of the console, violations of the policy, requests to
            other origins. A test that means to cause some takes them with `complained`.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.set_default_timeout(READY_MILLISECONDS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", lambda request: self._requested(request.url))

    def _console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def _requested(self, url: str) -> None:
        if not url.startswith((self.url, f"blob:{self.url}", "data:")):
            self.complaints.append(f"foreign: {url}")

    def open(self, path: str, state: str = "ready") -> Response | None:
        """Go to an address below the service and wait until the page is as it should be."""
        response = self.page.goto(f"{self.url}/{path}")
        self.wait(state)
        return response

    def wait(self, state: str = "ready") -> None:
        """Wait until the page says that it is ready."""
        self.page.wait_for_selector(f'main[data-state="{state}"]')

    def find(self, selector: str, **also: Any) -> Locator:
        """Return what a selector finds; `has_text` and the like as Playwright takes them."""
        return self.page.locator(selector, **also)

    @property
    def status(self) -> str:
        """The line of the page that screen readers announce."""
        return self.page.locator("#status").inner_text()

    @property
    def query(self) -> str:
        """The state in the address."""
        return urlsplit(self.page.url).query

    @property
    def width(self) -> int:
        """Pixels from side to side; more than the screen has where something is too wide for it."""
        found: int = self.page.evaluate("() => document.documentElement.scrollWidth")
        return found

    def complained(self, *parts: str) -> None:
        """Take complaints that a test has caused: each contains one of some texts."""
        assert self.complaints, "the browser should have complained"
        kept = [text for text in self.complaints if not any(part in text for part in parts)]
        self.complaints[:] = kept

    def accessible(self, **options: Any) -> None:
        """Let axe look for what people without mouse or eyes would miss; `options` are its own."""
        from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - where a browser is

        found = Axe().run(self.page, options={"resultTypes": ["violations"], **options})
        told = [
            (violation["id"], [node["target"] for node in violation["nodes"]][:3])
            for violation in found.response["violations"]
        ]
        assert not told, told

    def accessible_in_both_themes(self) -> None:
        """Let axe look at all in the light theme, in the dark one at what depends on colours."""
        self.accessible()
        self.page.emulate_media(color_scheme="dark")
        self.accessible(runOnly=COLORED)
        self.page.emulate_media(color_scheme="light")


@pytest.fixture(scope="session")
def started() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    """The browser of this process of the tests, and the loop that Playwright runs meanwhile."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - where a browser is

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
        )
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield browser, loop
        asyncio._set_running_loop(loop)
        browser.close()


@pytest.fixture
def browser(started: tuple[Browser, asyncio.AbstractEventLoop]) -> Iterator[Browser]:
    """The browser; Playwright's loop counts as running for this test alone, others run theirs."""
    browser, loop = started
    asyncio._set_running_loop(loop)
    yield browser
    asyncio._set_running_loop(None)


@pytest.fixture(scope="session")
def profile(started: tuple[Browser, asyncio.AbstractEventLoop]) -> Iterator[BrowserContext]:
    """A profile that tests share; a tab stays open in it.

    Scripts are kept in it and the process that draws stays: a page then loads in half the time.
    """
    browser, loop = started
    asyncio._set_running_loop(loop)
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    context.new_page()
    yield context
    asyncio._set_running_loop(loop)
    context.close()
    asyncio._set_running_loop(None)


@pytest.fixture(scope="session")
def sample_folder(every_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the database of each benchmark, made up, 150 architectures of one of them."""

    def make(folder: Path) -> None:
        for path in every_sample.glob("*.db"):
            if path.name != "nasbench201.db":
                (folder / path.name).hardlink_to(path)
        generate(write_sample(folder / "raw", architectures=150, seed=0), folder)

    return made_once(tmp_path_factory, "pages-sample", make)


@pytest.fixture(scope="session")
def served(sample_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchServer]:
    """A server of them."""
    with ending_together() as start:
        yield start(BenchServer(tmp_path_factory.mktemp("server"), sample_folder))


@pytest.fixture
def open_page(browser: Browser, profile: BrowserContext) -> Iterator[Callable[..., Explorer]]:
    """Opens tabs, with a size and with media to emulate; at the end none may have had complaints.

    A test that writes into the profile asks for its own.
    """
    contexts: list[BrowserContext] = []
    explorers: list[Explorer] = []

    def make(
        server: BenchServer,
        *,
        viewport: ViewportSize | None = None,
        own_profile: bool = False,
        **media: Any,
    ) -> Explorer:
        context = profile
        if own_profile:
            context = browser.new_context()
            contexts.append(context)
        page = context.new_page()
        page.set_viewport_size(viewport or {"width": 1280, "height": 900})
        if media:
            page.emulate_media(**media)
        explorers.append(Explorer(page, server.url))
        return explorers[-1]

    yield make
    for explorer in explorers:
        explorer.page.close()
    for context in contexts:
        context.close()
    for explorer in explorers:
        assert explorer.complaints == []


@pytest.fixture
def explorer(served: BenchServer, open_page: Callable[..., Explorer]) -> Explorer:
    """A tab beside the sample."""
    return open_page(served)
