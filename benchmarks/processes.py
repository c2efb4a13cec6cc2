"""Starts servers on free ports and measures the time and memory of processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

__all__ = [
    "Server",
    "constant_server",
    "cpu_seconds",
    "datasette_server",
    "run_measured",
    "run_measured_whole",
    "service",
]

_TICKS = os.sysconf("SC_CLK_TCK")
_CONSTANT = """
import uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/constant")
async def constant():
    return {"test_acc": 53.08}
uvicorn.run(app, port=PORT, access_log=False, log_level="warning")
"""


@dataclass
class Server:
    """A server under measurement: its port, process, and seconds until its first answer."""

    port: int
    pid: int
    start_seconds: float

    @property
    def resident_mb(self) -> float:
        """Resident memory, in MB."""
        return self._status("VmRSS")

    @property
    def peak_mb(self) -> float:
        """Peak resident memory so far, in MB."""
        return self._status("VmHWM")

    def _status(self, name: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024 / 1e6


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def service(data: Path) -> Iterator[Server]:
    """Serve the databases of a folder with one worker, as `nbs serve` does."""
    with _running([sys.executable, "-m", "service.cli", "serve", "--data", data], "/readyz") as one:
        yield one


@contextmanager
def constant_server() -> Iterator[Server]:
    """Serve a FastAPI route that returns a constant, with one worker."""
    with _running([sys.executable, "-c", _CONSTANT], "/constant") as one:
        yield one


@contextmanager
def datasette_server(datasette: Path, database: Path) -> Iterator[Server]:
    """Serve a database file with datasette."""
    command = [
        datasette,
        "serve",
        "--immutable",
        database,
        "--setting",
        "sql_time_limit_ms",
        "5000",
    ]
    with _running(command, "/-/versions.json") as one:
        yield one


@contextmanager
def _running(command: Sequence[str | Path], ready: str) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    if "-c" in command:
        full = [*command[:-1], str(command[-1]).replace("PORT", str(port))]
    else:
        full = [*command, "--port", str(port)]
    started = time.perf_counter()
    process = subprocess.Popen(full, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{port}{ready}"):
                    break
            except URLError as error:
                if process.poll() is not None or time.perf_counter() - started > 60:  # noqa: PLR2004
                    raise RuntimeError(f"{command[0]} does not start") from error
                time.sleep(0.01)
        yield Server(port, process.pid, time.perf_counter() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def run_measured(command: Sequence[str | Path]) -> tuple[float, float]:
    """Run a command; return its seconds and its peak resident memory in MB.

    Raises:
        RuntimeError: The command fails.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stderr is not None  # noqa: S101 - asked for above
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(complaint.decode()[-500:])
    return time.perf_counter() - started, usage.ru_maxrss * 1024 / 1e6


def run_measured_whole(command: Sequence[str | Path]) -> tuple[float, float]:
    """Run a command with child processes; return its seconds and their peak memory in MB.

    The memory is the sum over the command and its children, sampled ten times a second.

    Raises:
        RuntimeError: The command fails.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile() as complaint:
        process = subprocess.Popen(command, stderr=complaint, stdout=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            peak = max(peak, _resident_of_family(process.pid))
            time.sleep(0.1)
        seconds = time.perf_counter() - started
        if process.returncode:
            complaint.seek(0)
            raise RuntimeError(complaint.read().decode()[-500:])
    return seconds, peak / 1e6


def _resident_of_family(pid: int) -> int:
    """Return the resident bytes of a process and its children."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (folder / "stat").read_text().rpartition(")")
        except OSError:  # the process has just ended
            continue
        fields = rest.split()
        if int(name.split()[0]) == pid or int(fields[1]) == pid:
            total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return total
