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
from typing import IO, NamedTuple

import httpx
import pytest
from forked_nbs import ForkedProcess, nbs, start_nbs
from waiting import PATIENCE

QUESTION = "/v1/nasbench201/computed-stats?arch=0"


class Told(NamedTuple):
    """A server that has said where it listens.

    Attributes:
        url: What it said.
        process: That runs it.
        errors: What it says from then on.
    """

    url: str
    process: ForkedProcess | subprocess.Popen[bytes]
    errors: IO[str]


@contextmanager
def told(folder: Path, *arguments: str, workers: int = 1) -> Iterator[Told]:
    """Run a server until it has said where it listens, and to the end of the context."""
    words = ["serve", "--data", str(folder), "--workers", str(workers), *arguments]
    environment = {
        **os.environ,
        "NASBENCH_DRAIN_SECONDS": "0",
        "NASBENCH_JOBS_DIR": str(folder / "j"),
    }
    process: ForkedProcess | subprocess.Popen[bytes]
    reading, writing = os.pipe()
    with os.fdopen(reading) as errors:
        if workers == 1:
            process = start_nbs(*words, env=environment, stderr=writing)
        else:
            started = [sys.executable, "-m", "service.cli", *words]
            process = subprocess.Popen(started, env=environment, stderr=writing)
        os.close(writing)
        try:
            said = ""
            while "serving on" not in said:
                line = errors.readline()
                assert line, said
                said += line
            found = re.search(r"serving on (\S+)", said)
            assert found
            yield Told(found[1], process, errors)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_taken_port_is_told_in_a_line_and_nothing_is_served(
    directory: Path, workers: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        served = nbs("serve", "--data", directory, "--port", str(port), "--workers", workers)
    assert served.returncode == 1
    other = port + 1 if port < 65_535 else port - 1
    assert served.stderr == (
        f"nbs: cannot listen on 127.0.0.1:{port}: address already in use; a server may be "
        f"running there already; or take another: --port {other}\n"
    )
    assert served.stdout == ""


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
def test_an_address_that_is_not_this_machine_s_is_told(directory: Path, host: str) -> None:
    served = nbs("serve", "--data", directory, "--host", host, "--port", "0")
    assert served.returncode == 1
    assert served.stderr.startswith(f"nbs: cannot listen on {host}:0: ")
    assert served.stderr.count("\n") == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_the_port_that_the_system_chose_is_told_and_answers_at_once(
    directory: Path, workers: int
) -> None:
    with told(directory, "--port", "0", workers=workers) as (url, *_):
        assert not url.endswith(":0")
        # No second try: whoever comes before the server has started waits for it.
        assert httpx.get(url + QUESTION, timeout=60).json()["items"]


def test_a_server_that_was_told_to_stop_leaves_its_port_to_the_next(directory: Path) -> None:
    with told(directory, "--port", "0") as (url, *_):
        assert httpx.get(f"{url}/livez", timeout=60).is_success
    port = url.rpartition(":")[2]
    with told(directory, "--port", port) as (again, *_):
        assert again == url
        assert httpx.get(f"{url}/livez", timeout=60).is_success


def test_an_address_of_ip_version_6_is_told_as_a_url(directory: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with told(directory, "--host", "::1", "--port", "0") as (url, *_):
        assert url.startswith("http://[::1]:")
        assert httpx.get(f"{url}/livez", timeout=60).is_success


def test_an_interrupted_server_ends_without_a_word(directory: Path) -> None:
    with told(directory, "--port", "0") as (url, process, errors):
        assert httpx.get(f"{url}/livez", timeout=60).is_success
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert "Traceback" not in errors.read()


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
    refused = nbs(name, *named, COLUMNS="400", NASBENCHMARK_DIR=folder)
    assert refused.returncode == 2
    assert place in refused.stderr
    assert refused.stdout == ""
    assert "serving on" not in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_empty_folder_is_served_and_says_what_to_do(tmp_path: Path) -> None:
    with told(tmp_path, "--port", "0") as (url, *_):
        assert httpx.get(f"{url}/readyz", timeout=60).status_code == 503


def test_an_address_that_is_all_of_a_machine_is_told_as_one_that_can_be_asked(
    tmp_path: Path,
) -> None:
    with told(tmp_path, "--port", "0", "--host", "0.0.0.0") as (url, _, errors):
        assert url.startswith("http://127.0.0.1:")
        said = [errors.readline() for _ in range(4)]
        port = url.rpartition(":")[2]
        assert f"curl '{url}/v1/benchmarks'" in said[0]
        assert said[2] == f"  export NASBENCH_URL={url}\n"
        assert said[3].startswith(f"other machines use http://{socket.gethostname()}:{port}")
        assert httpx.get(f"{url}/livez", timeout=60).status_code == 200
