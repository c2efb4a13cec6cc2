"""A server of benchmarks and jobs that a test may kill and start again where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import httpx
from forked_nbs import ForkedProcess, start_nbs
from real_servers import RealServer

__all__ = ["BenchServer", "ending_together"]

NBS: Final = [sys.executable, "-m", "service.cli"]
REPOSITORY: Final = Path(__file__).resolve().parents[2]


@contextmanager
def ending_together() -> Iterator[Callable[[BenchServer], BenchServer]]:
    """Start servers that end with the context, none of them with a traceback in its log."""
    started: list[BenchServer] = []

    def start(server: BenchServer) -> BenchServer:
        started.append(server)
        server.start()
        return server

    try:
        yield start
    finally:
        for server in started:
            server.stop()
    for server in started:
        assert "Traceback" not in server.log.read_text()


class BenchServer(RealServer):
    """`nbs serve`; its jobs outlive it.

    Args:
        folder: For its log and, in `jobs`, its jobs.
        directory: The databases.
        environment: What it is told beside that.
    """

    def __init__(self, folder: Path, directory: Path, **environment: str) -> None:
        super().__init__(folder)
        self.jobs_folder = folder / "jobs"
        self._directory = directory
        told = {"NASBENCH_JOBS_DIR": str(self.jobs_folder), "NASBENCH_DRAIN_SECONDS": "0"}
        self.options = {"cwd": REPOSITORY, "env": {**os.environ, **told, **environment}}

    @property
    def url(self) -> str:
        """The address clients take."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        serve = [*NBS, "serve"]
        return [*serve, "--data", str(self._directory), "--port", str(self.port)]

    def launch(self, output: IO[bytes]) -> ForkedProcess | subprocess.Popen[bytes]:
        """Fork the process, unless another program is to start it."""
        command = self.command()
        if command[: len(NBS)] != NBS:
            return super().launch(output)
        return start_nbs(
            *command[len(NBS) :], env=self.options["env"], stdout=output, stderr=output
        )

    def answers(self) -> bool:
        """Whether the server answers a client."""
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/livez").is_success
        return False

    def kill(self) -> None:
        """End the server at once, as a crash would, and wait until it is gone."""
        self._end(signal.SIGKILL)
