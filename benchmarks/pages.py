"""Measures the figures of the explorer's pages in docs/performance.md, in headless Chromium.

    python benchmarks/pages.py [--data DIR]

Needs `apt-get install chromium`. Loads the pages of NAS-Bench-201's 15,625 synthetic architectures
and of a declared table of 423,624. If DIR lacks them, they are created in about a minute.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright
from processes import service

from generators.declared import generate_table
from service.pages import PAGES, assets

LARGE: Final = "large-table"
ROWS: Final = 423_624
DECLARATION: Final = f"""
name = "{LARGE}"
title = "Large table"
citation = "Nobody. Nothing. 2026."
licence = "MIT"

[space]
kind = "product"
length = 12
choices = ["skip", "conv", "pool"]

[parts]
dataset = "cifar10"
num_epochs = 108

[rows]
reader = "csv"
arch = "arch"

[metrics.test_acc]
path = "acc"
unit = "percent"
better = "larger"

[metrics.flops]
path = "flops"
unit = "millions"
better = "smaller"

[check]
range = {{ test_acc = [0, 100], flops = [0, 10000] }}
golden = [{{ arch = 0, flops = 10.0 }}]
"""
ROUNDS: Final = 5
STEPS: Final = 60
"""Mouse movements of one drag."""


def make_large(folder: Path) -> None:
    """Create the database of the large table."""
    rng = random.Random(0)  # noqa: S311 - repeatable numbers, not secrets
    names = ("skip", "conv", "pool")
    with tempfile.TemporaryDirectory() as raw:
        declaration, rows = Path(raw, "large.toml"), Path(raw, "large.csv")
        declaration.write_text(DECLARATION)
        with rows.open("w") as file:
            file.write("arch,acc,flops\n")
            for index in range(ROWS):
                digits = [index // 3**place % 3 for place in reversed(range(12))]
                flops = 10 + 9 * digits.count(1) + 3 * digits.count(2) + place_cost(digits)
                accuracy = 95 - 30 * math.exp(-flops / 25) - abs(rng.gauss(0, 3))
                arch = "|".join(names[digit] for digit in digits)
                file.write(f"{arch},{max(accuracy, 0):.4f},{flops:.4f}\n")
        generate_table(declaration, rows, folder)


def place_cost(digits: list[int]) -> float:
    """Return a cost that distinguishes architectures with the same operations."""
    return sum(place * digit for place, digit in enumerate(digits)) / 37


def main() -> None:
    """Measure both benchmarks and print the rows of the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("build/pages"))
    folder = parser.parse_args().data.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "nasbench201.db").is_file():
        command = [sys.executable, "-m", "service.cli", "sample", str(folder / "raw")]
        subprocess.run([*command, "--convert", str(folder)], check=True, capture_output=True)
    if not (folder / f"{LARGE}.db").is_file():
        make_large(folder)
    for page in PAGES:
        print(f"| scripts and styles of `{page.path}`, packed | {packed(page) / 1000:.1f} kB |")
    with service(folder) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        empty = browser.new_page()
        empty.goto("about:blank")
        print(f"| memory of the process of an empty page | {page_memory(browser) / 1e6:.0f} MB |")
        empty.close()
        measure(browser, f"http://127.0.0.1:{server.port}", "nasbench201", "15,625")
        measure(browser, f"http://127.0.0.1:{server.port}", LARGE, "423,624")
        browser.close()


def packed(page: Any) -> int:
    """Return the compressed bytes of the scripts and styles of a page."""
    files = assets()
    names = {f"{page.name}.js", f"{page.name}.css", "frame.css"}
    names |= {*files.loaded_by(f"{page.name}.js")}
    names |= {"uplot.js", "uplot.css"} if page.plots else set()
    return sum(len(files.files[name].packed) for name in names & files.files.keys())


def measure(browser: Browser, url: str, name: str, rows: str) -> None:
    """Measure the page of one benchmark and print its rows."""
    address = f"{url}/explore/{name}?x=flops&y=test_acc"
    loads = [load(browser, address) for _ in range(ROUNDS)]

    def row(what: str, of: Callable[[dict[str, float]], float], unit: str) -> None:
        values = sorted(of(one) for one in loads)
        print(
            f"| {what}, {rows} | {statistics.median(values):.3g} {unit} "
            f"| {values[0]:.3g} to {values[-1]:.3g} |"
        )

    row("first contentful paint, cold", lambda one: one["paint"] / 1000, "s")
    row("data before the first plot", lambda one: one["before"] / 1000, "kB")
    row("first plot", lambda one: one["plot"] / 1000, "s")
    row("all is there", lambda one: one["ready"] / 1000, "s")
    row("script heap", lambda one: one["heap"] / 1e6, "MB")
    row("memory of the page's process", lambda one: one["resident"] / 1e6, "MB")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    page.wait_for_selector('main[data-state="ready"]')
    times = drag(page)
    print(
        f"| brush to picture, {rows} | {statistics.median(times):.3g} ms "
        f"| 95th percentile {times[int(len(times) * 0.95)]:.3g} ms |"
    )
    page.close()


def load(browser: Browser, address: str) -> dict[str, float]:
    """Open a page with an empty cache; return times in ms, and sizes in bytes."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    session = context.new_cdp_session(page)
    page.goto(address, wait_until="commit")
    page.wait_for_selector('main[data-state="ready"]')
    told: dict[str, float] = page.evaluate(
        """() => {
          const plot = performance.getEntriesByName("plot")[0].startTime;
          const data = performance.getEntriesByType("resource").filter(
            (one) => one.name.includes("/v1/") && one.responseEnd <= plot);
          return {
            plot,
            paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
            before: data.reduce((sum, one) => sum + one.encodedBodySize, 0),
            ready: performance.now(),
          };
        }"""
    )
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"]
    resident = page_memory(browser)
    context.close()
    return {**told, "heap": heap, "resident": resident}


def page_memory(browser: Browser) -> int:
    """Return the resident bytes of the largest renderer process."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    pids = [one["id"] for one in processes if one["type"] == "renderer"]
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return max(pages) * os.sysconf("SC_PAGE_SIZE")


def drag(page: Page) -> list[float]:
    """Drag a brush; return the sorted times from each step until its frame, in ms."""
    box = page.locator(".u-over").bounding_box()
    assert box is not None  # noqa: S101 - a plot is there
    page.evaluate(
        """() => {
          window.steps = [];
          addEventListener("mousemove", () => {
            const begun = performance.now();
            requestAnimationFrame(() => requestAnimationFrame(
              () => window.steps.push(performance.now() - begun)));
          }, {capture: true});
        }"""
    )
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    for step in range(STEPS):
        part = 0.1 + 0.8 * (step + 1) / STEPS
        page.mouse.move(box["x"] + part * box["width"], box["y"] + part * box["height"])
        page.wait_for_timeout(30)
    page.mouse.up()
    times: list[float] = page.evaluate("() => window.steps.slice(2)")
    return sorted(times)


if __name__ == "__main__":
    main()
