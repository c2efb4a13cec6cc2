"""The page at /docs, in a real browser that reaches nothing but the server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx
import pytest
from chromium import CHROMIUM, MISSING


@pytest.fixture
def page(server: str, tmp_path: Path) -> str:
    """What a reader sees at /docs: the text of the page after its scripts have run."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-sync", f"--user-data-dir={tmp_path}", "--virtual-time-budget=15000"),
        *("--dump-dom", f"{server}/docs"),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout


def test_lists_the_questions_of_every_benchmark(page: str) -> None:
    for text in (
        "NAS benchmark query service",
        "/v1/nasbench201",
        "computed-stats",
        "/v1/benchmarks",
    ):
        # Swagger UI breaks addresses into words that may wrap.
        assert text in page.replace("<wbr>", "").replace("\u200b", ""), text


def test_loads_nothing_from_elsewhere(server: str) -> None:
    html = httpx.get(f"{server}/docs").text
    assert "//cdn" not in html
    assert "https://" not in html
