"""`nbs worker`."""

from __future__ import annotations

import os
import platform
import sys
from typing import Annotated, Final, Literal

import typer

from missing_extra import needs

__all__ = ["worker"]

_WAITING: Final = "OMP_WAIT_POLICY"
"""Threads of a network that count while they wait for each other make everything slow on a machine
that has other work. Read when a job's process starts."""


def worker(
    *,
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="All GPUs and else the processor, or one kind alone."),
    ] = "auto",
    slots: Annotated[int, typer.Option(min=1, help="Jobs at a time on each device.")] = 1,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Cores that a job may use; by default its share of all but one."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only tell whether a worker of this machine lives.")
    ] = False,
) -> None:
    """Do jobs: build, evaluate and time networks, until interrupted.

    Finds the server's jobs by the environment: $NASBENCH_JOBS_DIR, $NASBENCH_JOBS_URL,
    $NASBENCH_REDIS_URL. Data sets are the folders and .tar files of $NASBENCH_DATASETS_DIR.
    """
    with needs("worker", "a worker"):
        from service.jobs import JobSettings, open_jobs  # noqa: PLC0415 - the extra may be missing
        from service.jobs.errors import StoreUnavailableError  # noqa: PLC0415
        from service.logs import configure_logs, logs_as_json  # noqa: PLC0415
        from service.worker.equipment import (  # noqa: PLC0415
            MissingDeviceError,
            UnusableLibraryError,
            find_devices,
            refuse_broken,
            refuse_incomplete,
        )
        from service.worker.worker import Worker  # noqa: PLC0415
    refuse_incomplete()
    os.environ.setdefault(_WAITING, "PASSIVE")
    with open_jobs(JobSettings()) as jobs:
        if check:
            try:
                workers = jobs.workers.all()
            except StoreUnavailableError as error:
                sys.stderr.write(f"nbs: {error}\n")
                raise typer.Exit(1) from None
            here = [found for found in workers if found.host == platform.node()]
            sys.stdout.write(f"{sum(found.alive for found in here)} of {len(here)} workers live\n")
            raise typer.Exit(0 if any(found.alive for found in here) else 1)
        try:
            refuse_broken()
        except UnusableLibraryError as error:
            sys.stderr.write(f"nbs: {error}\n")
            raise typer.Exit(1) from None
        write_logs = configure_logs(as_json=logs_as_json()).write_out
        try:
            devices = find_devices(device)
        except MissingDeviceError as error:
            raise typer.BadParameter(str(error), param_hint="--device") from None
        sys.stderr.write(
            f"working on {', '.join(found.name for found in devices)}; jobs are in "
            f"{jobs.settings.folder}, data sets in {jobs.settings.datasets_dir.expanduser()}\n"
        )
        try:
            Worker(jobs, devices=devices, slots=slots, threads=threads).run()
        finally:
            write_logs()
