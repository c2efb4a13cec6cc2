"""Ten thousand requests made from the OpenAPI document, with every check that schemathesis has.

One check is reported apart: that every request which fits the document is accepted. No document can
tell which strings are cursors or architectures.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from generators.registry import GENERATORS, SAMPLES


def main() -> int:
    """Serve a sample, send the requests, and tell how many there were and what failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000, help="at least so many")
    parser.add_argument("--examples", type=int, default=10, help="of each operation, to begin with")
    parser.add_argument("--all-checks", action="store_true", help="the check named above too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        for name, write in SAMPLES.items():
            raw = write(data / "raw", architectures=12, seed=0)
            GENERATORS[name](raw, data, progress=lambda *_: None)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "service.cli", "serve", "--data", folder]
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            stderr=subprocess.DEVNULL,
            env={**os.environ, "NASBENCH_TIME_BUDGET": "20"},
        )
        try:
            return _fuzz(
                f"http://127.0.0.1:{port}",
                arguments.cases,
                arguments.examples,
                all_checks=arguments.all_checks,
                folder=folder,
            )
        finally:
            server.terminate()
            server.wait(30)


def _fuzz(url: str, cases: int, examples: int, *, all_checks: bool, folder: str) -> int:
    """Send requests, more of each operation every round, until there were enough."""
    _wait_for(url)
    sent, seed, failed = 0, 1, 0
    while sent < cases:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"]
        command += ["--max-examples", str(examples), "--seed", str(seed), "--no-color"]
        if not all_checks:
            command += ["--exclude-checks", "positive_data_acceptance"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        counted = re.search(r"(\d+) generated", ended.stdout)
        if counted is None:
            print(ended.stdout, ended.stderr)
            return 1
        sent += int(counted[1])
        failed += ended.returncode
        print(f"seed {seed}: {counted[1]} cases, status {ended.returncode}", flush=True)
        if ended.returncode:
            print(ended.stdout[-20_000:])
        seed += 1
    print(f"{sent} cases, {failed} rounds with failures")
    return int(failed > 0)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/livez")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"no server at {url}")


if __name__ == "__main__":
    sys.exit(main())
