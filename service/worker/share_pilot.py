"""Measures how many cells of a plan a device should train at a time: 1, 2, 4 and so on.

Small networks leave a GPU partly idle, and `nbs worker --share N` lets N attempts share it. The N
with the most cells per hour depends on networks, images and device, so it is measured: N processes
train the same network, each with a part of the memory, as attempts do. The first epoch, which
selects kernels and allocates memory, is not timed; all processes begin the timed epochs together.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from model_hub.errors import InvalidArgumentError, ModelHubError
from nas_search.errors import StudyError
from nas_search.plans import Cells, Plan, Selection, pilot_positions, plan_of
from service.jobs.records import DeviceState
from service.worker.attempt import context
from service.worker.places import Places

__all__ = ["ShareMeasurement", "SharingError", "best_share", "measure_shares", "pilot_network"]

_TIMED: Final = 3
"""Timed epochs, after the first one."""
_GAIN: Final = 1.05
"""Least gain of a larger share: smaller differences are within the noise of a measurement."""
_HOUR: Final = 3600.0
_READY: Final = b"ready"
_LONGEST: Final = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareMeasurement:
    """The measured throughput of a share.

    Attributes:
        share: Number of cells at a time.
        epoch_seconds: Seconds per epoch of the slowest process; None: training failed.
        cells_per_hour: Throughput of all processes, for the plan's mean number of epochs.
        reason: Why training failed.
    """

    share: int
    epoch_seconds: float | None = None
    cells_per_hour: float | None = None
    reason: str | None = None


def pilot_network(plan: Plan) -> tuple[int, str]:
    """Return position and name of the network to train: the median one of the plan's pilot.

    Raises:
        PlanError: The plan selects networks that cannot be trained.
    """
    selection = Selection(plan)
    places = pilot_positions(Cells(selection, large=True))
    position = places[len(places) // 2]
    return position, selection.name(position)


def measure_shares(
    plan: Plan,
    images: Path,
    device: DeviceState,
    *,
    most: int,
    seconds: Callable[[int], float] | None = None,
) -> Iterator[ShareMeasurement]:
    """Measure 1, 2, 4 … cells at a time, until a share has less throughput or fails.

    Args:
        plan: The plan of the cells.
        images: Folder or archive of its data set.
        device: The device to train on.
        most: The largest share to try.
        seconds: Returns the seconds per epoch for a share, and raises SharingError if training
            fails; by default networks are trained.

    Raises:
        PlanError: The plan selects networks that cannot be trained.
    """
    took = seconds or partial(_measure_share, plan, images, device)
    best = 0.0
    share = 1
    while share <= most:
        try:
            epoch = took(share)
        except SharingError as error:
            yield ShareMeasurement(share=share, reason=str(error))
            return
        rate = share * _HOUR / (epoch * fmean(plan.epochs))
        yield ShareMeasurement(share=share, epoch_seconds=epoch, cells_per_hour=rate)
        if rate < best:
            return
        best = rate
        share *= 2


def best_share(found: Sequence[ShareMeasurement]) -> ShareMeasurement | None:
    """Return the smallest share whose throughput no larger one exceeds by more than the noise.

    None: nothing could be trained.
    """
    best: ShareMeasurement | None = None
    for one in found:
        if one.cells_per_hour is None:
            continue
        if best is None or one.cells_per_hour > _GAIN * (best.cells_per_hour or 0.0):
            best = one
    return best


class SharingError(Exception):
    """A share cannot be trained; the message says why."""


def _measure_share(plan: Plan, images: Path, device: DeviceState, share: int) -> float:
    """Return the seconds per epoch of the slowest of `share` concurrent trainings.

    Raises:
        SharingError: A training failed.
    """
    threads = Places(devices=[device], slots=share).threads
    asked = {
        "plan": plan.content(),
        "position": pilot_network(plan)[0],
        "images": str(images),
        "device": device.name,
        "share": share,
        "threads": threads,
    }
    with _processes(json.dumps(asked), share) as pipes:
        for pipe in pipes:
            if (told := _receive(pipe)) != _READY:
                raise SharingError(told.decode())
        for pipe in pipes:
            pipe.send_bytes(_READY)
        took = []
        for pipe in pipes:
            told = _receive(pipe)
            try:
                took.append(float(told))
            except ValueError:
                raise SharingError(told.decode()) from None
    return max(took)


@contextmanager
def _processes(asked: str, share: int) -> Iterator[list[Connection]]:
    """Start the trainings, and terminate the running ones at the end."""
    processes, pipes = [], []
    made = context()
    try:
        for _ in range(share):
            here, there = made.Pipe()
            process = made.Process(target=_train, args=(there, asked), daemon=True)
            process.start()
            there.close()
            processes.append(process)
            pipes.append(here)
        yield pipes
    finally:
        for process in processes:
            process.terminate()
            process.join()
        for pipe in pipes:
            pipe.close()


def _receive(pipe: Connection) -> bytes:
    try:
        return pipe.recv_bytes()
    except EOFError:
        return b"the process of a training has crashed: it may have had too little memory"


def _train(pipe: Connection, asked: str) -> None:
    """Train in this process; send the seconds per epoch, or the error."""
    # Ctrl-C is handled by the parent process, which terminates this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        told = repr(_timed_training(pipe, json.loads(asked)))
    except (ModelHubError, StudyError, RuntimeError, MemoryError, OSError) as error:
        told = f"{type(error).__name__}: {error}"[:_LONGEST]
    pipe.send_bytes(told.encode(errors="replace"))


def _timed_training(pipe: Connection, asked: Mapping[str, Any]) -> float:
    """Return the seconds per epoch, measured while all other processes train."""
    # Already imported in the process that this one was forked from.
    import torch  # noqa: PLC0415

    from model_hub.evaluation import read_images  # noqa: PLC0415
    from model_hub.memory import keep_freed_memory  # noqa: PLC0415
    from nas_search.training import Classification, images_of, split  # noqa: PLC0415

    torch.set_num_threads(asked["threads"])
    keep_freed_memory()
    device = asked["device"]
    if device.startswith("cuda"):
        torch.cuda.set_per_process_memory_fraction(1 / asked["share"], device)
    plan = plan_of(asked["plan"])
    every = images_of(read_images(Path(asked["images"]), train=True))
    if plan.sha256 not in {None, every.digest}:
        raise InvalidArgumentError("data", f"{plan.data} here has another digest than the plan's")
    train, valid = split(every, plan.fractions, plan.split_seed)
    training = Classification(
        train,
        valid,
        recipe=replace(plan.recipe, epochs=1 + _TIMED, warmup_epochs=0),
        trainer=None if plan.trainer is None else plan.trainer.as_dict(),
        seed=plan.seeds[0],
        device=device,
    )
    moments: list[float] = []

    def report(_: object) -> None:
        if not moments:
            pipe.send_bytes(_READY)
            pipe.recv_bytes()
        moments.append(time.perf_counter())

    training.train(plan.model_space, Selection(plan).sample(asked["position"]), report=report)
    return (moments[-1] - moments[0]) / _TIMED
