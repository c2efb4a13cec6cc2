"""The ledger: what came of every training, appended to and never changed.

An entry is written in the transaction that ends the job, so that nothing which is finished is lost.
It belongs to a request and not to a plan: whoever asks for the same training is answered by it. Of
the entries of a request the last one counts; a wrong one is withdrawn by another entry.
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
from service.jobs.database import JobDatabase, in_parts
from service.jobs.errors import UnsoundResultError
from service.jobs.records import Failure, Lease, Progress, utc_time
from service.jobs.tables import LedgerRow

__all__ = ["CURVES", "Entry", "EntryStatus", "Ledger", "entry_row"]

CURVES: Final = ("train_loss", "train_accuracy", "loss", "accuracy", "seconds", "lr")
"""The values of an epoch that are kept, in the order in which they are packed."""

_PERCENT: Final = frozenset({"accuracy", "train_accuracy", "top5"})
_NEEDED: Final = ("accuracy", "loss", "train_accuracy", "train_loss")
_SAME: Final = ("dataset", "recipe", "protocol", "fractions", "split_seed", "seed")
"""What a result repeats of its request."""
_NETWORK: Final = ("space", "arguments", "arch")
"""Members of a request that say which network it is: a result repeats them."""
_EFFORT: Final = ("peak_memory", "processor_seconds", "resumed", "resumed_after")
"""Members of a result that tell what it took; nothing tells them of a training that diverged."""
_COUNTED: Final[Mapping[str, int]] = MappingProxyType(
    {"shared": 1, "train_images": 0, "valid_images": 0}
)
"""Members of a provenance that are whole numbers, and their least."""
_LARGEST: Final = 2**53
_MOST_VERSIONS: Final = 100
_LONGEST_TEXT: Final = 300
_DIGEST_DIGITS: Final = 64


class EntryStatus(StrEnum):
    """What an entry says."""

    DONE = "done"
    DIVERGED = "diverged"
    DROPPED = "dropped"
    """A result that came after the lease was lost: kept for comparison, and counted by nothing."""
    WITHDRAWN = "withdrawn"


_COUNTING: Final = (EntryStatus.DONE, EntryStatus.DIVERGED, EntryStatus.WITHDRAWN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What came of a training.

    Attributes:
        number: Its place in the ledger.
        key: Digest of the canonical request.
        job_id: The job that did it.
        token: Of the lease under which it came.
        status: Done, diverged, dropped or withdrawn.
        dataset: Name of the data set.
        epochs: Budget.
        seed: What order and augmentation were drawn by.
        figures: Of the last epoch, and `parameters`, `macs` and `seconds`; of what diverged, those
            of the last finite epoch and `diverged_at`.
        curves: By name, a value an epoch.
        provenance: Worker, device, versions, digests, processor seconds, memory, attempts, how
            often and after which epoch it was resumed; of what was withdrawn, the reason.
        recorded_at: When.
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
        """Return the entry of a row.

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
    """Return the row of an entry about a training job.

    Args:
        lease: Under which it was done.
        status: What the entry says.
        now: This moment, by the clock of the database.
        result: Of the job.
        progress: The last one of a training that diverged.
        failure: How that ended.

    Raises:
        UnsoundResultError: The result cannot be that of the request: of another network, data set
            or seed, of another length, or with figures that are none.
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
        # On a processor, one thread has one order of all sums.
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
    """Return the figures and the packed curves of a result, checked against its request."""
    try:
        provenance, curve = result["provenance"], result["curve"]
        stated, asked = provenance["network"], spec["network"]
        if any(
            stated.get(name) != value
            for name, value in asked.items()
            if name in stated or (name in _NETWORK and value is not None)
        ):
            raise UnsoundResultError("it is of another network")
        for name in _SAME:
            if provenance[name] != spec[name]:
                raise UnsoundResultError(f"its {name} is not that of the request")
        if provenance.get("trainer") != spec.get("trainer"):
            raise UnsoundResultError("its trainer is not that of the request")
        if len(curve) != spec["epochs"]:
            raise UnsoundResultError(f"{len(curve)} epochs of {spec['epochs']}")
        digest = provenance["dataset_sha256"]
        if len(digest) != _DIGEST_DIGITS or set(digest) - set("0123456789abcdef"):
            raise UnsoundResultError("the digest of its data set is none")
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
        figures = {name: _number(name, result["metrics"][name]) for name in _NEEDED}
        for name in ("parameters", "macs", "seconds"):
            figures[name] = _number(name, result[name])
        packed = encode_curves(columns, len(curve), exact=True)
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise UnsoundResultError(f"{type(error).__name__} in its members") from error
    return figures, packed


def _check_provenance(provenance: Mapping[str, Any]) -> None:
    """Refuse what versions of a plan cannot tell: the ledger forgets nothing.

    Raises:
        UnsoundResultError: A member is not what its name says.
    """
    for name, least in _COUNTED.items():
        value = provenance[name]
        if value is not None and (type(value) is not int or not least <= value <= _LARGEST):
            raise UnsoundResultError(f"its {name} is no count")
    texts = [provenance["device"], provenance["python"]]
    versions = provenance["versions"]
    if versions is not None:
        if not isinstance(versions, dict) or len(versions) > _MOST_VERSIONS:
            raise UnsoundResultError("its versions are no texts by name")
        texts += [*versions, *versions.values()]
    for text in texts:
        if text is not None and not (isinstance(text, str) and len(text) <= _LONGEST_TEXT):
            raise UnsoundResultError("its device and versions are no short texts")


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UnsoundResultError(f"its {name} is no finite number")
    if name in _PERCENT and not 0 <= value <= 100:  # noqa: PLR2004 - percent
        raise UnsoundResultError(f"its {name} of {value} is no percentage")
    if name not in _PERCENT and value < 0 and name not in {"loss", "train_loss"}:
        raise UnsoundResultError(f"its {name} is below zero")
    return float(value)


class Ledger:
    """The ledger, to be read; and to withdraw entries."""

    def __init__(self, database: JobDatabase) -> None:
        self._database = database

    def of(self, keys: Sequence[str]) -> dict[str, Entry]:
        """Return the entry that counts of each request that has one, by its key.

        Raises:
            StoreUnavailableError: The database does not answer.
        """
        return self._database.read(lambda: self.within(keys))

    def within(self, keys: Sequence[str]) -> dict[str, Entry]:
        """Do what `of` does; within an operation on the database."""
        found = {entry.key: entry for entry in self._entries(keys, _COUNTING)}
        return {
            key: entry for key, entry in found.items() if entry.status is not EntryStatus.WITHDRAWN
        }

    def dropped(self, keys: Iterable[str]) -> dict[str, list[Entry]]:
        """Return results that came under lost leases, by key."""
        found: dict[str, list[Entry]] = {}
        wanted = list(keys)
        for entry in self._database.read(lambda: [*self._entries(wanted, (EntryStatus.DROPPED,))]):
            found.setdefault(entry.key, []).append(entry)
        return found

    def _entries(self, keys: Sequence[str], which: Sequence[EntryStatus]) -> Iterator[Entry]:
        """Yield the entries of some requests, of each in the order in which they came."""
        for some in in_parts(keys):
            query = LedgerRow.select().where(
                LedgerRow.key.in_(list(some)), LedgerRow.status.in_(list(which))
            )
            yield from map(Entry.from_row, self._database.rows(query.order_by(LedgerRow.number)))

    def withdraw(self, entry: Entry, reason: str) -> None:
        """Withdraw an entry by another one; within `write`."""
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
