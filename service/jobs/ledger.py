"""The ledger: an append-only table with the outcome of every training.

An entry is written in the transaction that ends the job, so no outcome is lost. Entries belong to a
request, not to a plan: every later submission of the same training gets this outcome. The last
entry of a request counts; a wrong entry is withdrawn by adding another one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from benchmark_db.curves import decode_curves, encode_curves
from service.jobs.database import JobDatabase, in_batches
from service.jobs.errors import UnsoundResultError
from service.jobs.records import Failure, Lease, Progress, utc_time
from service.jobs.tables import LedgerRow

__all__ = ["CURVES", "Entry", "EntryStatus", "Ledger", "entry_row"]

CURVES: Final = ("train_loss", "train_accuracy", "loss", "accuracy", "seconds", "lr")
"""The recorded values of an epoch, in the order in which they are packed."""

_PERCENT: Final = frozenset({"accuracy", "train_accuracy", "top5"})
_REQUIRED_METRICS: Final = ("accuracy", "loss", "train_accuracy", "train_loss")
_REPEATED_MEMBERS: Final = ("dataset", "recipe", "protocol", "fractions", "split_seed", "seed")
"""Members of a request that its result repeats."""
_NETWORK: Final = ("space", "arguments", "arch")
"""Members of a request that identify the network, which its result repeats."""
_EFFORT: Final = ("peak_memory", "processor_seconds", "resumed", "resumed_after")
"""Members of a result about its cost; missing for a training that diverged."""
_COUNTED: Final[Mapping[str, int]] = MappingProxyType(
    {"shared": 1, "train_images": 0, "valid_images": 0}
)
"""Members of a provenance that are whole numbers, with their least values."""
_LARGEST: Final = 2**53
_MOST_VERSIONS: Final = 100
_LONGEST_TEXT: Final = 300
_DIGEST_DIGITS: Final = 64


class EntryStatus(StrEnum):
    """The statuses of an entry."""

    DONE = "done"
    DIVERGED = "diverged"
    DROPPED = "dropped"
    """A result that came after its lease was lost: kept for comparison, never counted."""
    WITHDRAWN = "withdrawn"


_COUNTING: Final = (EntryStatus.DONE, EntryStatus.DIVERGED, EntryStatus.WITHDRAWN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """The outcome of a training.

    Attributes:
        number: Position in the ledger.
        key: Digest of the canonical request.
        job_id: The job that trained.
        token: The token of the lease under which the outcome came.
        status: Done, diverged, dropped or withdrawn.
        dataset: Name of the data set.
        epochs: Budget.
        seed: Seed of the data order and augmentation.
        figures: Figures of the last epoch, and `parameters`, `macs` and `seconds`; for a diverged
            training those of the last finite epoch, and `diverged_at`.
        curves: Learning curves by name, one value per epoch.
        provenance: Worker, device, versions, digests, processor seconds, memory, attempts, number
            of resumptions and the epoch of the last one; for a withdrawal, the reason.
        recorded_at: Time of the entry.
    """

    number: int
    key: str
    job_id: str
    token: int
    status: EntryStatus
    dataset: str
    epochs: int
    seed: int
    figures: dict[str, float]
    curves: dict[str, list[float | None]]
    provenance: dict[str, Any]
    recorded_at: datetime

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Entry:
        """Return the entry from a row.

        Raises:
            ValueError: A column is damaged; KeyError and TypeError mean the same.
        """
        packed = row["curves"]
        columns = decode_curves(bytes(packed), len(CURVES))[1] if packed is not None else []
        names = zip(CURVES, columns, strict=False)
        told = {
            "status": EntryStatus(row["status"]),
            "figures": json.loads(row["figures"]),
            "curves": {name: column for name, column in names if column is not None},
            "provenance": json.loads(row["provenance"]),
            "recorded_at": utc_time(row["recorded_at"]),
        }
        return cls(**{one.name: told.get(one.name, row[one.name]) for one in fields(cls)})


def entry_row(
    lease: Lease,
    status: EntryStatus,
    *,
    now: Any,
    result: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    failure: Failure | None = None,
) -> dict[str, Any]:
    """Return the ledger row for a training job.

    Args:
        lease: The lease of the job.
        status: The status of the entry.
        now: The current time by the clock of the database.
        result: The result of the job.
        progress: The last progress of a training that diverged.
        failure: The failure of a training that diverged.

    Raises:
        UnsoundResultError: The result cannot belong to the request: it has another network, data
            set, seed or number of epochs, or invalid figures.
    """
    job, spec = lease.job, lease.job.spec
    figures: dict[str, float] = {}
    curves = None
    provenance: dict[str, Any] = {
        "job": job.id,
        "worker": job.worker,
        "attempts": job.attempts,
        "started_at": None if job.started_at is None else job.started_at.timestamp(),
        "deterministic": None,
    }
    if result is not None:
        figures, curves = _figures(spec, result)
        found = result["provenance"]
        provenance |= {
            name: found.get(name)
            for name in ("device", "python", "versions", "dataset_sha256", "weights_sha256")
        }
        provenance |= {name: found.get(name) for name in ("train_images", "valid_images")}
        provenance |= {name: result.get(name) for name in _EFFORT}
        provenance["shared"] = result.get("shared", 1)
        _check_provenance(provenance)
        # On a CPU, a single thread makes the order of all sums deterministic.
        provenance["deterministic"] = str(found.get("device")).endswith(", 1 threads") or None
    elif progress is not None and progress.figures:
        finite = {name: value for name, value in progress.figures.items() if math.isfinite(value)}
        figures = {**finite, "diverged_at": finite.get("epoch", 0) + 1}
    else:
        figures = {"diverged_at": 1}
    if "trainer" in spec:
        provenance["trainer"] = spec["trainer"]
    if failure is not None:
        provenance["failure"] = failure.message
    return {
        "key": job.key,
        "job_id": job.id,
        "token": lease.token,
        "status": status,
        "dataset": spec["dataset"],
        "epochs": spec["epochs"],
        "seed": spec["seed"],
        "figures": json.dumps(figures),
        "curves": curves,
        "provenance": json.dumps(provenance),
        "recorded_at": now,
    }


def _figures(spec: Mapping[str, Any], result: Mapping[str, Any]) -> tuple[dict[str, float], bytes]:
    """Return the figures and packed curves of a result, checked against its request."""
    try:
        provenance, curve = result["provenance"], result["curve"]
        stated, asked = provenance["network"], spec["network"]
        if any(
            stated.get(name) != value
            for name, value in asked.items()
            if name in stated or (name in _NETWORK and value is not None)
        ):
            raise UnsoundResultError("it is of another network")
        for name in _REPEATED_MEMBERS:
            if provenance[name] != spec[name]:
                raise UnsoundResultError(f"its {name} is not that of the request")
        if provenance.get("trainer") != spec.get("trainer"):
            raise UnsoundResultError("its trainer is not that of the request")
        if len(curve) != spec["epochs"]:
            raise UnsoundResultError(f"{len(curve)} epochs of {spec['epochs']}")
        digest = provenance["dataset_sha256"]
        if len(digest) != _DIGEST_DIGITS or set(digest) - set("0123456789abcdef"):
            raise UnsoundResultError("the digest of its data set is not a SHA-256")
        # A trainer of another package may have no learning rate.
        absent = {"lr": math.nan} if "trainer" in spec else {}
        columns = [
            [
                absent[name]
                if name in absent and name not in epoch
                else _number(name, epoch.get(name))
                for epoch in curve
            ]
            for name in CURVES
        ]
        figures = {name: _number(name, result["metrics"][name]) for name in _REQUIRED_METRICS}
        for name in ("parameters", "macs", "seconds"):
            figures[name] = _number(name, result[name])
        packed = encode_curves(columns, len(curve), exact=True)
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise UnsoundResultError(f"{type(error).__name__} in its members") from error
    return figures, packed


def _check_provenance(provenance: Mapping[str, Any]) -> None:
    """Refuse a provenance that versions of a plan could not store, as entries are never deleted.

    Raises:
        UnsoundResultError: A member has a wrong type or value.
    """
    for name, least in _COUNTED.items():
        value = provenance[name]
        if value is not None and (type(value) is not int or not least <= value <= _LARGEST):
            raise UnsoundResultError(f"its {name} is not a count")
    texts = [provenance["device"], provenance["python"]]
    versions = provenance["versions"]
    if versions is not None:
        if not isinstance(versions, dict) or len(versions) > _MOST_VERSIONS:
            raise UnsoundResultError("its versions are not texts by name")
        texts += [*versions, *versions.values()]
    for text in texts:
        if text is not None and not (isinstance(text, str) and len(text) <= _LONGEST_TEXT):
            raise UnsoundResultError("its device or a version is not a short text")


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UnsoundResultError(f"its {name} is not a finite number")
    if name in _PERCENT and not 0 <= value <= 100:  # noqa: PLR2004 - percent
        raise UnsoundResultError(f"its {name} of {value} is not a percentage")
    if name not in _PERCENT and value < 0 and name not in {"loss", "train_loss"}:
        raise UnsoundResultError(f"its {name} is below zero")
    return float(value)


class Ledger:
    """Reads the ledger and withdraws entries."""

    def __init__(self, database: JobDatabase) -> None:
        self._database = database

    def of(self, keys: Sequence[str]) -> dict[str, Entry]:
        """Return the counting entry of each request that has one, by key.

        Raises:
            StoreUnavailableError: The database does not answer.
        """
        return self._database.read(lambda: self.within(keys))

    def within(self, keys: Sequence[str]) -> dict[str, Entry]:
        """Do what `of` does, within an operation on the database."""
        found = {entry.key: entry for entry in self._entries(keys, _COUNTING)}
        return {
            key: entry for key, entry in found.items() if entry.status is not EntryStatus.WITHDRAWN
        }

    def dropped(self, keys: Iterable[str]) -> dict[str, list[Entry]]:
        """Return the results that came under lost leases, by key."""
        found: dict[str, list[Entry]] = {}
        wanted = list(keys)
        for entry in self._database.read(lambda: [*self._entries(wanted, (EntryStatus.DROPPED,))]):
            found.setdefault(entry.key, []).append(entry)
        return found

    def _entries(self, keys: Sequence[str], which: Sequence[EntryStatus]) -> Iterator[Entry]:
        """Yield the entries of some requests; those of one request in the order they were added."""
        for some in in_batches(keys):
            query = LedgerRow.select().where(
                LedgerRow.key.in_(list(some)), LedgerRow.status.in_(list(which))
            )
            yield from map(Entry.from_row, self._database.rows(query.order_by(LedgerRow.number)))

    def withdraw(self, entry: Entry, reason: str) -> None:
        """Withdraw an entry by adding another one; within `write`."""
        row = {
            "key": entry.key,
            "job_id": entry.job_id,
            "token": entry.token,
            "status": EntryStatus.WITHDRAWN,
            "dataset": entry.dataset,
            "epochs": entry.epochs,
            "seed": entry.seed,
            "figures": "{}",
            "curves": None,
            "provenance": json.dumps({"withdraws": entry.number, "reason": reason}),
            "recorded_at": self._database.now(),
        }
        self._database.insert(LedgerRow.insert(row))
