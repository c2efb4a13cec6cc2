"""Measure how long storing and reading an artifact takes, in a folder and in an S3 bucket.

    python benchmarks/artifact_stores.py [--bucket s3://BUCKET/PREFIX]

Stores files of 20 MB with new content each time, reads them in the pieces in which a server sends
them, and prints medians of `ROUNDS`. Without --bucket, moto's server runs in a process of its own:
the figures are then those of the S3 client and not of a real bucket. The AWS variables set endpoint
and credentials. The folder is a temporary one (TMPDIR selects the disk).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx

from service.jobs import JobSettings
from service.jobs.artifact_store import ArtifactStore, open_artifact_store

SIZE: Final = 20_000_000
ROUNDS: Final = 15
PIECE: Final = 256 * 1024
PORT: Final = 5566
PATIENCE: Final = 60.0


def measure(store: ArtifactStore, folder: Path) -> dict[str, float]:
    """Return the median seconds of each operation of a store, by name."""
    times: dict[str, list[float]] = {"put": [], "hand over": [], "read": [], "first piece": []}
    path = folder / "made"
    for _ in range(ROUNDS):
        path.write_bytes(os.urandom(SIZE))
        began = time.perf_counter()
        sha256, size = store.add(path)
        times["put"].append(time.perf_counter() - began)
        store.remove(sha256)
        times["hand over"].append(timed(lambda: hand_over(store, path, sha256)))  # noqa: B023
        began = time.perf_counter()
        file = store.open(sha256, size)
        for start in range(0, size, PIECE):
            file.seek(start)
            file.read(min(PIECE, size - start))
            if start == 0:
                times["first piece"].append(time.perf_counter() - began)
        file.close()
        times["read"].append(time.perf_counter() - began)
        store.remove(sha256)
    return {what: statistics.median(found) for what, found in times.items()}


def hand_over(store: ArtifactStore, path: Path, sha256: str) -> None:
    """Store a file in pieces, as a server does with an upload from a worker."""
    with store.receive(sha256) as incoming, path.open("rb") as file:
        while piece := file.read(2**20):
            incoming.write(piece)
        incoming.keep()


def timed(operation: Callable[[], object]) -> float:
    """Return the seconds that an operation takes."""
    began = time.perf_counter()
    operation()
    return time.perf_counter() - began


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto's server with an empty bucket, and yield the address of the bucket."""
    address = f"http://127.0.0.1:{PORT}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(PORT)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                with suppress(httpx.TransportError):
                    httpx.put(f"{address}/measured").raise_for_status()
                    break
                time.sleep(0.1)
            os.environ |= {
                "AWS_ENDPOINT_URL": address,
                "AWS_ACCESS_KEY_ID": "x",
                "AWS_SECRET_ACCESS_KEY": "y",
            }
            yield "s3://measured/artifacts"
        finally:
            server.terminate()


def main() -> None:
    """Measure a folder and a bucket, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bucket", help="address of a bucket; default: one on moto's server")
    asked = parser.parse_args().bucket
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = JobSettings(jobs_dir=folder)
        tell("folder", measure(open_artifact_store(settings), folder))
        with bucket_address(asked) as url:
            bucket = settings.model_copy(update={"artifacts_url": url})
            tell("bucket", measure(open_artifact_store(bucket), folder))


@contextmanager
def bucket_address(asked: str | None) -> Iterator[str]:
    """Yield the given address, or that of a bucket on moto's server."""
    if asked is not None:
        yield asked
        return
    with moto_server() as url:
        yield url


def tell(what: str, times: dict[str, float]) -> None:
    """Print the figures of a store in one line."""
    figures = ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in times.items())
    sys.stdout.write(f"{what}: {figures}\n")


if __name__ == "__main__":
    main()
