"""`nbs serve`, `nbs worker`: programs that run until they are interrupted."""

from __future__ import annotations

import errno
import os
import platform
import re
import resource
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from benchmark_db.catalog import Catalog
from missing_extra import needs
from service.access.keys import KeyFile
from service.cli.options import DataDirectory, existing_directory
from service.jobs import JobSettings
from service.jobs.artifact_store import open_artifact_store
from service.settings import Settings

if TYPE_CHECKING:
    from service.jobs import Jobs
    from service.worker.ray_cluster import RayCluster
    from service.worker.server_connection import ServerConnection

__all__ = ["listener_at", "serve", "worker"]

_WRITE_ACCESS: Final = "NASBENCH_WRITE_ACCESS"
_METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_LOOPBACK: Final = MappingProxyType({"0.0.0.0": "127.0.0.1", "::": "::1"})  # noqa: S104 - compared with
"""Loopback addresses, by the wildcard address that includes them."""
_DEFAULT_ADDRESS: Final = "127.0.0.1:8000"
_LAST_PORT: Final = 65_535
_BACKLOG: Final = 2048
"""Length of the queue of connections to accept."""
_FILES_BESIDE: Final = 512
"""Open files other than connections: databases, artifacts, the job database."""
_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DURATION: Final = re.compile(r"([0-9]{1,6})([smhd]?)")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_WAITING: Final = "OMP_WAIT_POLICY"
"""OpenMP threads that spin while they wait for each other slow down other programs on the machine.
The variable is read when the process of an attempt starts."""


def serve(
    *,
    data: DataDirectory = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
) -> None:
    """Serve the installed databases over HTTP until interrupted."""
    with needs("server", "serving"):
        import uvicorn
        from uvicorn.supervisors import Multiprocess
    directory = existing_directory(data)
    # Server processes get the settings by environment variables.
    os.environ["NASBENCHMARK_DIR"] = str(directory)
    os.environ.setdefault("NASBENCH_LOG_JSON", "0" if sys.stderr.isatty() else "1")
    _require_keys_if_reachable(host)
    settings = Settings()
    # Checked now, so that a wrong setting is reported here and not by every process.
    open_artifact_store(JobSettings())
    listener = listener_at(host, port)
    _print_key_note(settings, host)
    _print_served(
        directory=str(directory),
        catalog=Catalog(directory),
        address=_address(listener),
        everywhere=listener.getsockname()[0] in _LOOPBACK,
    )
    config = uvicorn.Config(
        "service.app:create_app",
        factory=True,
        http="service.http.protocol:BoundedHttpProtocol",
        ws="none",
        workers=workers,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=10,
    )
    _allow_open_files(settings.max_connections)
    with _shared_metrics(settings, workers), suppress(KeyboardInterrupt):
        if workers > 1:
            Multiprocess(config, sockets=[listener]).run()
        else:
            uvicorn.Server(config).run(sockets=[listener])


def worker(  # noqa: PLR0913 - the options of a command
    *,
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="auto: all GPUs, or else the processor; or one of them."),
    ] = "auto",
    slots: Annotated[
        int | None, typer.Option(min=1, help="Jobs at a time per device; by default one.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Cores per job; by default its share of all but one.")
    ] = None,
    share: Annotated[
        int,
        typer.Option(
            min=1,
            max=64,
            help="Jobs at a time that share a device, each with a part of its memory; results are "
            "marked `shared`, as their times are not comparable.",
        ),
    ] = 1,
    label: Annotated[
        list[str] | None,
        typer.Option(help="Also run jobs that require this label; may be repeated."),
    ] = None,
    trainer: Annotated[
        list[str] | None,
        typer.Option(
            help="Also run trainings by this trainer of an installed package; may be repeated. By "
            "default those of $NASBENCH_TRAINERS."
        ),
    ] = None,
    idle_exit: Annotated[
        str | None, typer.Option(help="Exit after this time without a job: 90s, 10m, 2h.")
    ] = None,
    time_limit: Annotated[
        str | None, typer.Option(help="Time until the batch system ends the worker: 24h.")
    ] = None,
    drain_before_limit: Annotated[
        str,
        typer.Option(
            help="Start draining this long before the limit, or at SIGUSR1: begin no further job, "
            "have trainings released with a checkpoint, and exit within this time."
        ),
    ] = "5m",
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run each attempt as a task of this Ray cluster, host:port or `auto`; this "
            "machine must be a node of it. --slots is then the total number of tasks.",
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            help="URL of a server to get jobs from; by default they come from the database."
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            help="File of the API key of scope worker for that server; by default "
            "$NASBENCH_API_KEY."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check whether a worker of this machine is alive.")
    ] = False,
) -> None:
    """Run jobs until interrupted: build, evaluate, time and train networks.

    Jobs are found by $NASBENCH_JOBS_DIR, $NASBENCH_JOBS_URL and $NASBENCH_REDIS_URL, like those of
    the server; with --server, over HTTP and without these variables. Data sets are the folders and
    .tar files in $NASBENCH_DATASETS_DIR.
    """
    with needs("worker", "a worker"):
        from service.jobs import JobSettings, open_jobs
        from service.logs import configure_logs, logs_as_json
        from service.worker.equipment import (
            MissingDeviceError,
            UnusableLibraryError,
            find_devices,
            refuse_broken,
            refuse_incomplete,
        )
        from service.worker.http_source import HttpSource
        from service.worker.places import Places
        from service.worker.server_connection import AccessRefusedError
        from service.worker.source import DatabaseSource, JobSource
        from service.worker.worker import Worker
    refuse_incomplete()
    # Slurm may send it to all processes, and would end the parent process of attempts.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.environ.setdefault(_WAITING, "PASSIVE")
    times = _drain_times(idle_exit, time_limit, drain_before_limit)
    for each in label or ():
        if not _LABEL.fullmatch(each):
            raise typer.BadParameter("a label has letters, digits and ._-", param_hint="--label")
    with ExitStack() as stack:
        settings = JobSettings()
        if check:
            raise typer.Exit(_check(stack.enter_context(open_jobs(settings))))
        settings = _with_offers(settings, trainer or ())
        write_logs = configure_logs(as_json=logs_as_json()).write_out
        stack.callback(write_logs)
        try:
            if ray is None:
                refuse_broken()
                # --share replaces --slots.
                at_a_time = share if share > 1 else slots or 1
                places = Places(devices=find_devices(device), slots=at_a_time, cores=threads)
            else:
                cluster = stack.enter_context(_cluster(ray, settings))
                places = cluster.places(device, slots=slots, threads=threads, share=share)
        except UnusableLibraryError as error:
            sys.stderr.write(f"nbs: {error}\n")
            raise typer.Exit(1) from None
        except MissingDeviceError as error:
            raise typer.BadParameter(str(error), param_hint="--device") from None
        if server is None:
            jobs = stack.enter_context(open_jobs(settings))
            source: JobSource = DatabaseSource(jobs)
            place = f"{settings.folder}, artifacts in {jobs.artifacts.where}"
        else:
            connection = stack.enter_context(closing(_connected(server, key_file)))
            source, place = HttpSource(connection, settings), connection.shown
        sys.stderr.write(
            f"working on {', '.join(found.name for found in places.devices)}; jobs are in "
            f"{place}, data sets in {settings.datasets_dir.expanduser()}\n"
        )
        try:
            Worker(
                source,
                places=places,
                labels=label or (),
                share=share,
                **times,
            ).run()
        except AccessRefusedError as error:
            sys.stderr.write(f"nbs: {error}\n")
            raise typer.Exit(1) from None


def _with_offers(settings: JobSettings, names: Sequence[str]) -> JobSettings:
    """Return the settings with the trainers of the command line, if there are any.

    Raises:
        typer.BadParameter: A trainer is not installed or unreadable, or there are too many.
        OSError: The data sets cannot be listed, or there are too many.
    """
    from nas_search.errors import TrainerError
    from nas_search.trainers import trainer_code
    from service.jobs.worker_wire import MOST_TRAINERS
    from service.worker.offers import datasets_in

    datasets_in(settings.datasets_dir.expanduser())
    if names:
        settings = settings.model_copy(update={"trainers": ",".join(names)})
    if len(settings.trainer_names) > MOST_TRAINERS:
        raise typer.BadParameter(f"at most {MOST_TRAINERS} are allowed", param_hint="--trainer")
    try:
        for name in settings.trainer_names:
            trainer_code(name)
    except (TrainerError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--trainer") from None
    return settings


def _drain_times(idle_exit: str | None, time_limit: str | None, drain: str) -> dict[str, Any]:
    """Return the time options of a worker in seconds.

    Raises:
        typer.BadParameter: A time is malformed, or the limit is shorter than draining.
    """
    limit = None if time_limit is None else _seconds(time_limit, "--time-limit")
    found = _seconds(drain, "--drain-before-limit")
    if limit is not None and limit <= found:
        raise typer.BadParameter(
            f"{time_limit} is not longer than the {drain} in which the worker drains",
            param_hint="--time-limit",
        )
    idle = None if idle_exit is None else _seconds(idle_exit, "--idle-exit")
    return {"idle_exit": idle, "time_limit": limit, "drain_seconds": found}


def _seconds(text: str, option: str) -> float:
    """Parse a duration such as `90s`, `10m` or `2h` into seconds.

    Raises:
        typer.BadParameter: The duration is malformed.
    """
    found = _DURATION.fullmatch(text)
    if found is None or not int(found[1]):
        raise typer.BadParameter("write 90s, 10m or 2h", param_hint=option)
    return float(found[1]) * _UNITS[found[2]]


def _check(jobs: Jobs) -> int:
    """Print how many workers of this machine are alive; return 0 if there is one."""
    from service.jobs.errors import StoreUnavailableError

    try:
        workers = jobs.workers.all()
    except StoreUnavailableError as error:
        sys.stderr.write(f"nbs: {error}\n")
        return 1
    here = [found for found in workers if found.host == platform.node()]
    sys.stdout.write(f"{sum(found.alive for found in here)} of {len(here)} workers live\n")
    return 0 if any(found.alive for found in here) else 1


def _connected(server: str, key_file: Path | None) -> ServerConnection:
    """Return the connection of a worker to its server.

    Raises:
        typer.BadParameter: The URL is invalid, or the key file has no key.
    """
    from bench_client.errors import InvalidSettingError
    from service.worker.server_connection import ServerConnection

    try:
        key = None if key_file is None else key_file.read_text(errors="replace").strip()
        if key == "":
            raise typer.BadParameter("it is empty", param_hint="--key-file")
        return ServerConnection(server, api_key=key)
    except OSError as error:
        raise typer.BadParameter(f"no key: {error.strerror}", param_hint="--key-file") from None
    except InvalidSettingError as error:
        raise typer.BadParameter(str(error), param_hint="--server") from None


@contextmanager
def _cluster(address: str, settings: JobSettings) -> Iterator[RayCluster]:
    """Connect to a Ray cluster.

    Raises:
        typer.Exit: There is no cluster; the reason has been printed.
    """
    with needs("ray", "a worker on a Ray cluster"):
        from service.worker.ray_cluster import NoClusterError, RayCluster

    try:
        cluster = RayCluster(address, checkpoint_seconds=settings.checkpoint_seconds)
    except NoClusterError as error:
        sys.stderr.write(f"nbs: {error}\n")
        raise typer.Exit(1) from None
    with closing(cluster):
        yield cluster


def listener_at(host: str, port: int) -> socket.socket:
    """Return a listening socket; requests before the start of the server wait for it.

    Raises:
        typer.Exit: The address is unavailable; the reason has been printed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        known = error.errno and error.errno > 0
        reason = os.strerror(error.errno) if known else "no machine has this name"  # type: ignore[arg-type]
        match error.errno:
            case errno.EADDRINUSE:
                other = port + 1 if port < _LAST_PORT else port - 1
                remedy = f"a server may be running there already; or take another: --port {other}"
            case errno.EACCES:
                remedy = "this user may not use it; choose one above 1023: --port 8000"
            case _:
                remedy = "--host 127.0.0.1 is this machine only, 0.0.0.0 all of its addresses"
        sys.stderr.write(
            f"nbs: cannot listen on {_shown(host, port)}: {reason.lower()}; {remedy}\n"
        )
        raise typer.Exit(1) from None
    listener.set_inheritable(True)
    return listener


def _address(listener: socket.socket) -> str:
    """Return the address of a socket for URLs on this machine; loopback for a wildcard."""
    host, port, *_ = listener.getsockname()
    return _shown(_LOOPBACK.get(host, host), port)


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _allow_open_files(connections: int) -> None:
    """Raise the limit of open files to allow all connections, as far as permitted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _FILES_BESIDE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        sys.stderr.write(
            f"nbs: note: only {hard} files may be open, too few for {connections} connections; "
            "raise the limit (ulimit -n) or set NASBENCH_MAX_CONNECTIONS\n"
        )


@contextmanager
def _shared_metrics(settings: Settings, workers: int) -> Iterator[None]:
    """Create a folder in which several server processes share their metrics."""
    if workers == 1:
        # One process counts in memory, even if the environment names a folder.
        os.environ.pop(_METRICS_FOLDER, None)
        yield
        return
    folder = tempfile.mkdtemp(prefix="nasbench-metrics-", dir=settings.metrics_dir)
    os.environ[_METRICS_FOLDER] = folder
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_keys_if_reachable(host: str) -> None:
    """Require keys for changes if others can reach the server, unless the settings decide."""
    from service.http.access import is_local

    if not is_local(host) and not os.environ.get(_WRITE_ACCESS):
        os.environ[_WRITE_ACCESS] = "keyed"


def _print_key_note(settings: Settings, host: str) -> None:
    """Print who may submit jobs if others can reach the server and there are no keys."""
    from service.http.access import is_local

    if KeyFile(settings.keys_path).read() is not None or is_local(host):
        return
    if settings.write_access == "open":
        told = "without keys: everybody who can reach it may submit jobs"
    else:
        told = "and there are no keys: nobody may submit jobs"
    sys.stderr.write(f"nbs: note: listening on {host} {told}; `nbs keys create` makes keys\n")


def _print_served(*, directory: str, catalog: Catalog, address: str, everywhere: bool) -> None:
    """Print the served databases and an example request."""
    write = sys.stderr.write
    for name, installed in catalog.installed.items():
        provenance = installed.provenance
        made_up = " (SYNTHETIC: every number is made up)" if provenance.synthetic else ""
        write(f"{name}: {provenance.contents[installed.counted]} {installed.counted}{made_up}\n")
    for name, reason in catalog.unusable.items():
        write(f"{name} cannot be served: {reason}\n")
    if not catalog.installed:
        write(f"no database in {directory}: make one with `nbs generate`\n")
    catalog.close()
    to_try = "benchmarks"
    if "nasbench201" in catalog.installed:
        to_try = "nasbench201/computed-stats?arch=0&num_epochs=200&dataset=cifar100&reduction=mean"
    write(
        f"serving on http://{address} (pages: http://{address}/explore, API: "
        f"http://{address}/docs); try\n"
        f"  curl 'http://{address}/v1/{to_try}'\n"
    )
    if address != _DEFAULT_ADDRESS:
        write(f"for clients and `nbs`:\n  export NASBENCH_URL=http://{address}\n")
    if everywhere:
        _, _, port = address.rpartition(":")
        write(f"other machines use http://{socket.gethostname()}:{port}, if they can resolve it\n")
