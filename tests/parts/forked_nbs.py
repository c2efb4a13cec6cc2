"""Runs `nbs`, or a program, in processes that are forked from one that has imported what it needs.

Each is a process as the system knows them, with an environment, pipes and signals of its own; only
the interpreter's start and the imports, two to four seconds of processor time, are made once a
session. What is about that start runs `python -m service.cli`.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import multiprocessing.util
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Final, Never, Self

from measuring import MEASURED, measured_environment

__all__ = ["ForkedProcess", "nbs", "on_terminal", "processor_seconds", "run_forked"]
__all__ += ["start_forked", "start_nbs"]

REPOSITORY: Final = Path(__file__).resolve().parents[2]
IMPORTED: Final = (
    "service.cli.commands",
    *(
        f"service.cli.{name}"
        for name in ("databases", "export", "jobs", "oracle", "query", "serve")
    ),
    "service.app",
    "service.http.protocol",
    "uvicorn",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.supervisors",
)
"""What every command and server imports."""
IMPORTED_BY_WORKERS: Final = (
    "service.worker.exporting",
    "service.worker.measuring",
    "service.worker.training",
    "service.worker.worker",
    "torch._dynamo",
)
"""What takes PyTorch, four seconds and 270 MB more."""
MESSAGE_BYTES: Final = 200_000


class ForkedProcess:
    """A process of `nbs`, to be handled as a `subprocess.Popen`."""

    def __init__(self, pid: int, status: int, args: list[str]) -> None:
        self.pid = pid
        self.args = args
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """Return the status it ended with, a signal below zero; None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended and return its status."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(os.read(self._status, 16))
            os.close(self._status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Tell it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()


class _ForkServer:
    """The process that others are forked from.

    Args:
        modules: What it imports before.
    """

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here = str(Path(__file__).parent)
        program = (
            f"import sys; sys.path.insert(0, {here!r}); import forked_nbs; "
            f"forked_nbs.serve_forks({theirs.fileno()}, {modules!r})"
        )
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                cwd=REPOSITORY,
                env=measured_environment(),
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.close, os.getpid())

    @property
    def pid(self) -> int:
        """Of this process."""
        return self._process.pid

    def close(self, owner: int) -> None:
        """Let it end."""
        if os.getpid() == owner:
            self._socket.close()
            self._process.wait(60)

    def start(self, asked: dict[str, Any], files: list[int]) -> ForkedProcess:
        """Fork a process with what was asked, standard input, output and errors."""
        status, theirs = os.pipe()
        try:
            with self._lock:
                socket.send_fds(self._socket, [json.dumps(asked).encode()], [*files, theirs])
                pid = int(self._socket.recv(64))
        finally:
            os.close(theirs)
        return ForkedProcess(pid, status, asked["arguments"])


_servers: dict[tuple[str, ...], _ForkServer] = {}
_starting: Final = threading.Lock()


def start_nbs(
    *arguments: str | Path,
    env: dict[str, str] | None = None,
    cwd: str | Path | None = None,
    stdin: int | IO[Any] | None = None,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
) -> ForkedProcess:
    """Start `nbs`; files as `subprocess.Popen` takes them, but no PIPE."""
    words = [str(argument) for argument in arguments]
    modules = IMPORTED
    if words[:1] in (["worker"], ["zoo"]):
        modules += IMPORTED_BY_WORKERS
    asked = {
        "arguments": words,
        "environment": dict(os.environ if env is None else env),
        "folder": os.fspath(cwd or Path.cwd()),
    }
    with Path(os.devnull).open("r+") as nothing:
        files = [
            _number(file, place, nothing) for place, file in enumerate((stdin, stdout, stderr))
        ]
        return _forking(modules).start(asked, files)


def _forking(modules: tuple[str, ...]) -> _ForkServer:
    """Return the process that has imported some modules; it is started when first asked for."""
    with _starting:
        if modules not in _servers:
            _servers[modules] = _ForkServer(modules)
        return _servers[modules]


def processor_seconds() -> float:
    """Return what the processes here used that others are forked from, and those that have ended.

    The system adds it to what a process of tests and its children used when those end.
    """
    ticks = 0
    for server in list(_servers.values()):
        with suppress(FileNotFoundError):
            ticks += sum(map(int, _stat(server.pid)[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Return what the system tells of a process, from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _number(file: int | IO[Any] | None, inherited: int, nothing: IO[Any]) -> int:
    if file is None:
        return inherited
    if file == subprocess.DEVNULL:
        return nothing.fileno()
    return file if isinstance(file, int) else file.fileno()


def nbs(
    *arguments: str | Path, cwd: Path | None = None, timeout: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `nbs` to its end, without an address unless it is given; return what it wrote."""
    told = {name: value for name, value in os.environ.items() if name != "NASBENCH_URL"}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = start_nbs(
            *arguments,
            env=told | environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )
        return _ended(process, output, errors, timeout)


def start_forked(
    program: str,
    *arguments: str | Path,
    modules: tuple[str, ...],
    env: dict[str, str],
    stdout: IO[Any],
    stderr: IO[Any],
) -> ForkedProcess:
    """Start a program in the repository, as `python -c` does.

    Args:
        program: Its source.
        arguments: Its `sys.argv[1:]`.
        modules: What has been imported before it begins.
        env: Its environment. What the interpreter reads as it starts has no effect.
        stdout: Where it writes.
        stderr: Where it writes errors.
    """
    asked = {
        "arguments": [str(argument) for argument in arguments],
        "environment": env,
        "folder": str(REPOSITORY),
        "program": program,
    }
    with Path(os.devnull).open() as nothing:
        files = [nothing.fileno(), stdout.fileno(), stderr.fileno()]
        return _forking(modules).start(asked, files)


def run_forked(
    program: str,
    *arguments: str | Path,
    modules: tuple[str, ...],
    env: dict[str, str],
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a program as `start_forked` does, for `timeout` seconds at most; return what it wrote."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = start_forked(
            program, *arguments, modules=modules, env=env, stdout=output, stderr=errors
        )
        return _ended(process, output, errors, timeout)


def _ended(
    process: ForkedProcess, output: IO[bytes], errors: IO[bytes], timeout: float
) -> subprocess.CompletedProcess[str]:
    try:
        process.wait(timeout)
    finally:
        process.kill()
    written = []
    for file in (output, errors):
        file.seek(0)
        written.append(file.read().decode())
    return subprocess.CompletedProcess(process.args, process.wait(), *written)


def serve_forks(number: int, modules: tuple[str, ...]) -> None:
    """Fork a process for each request until nobody is left who could ask."""
    for name in modules:
        importlib.import_module(name)
    _count_imports()
    gc.collect()
    gc.freeze()
    statuses: dict[int, int] = {}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asking = socket.socket(fileno=number)
    while True:
        ready, _, _ = select.select([asking, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _tell_ends(statuses)
        if asking not in ready:
            continue
        text, files, _, _ = socket.recv_fds(asking, MESSAGE_BYTES, 4)
        if not text:
            return
        *standard, status = files
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            asking.close()
            for file in (woken, wake, status, *statuses.values()):
                os.close(file)
            _become(json.loads(text), standard)
        for file in standard:
            os.close(file)
        statuses[pid] = status
        asking.send(str(pid).encode())


def _count_imports() -> None:
    """Keep what importing covered, once; each forked process measures what it does itself."""
    if MEASURED in os.environ:
        from coverage import Coverage  # noqa: PLC0415 - where it is installed

        measuring = Coverage.current()
        if measuring is not None:
            measuring.stop()
            measuring.save()


def _tell_ends(statuses: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while True:
            pid, ended = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            file = statuses.pop(pid)
            with suppress(BrokenPipeError):
                os.write(file, str(os.waitstatus_to_exitcode(ended)).encode())
            os.close(file)


def _become(asked: dict[str, Any], standard: list[int]) -> Never:
    """Be the process that was asked for."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for place, file in enumerate(standard):
        os.dup2(file, place)
    for file in standard:
        os.close(file)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    sys.path[0] = asked["folder"]
    sys.argv = ["nbs", *asked["arguments"]]
    if MEASURED in os.environ:
        from coverage.control import process_startup  # noqa: PLC0415 - where it is installed

        process_startup(force=True)
    if "torch" in sys.modules:
        multiprocessing.util.spawnv_passfds = _fork_instead
    try:
        if "program" in asked:
            _run(asked["program"])
        from service.cli import main  # noqa: PLC0415 - the tests' process has no need of it

        main()
    except SystemExit as ended:
        _end(ended)
    raise AssertionError("main exits")


def _run(program: str) -> Never:
    """Run a program and exit, as the interpreter does where it raises something.

    Raises:
        SystemExit: Always.
    """
    try:
        exec(program, {"__name__": "__main__"})  # noqa: S102 - a test's own
    except Exception:  # noqa: BLE001 - whatever it is, it is told
        traceback.print_exc()
        sys.exit(1)
    sys.exit()


def _end(ended: SystemExit) -> Never:
    """End as the interpreter does, but leave the memory to the system.

    To free every module and object by itself takes it half as long as a short command does.
    """
    if not isinstance(ended.code, int | None):
        raise ended
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        raise ended from None
    threading._shutdown()  # type: ignore[attr-defined]  # it waits for threads
    atexit._run_exitfuncs()
    os._exit((ended.code or 0) & 0xFF)


def _fork_instead(_path: object, arguments: list[str], kept: list[int]) -> int:
    """Fork what `multiprocessing` starts beside a worker: it would import PyTorch again."""
    pid = os.fork()
    if pid:
        return pid
    try:
        edges = [2, *sorted(int(number) for number in kept), os.sysconf("SC_OPEN_MAX")]
        for low, high in pairwise(edges):
            os.closerange(low + 1, high)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        # The state of these is that of a process that is just starting them.
        multiprocessing.forkserver._forkserver.__init__()
        multiprocessing.resource_tracker._resource_tracker.__init__()
        exec(arguments[-1], {"__name__": "__main__"})  # noqa: S102 - what would be given to -c
    except Exception:  # noqa: BLE001 - whatever it is, it is told and this process ends
        traceback.print_exc()
    finally:
        os._exit(0)


def on_terminal(*arguments: str | Path, columns: int = 100, term: str = "xterm") -> str:
    """Return what `nbs` prints on a terminal."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": term, "NO_COLOR": "1"}
    with start_nbs(*arguments, stdout=follower, stderr=follower, env=environment) as process:
        os.close(follower)
        output = b""
        while True:
            try:
                part = os.read(leader, 65_536)
            except OSError:  # how a terminal says that nobody holds its other end any more
                break
            output += part
        process.wait(60)
    os.close(leader)
    return output.decode()
