"""Events of a study, and the sinks that receive them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO, TypeAlias

from bench_client.caller_warnings import warn_at_script

__all__ = ["Event", "Sink", "SinkFailedWarning", "Sinks", "log_sink", "ndjson_sink"]
__all__ += ["progress_sink"]


class Event(NamedTuple):
    """One event of a study.

    Attributes:
        seq: The number of the event, from 1, ascending.
        time: Unix time, in seconds.
        kind: `begun`, `trial.asked`, `trial.running` and `job.lost` (as a job), `trial.told`,
            `trial.failed`, `trial.stopped`, `best`, `front` (of several objectives), `epoch`,
            `step`, `checkpoint`, `notes` (of the strategy) or `finished`.
        payload: The details, as JSON; `trial` is the number of a trial.
    """

    seq: int
    time: float
    kind: str
    payload: Mapping[str, Any]

    @property
    def line(self) -> str:
        """The event as one JSON object."""
        return json.dumps({**self._asdict(), "payload": dict(self.payload)})


Sink: TypeAlias = Callable[[Event], None]


class SinkFailedWarning(UserWarning):
    """A sink of events raised an exception and was removed; the search continues."""


class Sinks:
    """The sinks of a study; one that raises is removed."""

    def __init__(self) -> None:
        self._sinks: list[Sink] = []

    def __bool__(self) -> bool:
        return bool(self._sinks)

    def add(self, sink: Sink) -> None:
        """Add a sink, which receives all later events."""
        self._sinks.append(sink)

    def tell(self, event: Event) -> None:
        """Send an event to all sinks; remove each one that raises, with a warning."""
        for sink in list(self._sinks):
            try:
                sink(event)
            except Exception as error:  # noqa: BLE001 - a broken sink does not end the search
                self._sinks.remove(sink)
                warn_at_script(
                    f"a sink of events failed and is dropped: {type(error).__name__}: {error}",
                    SinkFailedWarning,
                )


def ndjson_sink(path: str | os.PathLike[str]) -> Sink:
    """Return a sink that appends events to a file, one JSON object per line."""
    target = Path(path)

    def write(event: Event) -> None:
        with target.open("a", encoding="utf-8") as file:
            file.write(f"{event.line}\n")

    return write


def log_sink(logger: logging.Logger | None = None) -> Sink:
    """Return a sink that logs events at level INFO; failed trials at WARNING."""
    chosen = logger or logging.getLogger("nas_search")

    def write(event: Event) -> None:
        level = logging.WARNING if event.kind == "trial.failed" else logging.INFO
        chosen.log(level, "%s %s", event.kind, json.dumps(dict(event.payload)))

    return write


def progress_sink(stream: TextIO) -> Sink:
    """Return a sink that updates one terminal line with the number of trials and the best value."""
    told, best = 0, ""

    def write(event: Event) -> None:
        nonlocal told, best
        if event.kind in ("trial.told", "trial.failed", "trial.stopped"):
            told += 1
        elif event.kind == "best":
            figures = event.payload["values"].items()
            best = ", ".join(f"{name} {value:.6g}" for name, value in figures)
        elif event.kind == "finished":
            stream.write("\n")
            stream.flush()
            return
        stream.write(f"\r\x1b[Ktrial {told}" + (f", best {best}" if best else ""))
        stream.flush()

    return write
