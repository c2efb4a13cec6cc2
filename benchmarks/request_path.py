"""Counts the files of the product that a warm request enters, and the switches between them.

A reader who follows the request opens as many files. The count uses `sys.setprofile` around the
application, without a socket: `GET /v1/nasbench201/computed-stats?arch=0`, requested for the third
time, against a sample of twelve architectures. Only the first call of each function counts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self

from generators.registry import GENERATORS, SAMPLES
from service.app import create_app
from service.settings import Settings

_ROOT: Final = Path(__file__).resolve().parents[1]
_PACKAGES: Final = ("service", "benchmark_db", "bench_client", "missing_extra")
_BENCHMARK: Final = "nasbench201"
_WARM_UP: Final = 2


def main() -> None:
    """Print the functions that a request enters, and the numbers of files and switches."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", nargs="?", default=f"/v1/{_BENCHMARK}/computed-stats")
    parser.add_argument("query", nargs="?", default="arch=0")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = SAMPLES[_BENCHMARK](folder / "raw", architectures=12, seed=0)
        GENERATORS[_BENCHMARK](raw, folder, progress=lambda *_: None)
        os.environ["NASBENCH_JOBS_DIR"] = str(folder / "jobs")
        entered = asyncio.run(_followed(folder, arguments.path, arguments.query))
    print(*(f"{file}  {function}" for file, function in entered), sep="\n")
    files = [file for file, _ in entered]
    switches = sum(one != other for one, other in pairwise(files))
    print(f"files {len(set(files))}, switches {switches}")


async def _followed(folder: Path, path: str, query: str) -> list[tuple[str, str]]:
    """Return file and name of every function that a warm request calls, in call order."""
    app = create_app(Settings(directory=folder, verify_seconds=0))
    async with app.router.lifespan_context(app):
        for _ in range(_WARM_UP):
            await _ask(app, path, query)
        with _Profile() as profile:
            status = await _ask(app, path, query)
    if status != 200:  # noqa: PLR2004
        raise RuntimeError(f"the request was answered with {status}")
    return list(profile.entered)


class _Profile:
    """Context manager that records the called functions of the product's packages."""

    def __init__(self) -> None:
        self.entered: dict[tuple[str, str], None] = {}

    def __enter__(self) -> Self:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(_ROOT):
            file = path.relative_to(_ROOT)
            if file.parts[0] in _PACKAGES:
                self.entered.setdefault((str(file), frame.f_code.co_qualname))


async def _ask(app: Any, path: str, query: str) -> int:
    """Send a request to the ASGI application and return the status."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"accept", b"application/json")],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]

    await app(scope, receive, send)
    return status


if __name__ == "__main__":
    main()
