"""What a server does between being told to stop and stopping."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

import httpx
import pytest
from waiting import PATIENCE

STATS: Final = "/v1/nasbench201/computed-stats?arch=3&num_epochs=200"
SECONDS: Final = 4.0

Server: TypeAlias = tuple[str, "subprocess.Popen[bytes]"]


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def server_to_stop(request: pytest.FixtureRequest, directory: Path) -> Iterator[Server]:
    """A server and its process, told nothing yet."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "service.cli", "serve", "--data", str(directory)]
    command += ["--port", str(port), "--workers", str(request.param)]
    environment = {**os.environ, "NASBENCH_DRAIN_SECONDS": str(SECONDS)}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as process:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and _status(url, "/livez") != 200:
            time.sleep(0.1)
        # Each of several workers begins for itself.
        time.sleep(3 * (request.param - 1))
        yield url, process
        if process.poll() is None:
            process.kill()


def test_it_says_so_and_answers_until_its_time_is_over(server_to_stop: Server) -> None:
    url, process = server_to_stop
    assert _status(url, "/readyz") == 200
    told = time.monotonic()
    process.send_signal(signal.SIGTERM)
    while _status(url, "/readyz") == 200 and time.monotonic() - told < SECONDS:
        time.sleep(0.02)
    answer = httpx.get(f"{url}/readyz")
    assert answer.status_code == 503
    assert "about to stop" in answer.json()["detail"]
    assert answer.headers["connection"] == "close"
    answered = 0
    while time.monotonic() - told < SECONDS - 1:
        assert _status(url, STATS) == 200
        answered += 1
    assert answered > 3
    assert process.wait(PATIENCE) in {0, -signal.SIGTERM}
    assert time.monotonic() - told >= SECONDS - 0.2
    assert _status(url, "/livez") is None


@pytest.mark.parametrize("server_to_stop", [1], indirect=True, ids=["one worker"])
def test_told_twice_it_stops_at_once(server_to_stop: Server) -> None:
    url, process = server_to_stop
    told = time.monotonic()
    process.send_signal(signal.SIGTERM)
    while _status(url, "/readyz") == 200 and time.monotonic() - told < SECONDS:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE)
    assert time.monotonic() - told < SECONDS


def _status(url: str, path: str) -> int | None:
    try:
        return httpx.get(url + path).status_code
    except httpx.TransportError:
        return None
