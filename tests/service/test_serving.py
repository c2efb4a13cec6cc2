"""`nbs serve` from its start: where it listens, what it says of that, and when it refuses."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

QUESTION = "/v1/nasbench201/computed-stats?arch=0"


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "service.cli", *map(str, arguments)]


def ended(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


@contextmanager
def told(folder: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a server and give the address that it says it is serving on."""
    process = subprocess.Popen(
        command("serve", "--data", folder, *arguments),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NASBENCH_DRAIN_SECONDS": "0", "NASBENCH_JOBS_DIR": str(folder / "j")},
    )
    try:
        assert process.stderr is not None
        said = ""
        while "serving on" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        found = re.search(r"serving on (\S+)", said)
        assert found
        yield found[1], process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_taken_port_is_told_in_a_line_and_nothing_is_served(
    directory: Path, workers: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        served = ended("serve", "--data", directory, "--port", str(port), "--workers", workers)
    assert served.returncode == 1
    assert served.stderr == f"nbs: cannot listen on 127.0.0.1:{port}: address already in use\n"
    assert served.stdout == ""


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
def test_an_address_that_is_not_this_machine_s_is_told(directory: Path, host: str) -> None:
    served = ended("serve", "--data", directory, "--host", host, "--port", "0")
    assert served.returncode == 1
    assert served.stderr.startswith(f"nbs: cannot listen on {host}:0: ")
    assert served.stderr.count("\n") == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_port_that_the_system_chose_is_told_and_answers_at_once(
    directory: Path, workers: str
) -> None:
    with told(directory, "--port", "0", "--workers", workers) as (url, _):
        assert not url.endswith(":0")
        # No second try: whoever comes before the server has started waits for it.
        assert httpx.get(url + QUESTION, timeout=60).json()["items"]


def test_a_server_that_was_told_to_stop_leaves_its_port_to_the_next(directory: Path) -> None:
    with told(directory, "--port", "0") as (url, _):
        assert httpx.get(f"{url}/livez", timeout=60).is_success
    port = url.rpartition(":")[2]
    with told(directory, "--port", port) as (again, _):
        assert again == url
        assert httpx.get(f"{url}/livez", timeout=60).is_success


def test_an_address_of_ip_version_6_is_told_as_a_url(directory: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with told(directory, "--host", "::1", "--port", "0") as (url, _):
        assert url.startswith("http://[::1]:")
        assert httpx.get(f"{url}/livez", timeout=60).is_success


def test_an_interrupted_server_ends_without_a_word(directory: Path) -> None:
    with told(directory, "--port", "0") as (url, process):
        assert httpx.get(f"{url}/livez", timeout=60).is_success
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("name", ["serve", "info"])
@pytest.mark.parametrize(
    ("place", "option"), [("missing/below", True), ("missing", False), ("file", True)]
)
def test_a_folder_that_is_not_there_is_refused_however_it_is_named(
    tmp_path: Path, name: str, place: str, *, option: bool
) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / place)
    named = ("--data", folder) if option else ()
    refused = ended(name, *named, COLUMNS="400", NASBENCHMARK_DIR=folder)
    assert refused.returncode == 2
    assert place in refused.stderr
    assert refused.stdout == ""
    assert "serving on" not in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_empty_folder_is_served_and_says_what_to_do(tmp_path: Path) -> None:
    with told(tmp_path, "--port", "0") as (url, _):
        assert httpx.get(f"{url}/readyz", timeout=60).status_code == 503
