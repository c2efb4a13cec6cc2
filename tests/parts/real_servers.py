"""Private Redis and PostgreSQL servers from the system's packages, which a test may stop and kill.

Each listens on a free port of 127.0.0.1, keeps its data in a temporary folder and starts no service
of the system. Without the packages their tests skip with the command that makes them run.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from operator import not_
from pathlib import Path
from typing import IO, Any, Final

import psycopg
import pytest
import redis
from forked_nbs import ForkedProcess
from waiting import PATIENCE, until

__all__ = ["PostgresServer", "RedisServer", "postgres_server", "redis_server"]

INSTALL: Final = "apt-get install --no-install-recommends"
# PostgreSQL refuses to run as root; the first of these users that exists runs it then.
USERS: Final = ("postgres", "nobody")


class RealServer(ABC):
    """A server of its own on a port that stays the same when it starts again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self.options: dict[str, Any] = {}
        self._process: ForkedProcess | subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]

    @property
    @abstractmethod
    def url(self) -> str:
        """The address clients take."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server answers a client."""

    def start(self) -> None:
        """Start the server unless it runs, and wait until it answers.

        Raises AssertionError with its log if it ends or does not answer.
        """
        if self._process is None:
            with self.log.open("ab") as output:
                self._process = self.launch(output)
        process = self._process

        def told() -> str:
            """Return its log, unless it answers."""
            if self.answers():
                return ""
            # A test that starts the process itself may have no log.
            log = self.log.read_text() if self.log.exists() else ""
            assert process.poll() is None, log
            return log or "an empty log"

        until(told, not_, what="an answer of the server", pause=0.05)

    def launch(self, output: IO[bytes]) -> ForkedProcess | subprocess.Popen[bytes]:
        """Start the process, which writes where it is told."""
        return subprocess.Popen(self.command(), stdout=output, stderr=output, **self.options)

    def stop(self) -> None:
        """Tell the server to finish, and wait until it has; nothing if it does not run."""
        self._end(signal.SIGINT)

    @abstractmethod
    def kill(self) -> None:
        """End the server at once, as a crash would, and wait until it is gone."""

    @property
    def pid(self) -> int:
        """Of its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let no thread of the process run within the context; its connections stay."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            until(lambda: set(self._thread_states()) == {"T"}, what="all threads stopped")
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def _thread_states(self) -> list[str]:
        """Return the state of each thread, as proc(5) has it."""
        stats = Path(f"/proc/{self.pid}/task").glob("*/stat")
        return [stat.read_text().rpartition(") ")[2][0] for stat in stats]

    def restart(self) -> None:
        """Stop the server and start it on the same port."""
        self.stop()
        self.start()

    def _end(self, signal_number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal_number)
            self._process.wait(PATIENCE)
            self._process = None


class RedisServer(RealServer):
    """A Redis that writes nothing to disk: whoever starts it again finds it empty."""

    @property
    def url(self) -> str:
        """The address clients take."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        options = {
            "--bind": "127.0.0.1",
            "--port": str(self.port),
            "--dir": str(self.folder),
            "--save": "",
            "--appendonly": "no",
        }
        return ["redis-server", *(word for option in options.items() for word in option)]

    def answers(self) -> bool:
        """Whether the server answers a client."""
        with redis.Redis.from_url(self.url) as client, suppress(redis.exceptions.ConnectionError):
            return bool(client.ping())
        return False

    def kill(self) -> None:
        """End the server at once, as a crash would, and wait until it is gone."""
        self._end(signal.SIGKILL)


class PostgresServer(RealServer):
    """A PostgreSQL with one user and one database; what was committed outlives a crash."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        super().__init__(folder)
        self._binaries = binaries
        self._data = folder / "data"
        if os.geteuid() == 0:
            user = next(pwd.getpwnam(name) for name in USERS if _exists(name))
            os.chown(folder, user.pw_uid, user.pw_gid)
            self.options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        # The programs look at the folder they start in, and root's is closed to others.
        self.options["cwd"] = folder
        initdb = [binaries / "initdb", "--pgdata", self._data, "--username", "nas"]
        initdb += ["--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **self.options)

    @property
    def url(self) -> str:
        """The address clients take."""
        return f"postgresql://nas@127.0.0.1:{self.port}/postgres"

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        options = ["-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        return [str(self._binaries / "postgres"), "-D", str(self._data), *options]

    def answers(self) -> bool:
        """Whether the server answers a client."""
        with suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=2):
            return True
        return False

    def kill(self) -> None:
        """End the server at once, as a crash would, and wait until it is gone.

        SIGQUIT writes nothing more and needs recovery, as SIGKILL does; but after SIGKILL the
        orphaned processes of connections hold the shared memory for a while.
        """
        self._end(signal.SIGQUIT)


def _exists(name: str) -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False


def _postgres_binaries() -> Path | None:
    found = shutil.which("postgres")
    if found is not None:
        return Path(found).parent
    # Debian keeps them out of PATH, a folder a version.
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return versions[-1].parent if versions else None


@pytest.fixture(scope="session")
def _running_redis() -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip(f"redis-server is not there: {INSTALL} redis-server")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def _running_postgres() -> Iterator[PostgresServer]:
    binaries = _postgres_binaries()
    if binaries is None:
        pytest.skip(f"postgres is not there: {INSTALL} postgresql")
    # Not in pytest's folder, which only the user of the tests may enter.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = PostgresServer(Path(folder), binaries)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture
def redis_server(_running_redis: RedisServer) -> RedisServer:
    """The session's Redis, running and empty."""
    _running_redis.start()
    with redis.Redis.from_url(_running_redis.url) as client:
        client.flushall()
    return _running_redis


@pytest.fixture
def postgres_server(_running_postgres: PostgresServer) -> PostgresServer:
    """The session's PostgreSQL, running and without a table in its schema `public`."""
    _running_postgres.start()
    with psycopg.connect(_running_postgres.url) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return _running_postgres
