"""A project of docker-compose, driven as an operator drives it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import pytest

from bench_client import BenchClient

__all__ = ["PROFILES", "REPOSITORY", "SHARED", "VERSION", "Stack", "free_port", "run", "until"]

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SHARED: Final = Path(os.environ.get("SHARED", REPOSITORY.parent / "shared")).resolve()
STAND_INS: Final = "STAND_INS" in os.environ
VERSION: Final = "under-test"
PROFILES: Final = tuple(
    f"--profile={name}" for name in ("generate", "keys", "worker", "cluster", "replicas", "observe")
)
_PATIENCE: Final = 90.0
T = TypeVar("T")


def run(*command: str, env: Mapping[str, str] | None = None) -> str:
    """Run a command and return what it writes; fail with all it wrote if it fails."""
    return run_telling(*command, env=env)[0]


def run_telling(*command: str, env: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Do the same, and return what it writes to standard output and standard error."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if ended.returncode:
        pytest.fail(f"{' '.join(command)}\n{ended.stdout[-4000:]}{ended.stderr[-8000:]}")
    return ended.stdout, ended.stderr


def until(found: Callable[[], T | None], what: str, patience: float = _PATIENCE) -> T:
    """Return what a function finds, as soon as it finds something."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.25)
    pytest.fail(f"{what}: not within {patience:.0f} seconds")


def free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """A project of docker-compose.

    Attributes:
        name: Its name, which all that belongs to it begins with.
        folder: What an operator keeps beside the compose file: raw archives, data sets, secrets.
        port: Where it answers on 127.0.0.1.
        tls_port: Where its proxy does.
    """

    name: str
    folder: Path
    port: int
    tls_port: int

    @property
    def url(self) -> str:
        """Address of the service."""
        return f"http://127.0.0.1:{self.port}"

    def compose(self, *arguments: str, **settings: str) -> str:
        """Run docker-compose as an operator does, and return what it writes."""
        return self._compose(*arguments, **settings)[0]

    def warnings(self, *arguments: str) -> str:
        """Run docker-compose, and return what it writes to standard error."""
        return self._compose(*arguments)[1]

    def _compose(self, *arguments: str, **settings: str) -> tuple[str, str]:
        files = ["docker-compose.yml"]
        if STAND_INS:
            files.append("tests/containers/stand-ins.yml")
        named = [part for file in files for part in ("--file", str(REPOSITORY / file))]
        env = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.name,
            "NASBENCH_VERSION": VERSION,
            "NASBENCH_PORT": str(self.port),
            "NASBENCH_TLS_PORT": str(self.tls_port),
            "NASBENCH_RAW": str(self.folder / "raw"),
            "NASBENCH_DATASETS": str(self.folder / "datasets"),
            "NASBENCH_SECRETS": str(self.folder / "secrets"),
            **settings,
        }
        program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        placed = (*named, "--project-directory", str(REPOSITORY))
        return run_telling(*program, *placed, *arguments, env=env)

    def container(self, service: str) -> str:
        """Return the id of the container of a service."""
        return run(
            *("docker", "ps", "--all", "--quiet", "--filter", f"label={self._label}"),
            *("--filter", f"label=com.docker.compose.service={service}"),
        ).split()[0]

    def inspect(self, service: str) -> Any:
        """Return what the engine knows of the container of a service."""
        return json.loads(run("docker", "inspect", self.container(service)))[0]

    def execute(self, service: str, *command: str) -> str:
        """Run a command in the container of a service."""
        return run("docker", "exec", self.container(service), *command)

    def logged(self, service: str) -> str:
        """Return what a service has logged."""
        command = ("docker", "logs", self.container(service))
        return subprocess.run(command, capture_output=True, text=True, check=True).stderr

    def wait_healthy(self, *services: str) -> None:
        """Wait until the health checks of services say that all is well."""
        for service in services:
            until(lambda name=service: self._health(name) == "healthy", f"{service} is healthy")

    def ask(self) -> BenchClient:
        """Return a client of the service."""
        return BenchClient(self.url)

    def digest(self, benchmark: str = "nasbench201") -> str | None:
        """Return what the service answers from, None while it does not answer."""
        try:
            ready = httpx.get(f"{self.url}/readyz").json()
        except httpx.TransportError:
            return None
        found: str | None = ready["benchmarks"].get(benchmark, {}).get("content_digest")
        return found

    def left_over(self) -> list[str]:
        """Return the containers, volumes and networks that carry the name of the project."""
        found = []
        for kind in (("ps", "--all"), ("volume", "ls"), ("network", "ls")):
            found += run("docker", *kind, "--quiet", "--filter", f"label={self._label}").split()
        return found

    @property
    def _label(self) -> str:
        return f"com.docker.compose.project={self.name}"

    def _health(self, service: str) -> str:
        state = self.inspect(service)["State"]
        return str((state.get("Health") or state.get("Healthcheck") or {}).get("Status"))
