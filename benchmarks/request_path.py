"""How many of our files one warm request passes through, and how often it goes from one to another.

A reader who follows a request has to open as many. Counted with `sys.setprofile` around the
application, without a socket: `GET /v1/nasbench201/computed-stats?arch=0`, the third time it is
asked, against a sample of twelve architectures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
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
    """Print the files that a request enters in their order, how many they are, and the switches."""
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
    switches = [
        one for one, before in zip(entered, [None, *entered], strict=False) if one != before
    ]
    print(*switches, sep="\n")
    print(f"files {len(set(entered))}, switches {len(switches) - 1}")


async def _followed(folder: Path, path: str, query: str) -> list[str]:
    """Return the file of every call and return of a warm request, in their order."""
    app = create_app(Settings(directory=folder, verify_seconds=0))
    async with app.router.lifespan_context(app):
        for _ in range(_WARM_UP):
            await _ask(app, path, query)
        with _Profile() as profile:
            status = await _ask(app, path, query)
    if status != 200:  # noqa: PLR2004
        raise RuntimeError(f"the request was answered by {status}")
    return profile.entered


class _Profile:
    """Notes the file of ours that runs after every call and return."""

    def __init__(self) -> None:
        self.entered: list[str] = []

    def __enter__(self) -> Self:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        running = frame if event == "call" else frame.f_back if event == "return" else None
        if running is None:
            return
        path = Path(running.f_code.co_filename)
        if path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in _PACKAGES:
            self.entered.append(str(path.relative_to(_ROOT)))


async def _ask(app: Any, path: str, query: str) -> int:
    """Ask the application as a server does; return the status of the answer."""
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
