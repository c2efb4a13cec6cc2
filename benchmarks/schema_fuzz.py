"""Sends ten thousand requests generated from the OpenAPI document, with every schemathesis check.

The server requires a key for every operation, so that the authentication check applies. Rules that
no schema can express are listed in schema_unsaid.py, with their reasons.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from schema_unsaid import UNSAID, configuration, sampled_operations
from schemathesis.checks import CHECKS, load_all_checks

from generators.registry import GENERATORS, SAMPLES
from service.access.keys import KeyFile, KeyScope

_REPORT: Final = "report.json"
_LETTERS: Final = Path(__file__).resolve().parents[1] / ".hypothesis"

_CHECKS: Final = {
    "ServerError": "not_a_server_error",
    "UndefinedStatusCode": "status_code_conformance",
    "MissingContentType": "content_type_conformance",
    "UndefinedContentType": "content_type_conformance",
    "MalformedMediaType": "content_type_conformance",
    "MissingHeaders": "response_headers_conformance",
    "JsonSchemaError": "response_schema_conformance",
    "MalformedJson": "response_schema_conformance",
    "ContentDeserializationError": "response_schema_conformance",
    "AcceptedNegativeData": "negative_data_rejection",
    "RejectedPositiveData": "positive_data_acceptance",
    "MissingHeaderNotRejected": "missing_required_header",
    "UnsupportedMethodResponse": "unsupported_method",
    "AllowHeaderMismatch": "allow_header_conformance",
    "UseAfterFree": "use_after_free",
    "EnsureResourceAvailability": "ensure_resource_availability",
    "IgnoredAuth": "ignored_auth",
    "ObjectLevelAuthorizationViolation": "object_level_authorization",
    "CustomFailure": "refused_for_what_no_schema_says",
}
"""The check that finds each kind of failure; reports name only the kind."""


@dataclass
class Found:
    """Counts of cases and failures over all rounds."""

    cases: int = 0
    operations: int = 0
    passed: bool = True
    failures: Counter[str] = field(default_factory=Counter)
    """Number of failures by kind."""

    def add(self, report: dict[str, Any]) -> None:
        """Add the counts of one round's report."""
        self.cases += report["test_cases"]["generated"]
        self.operations = report["operations"]["tested"]
        self.passed &= report["exit_code"] == 0
        for group in [*report["failures"], *report["errors"]]:
            self.failures[group.get("type", group["title"])] += group["count"]


def main() -> int:
    """Serve a sample, send the requests, print the counts; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000, help="minimum number of requests")
    parser.add_argument("--examples", type=int, default=10, help="per operation and round")
    parser.add_argument(
        "--sample-alike",
        action="store_true",
        help="test each operation that several benchmarks share systematically on only one of them",
    )
    arguments = parser.parse_args()
    sampled = sampled_operations() if arguments.sample_alike else []
    found = Found()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "schemathesis.toml").write_text(configuration(sampled=sampled))
        with _serving(folder) as (url, token):
            seed = 0
            while found.cases < arguments.cases:
                seed += 1
                found.add(_round(url, token, folder, examples=arguments.examples, seed=seed))
    _print(found)
    return 0 if found.passed else 1


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[str, str]]:
    """Serve a sample from a folder; yield the address and an admin key."""
    for name, write in SAMPLES.items():
        raw = write(folder / "raw", architectures=12, seed=0)
        GENERATORS[name](raw, folder, progress=lambda *_: None)
    token = KeyFile(folder / "keys.json").create("fuzz", KeyScope.ADMIN)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {
        "NASBENCH_DRAIN_SECONDS": "0",
        "NASBENCH_JOBS_DIR": str(folder / "jobs"),
        "NASBENCH_READ_ACCESS": "keyed",
        "NASBENCH_TIME_BUDGET": "20",
    }
    command = [sys.executable, "-m", "service.cli", "serve", "--data", str(folder)]
    server = subprocess.Popen(
        [*command, "--port", str(port)],
        stderr=subprocess.DEVNULL,
        env={**os.environ, **settings},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url)
        yield url, token
    finally:
        server.terminate()
        server.wait(30)


def _round(url: str, token: str, folder: Path, *, examples: int, seed: int) -> dict[str, Any]:
    """Run schemathesis over every operation once; return its report, and print failures."""
    started = time.monotonic()
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
        *("--max-examples", str(examples), "--seed", str(seed), "--no-color"),
        *("--continue-on-failure", "--header", f"Authorization: Bearer {token}"),
        # Longer than long polling and the time budget of the server.
        *("--request-timeout", "30"),
        *("--report", "json", "--report-json-path", _REPORT),
    ]
    # schemathesis imports the module of our check by its name.
    modules = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Kept small: the client searches all variables for proxies before each request.
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(modules),
        "SCHEMATHESIS_HOOKS": "schema_unsaid",
        # Character tables, which take seconds to create, are cached there.
        "HYPOTHESIS_STORAGE_DIRECTORY": str(_LETTERS),
    }
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
    )
    report: dict[str, Any] = json.loads((folder / _REPORT).read_text())
    if report["operations"] is None:
        raise RuntimeError(ended.stdout + ended.stderr)
    if ended.returncode:
        print(ended.stdout[-20_000:])
    cases = report["test_cases"]["generated"]
    print(f"seed {seed}: {cases} cases, {time.monotonic() - started:.0f} s", flush=True)
    return report


def _print(found: Found) -> None:
    """Print a table of cases, operations, and failures by check."""
    load_all_checks()
    by_check = dict.fromkeys(sorted(CHECKS.get_all_names()), 0)
    for kind, count in found.failures.items():
        check = _CHECKS.get(kind, kind)
        by_check[check] = by_check.get(check, 0) + count
    rows = {
        "cases": found.cases,
        "operations": found.operations,
        "operations that may refuse valid requests with 422": len(UNSAID),
        **{f"failures of {check}": count for check, count in by_check.items()},
        "failures": found.failures.total(),
    }
    for name, count in rows.items():
        print(f"{name:<48}{count:>7}")


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
