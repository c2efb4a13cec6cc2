"""The tables of the jobs, in SQLite and PostgreSQL alike.

The models are not bound to a database; each query is executed on a given one. Times are seconds
since 1970 by the clock of the database. JSON is stored as text, and no query looks into it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    CompositeKey,
    DoubleField,
    IntegerField,
    Model,
    TextField,
)

from service.jobs.records import ANSWERING, JobState

__all__ = [
    "IS_ANSWERING",
    "IS_RUNNING",
    "IS_WAITING",
    "SCHEMA_TABLE",
    "TABLES",
    "TABLE_NAMES",
    "ArtifactRow",
    "CheckpointRow",
    "ContentRow",
    "GivenKeyRow",
    "JobRow",
    "LedgerRow",
    "LostLeaseRow",
    "PlanCellRow",
    "PlanRow",
    "SavedRow",
    "SchemaRow",
    "WithheldRow",
    "WorkerRow",
]

_STATES: Final = ", ".join(f"'{state}'" for state in ANSWERING)
_IS_ANSWERING: Final = f"state IN ({_STATES})"
_IS_WAITING: Final = f"state = '{JobState.QUEUED}'"
_IS_RUNNING: Final = f"state = '{JobState.RUNNING}'"

IS_ANSWERING: Final = SQL(_IS_ANSWERING)
IS_WAITING: Final = SQL(_IS_WAITING)
IS_RUNNING: Final = SQL(_IS_RUNNING)
"""Conditions on jobs as literal SQL: a partial index is used only if the query states its condition
literally, and not with a bound parameter."""


class _Table(Model):
    class Meta:
        @staticmethod
        def table_function(row: type[Model]) -> str:
            """Return the default name of a table: `given_key` for `GivenKeyRow`."""
            words = re.findall("[A-Z][a-z]+", row.__name__.removesuffix("Row"))
            return "_".join(words).lower()


class SchemaRow(_Table):
    """The version of the tables and the unique identity of the database; a single row."""

    id = IntegerField(primary_key=True)
    version = IntegerField()
    identity = CharField(32)

    class Meta:
        table_name = "jobs_schema"


class JobRow(_Table):
    """A job; `service.jobs.records.Job` documents its columns.

    Further columns: `subject` is the digest of the job's network (see
    `service.jobs.networks.subject_of`); `stop_requested` says that a cancelled job is to end as
    stopped, with its figures; `needs_…` are requirements on its worker; `token` is that of its last
    lease (see `service.jobs.lease_tokens`), `holder` the owner of that lease, and `lease_until` its
    expiry time. A holder is the name of the API key that a worker uses over HTTP, empty if the
    server requires no keys; NULL is a worker with access to the database.
    """

    number = BigAutoField()
    id = CharField(32, unique=True)
    key = CharField(64)
    subject = CharField(64, null=True)
    kind = CharField(16)
    spec = TextField()
    state = CharField(16)
    priority = IntegerField()
    needs_device = CharField(8)
    needs_dataset = CharField(128, null=True)
    needs_sha256 = CharField(64, null=True)
    needs_trainer = CharField(64, null=True)
    needs_label = CharField(64, null=True)
    needs_memory = BigIntegerField(null=True)
    needs_own_device = BooleanField()
    avoids_worker = CharField(64, null=True)
    time_limit = DoubleField(null=True)
    request_id = CharField(128, null=True)
    created_at = DoubleField()
    started_at = DoubleField(null=True)
    finished_at = DoubleField(null=True)
    not_before = DoubleField()
    revision = IntegerField()
    attempts = IntegerField()
    crashes = IntegerField()
    losses = IntegerField()
    token = BigIntegerField()
    worker = CharField(64, null=True)
    holder = CharField(64, null=True)
    lease_until = DoubleField(null=True)
    cancel_requested = BooleanField()
    stop_requested = BooleanField()
    progress = TextField(null=True)
    result = TextField(null=True)
    error = TextField(null=True)


def _index(definition: str, *, unique: bool = False) -> Any:
    return SQL(f"CREATE {'UNIQUE ' if unique else ''}INDEX IF NOT EXISTS {definition}")


# A single job answers all identical requests while it is queued, running or has a result.
JobRow.add_index(_index(f"job_answering ON job (key) WHERE {_IS_ANSWERING}", unique=True))
JobRow.add_index(_index(f"job_waiting ON job (priority DESC, number) WHERE {_IS_WAITING}"))
JobRow.add_index(_index("job_subject ON job (subject, number)"))
JobRow.add_index(_index("job_ended ON job (finished_at) WHERE finished_at IS NOT NULL"))
JobRow.add_index(_index(f"job_running ON job (lease_until) WHERE {_IS_RUNNING}"))


class GivenKeyRow(_Table):
    """The idempotency key of a submission, and the request that was submitted with it."""

    text = CharField(128, primary_key=True)
    request = CharField(64)
    job_id = CharField(32, index=True)


class ArtifactRow(_Table):
    """A file that a job made; equal contents of several jobs are stored once."""

    job_id = CharField(32)
    name = CharField(64)
    media_type = CharField(64)
    sha256 = CharField(64, index=True)

    class Meta:
        primary_key = CompositeKey("job_id", "name")


class ContentRow(_Table):
    """A file in the artifact store, and when it was last made or sent."""

    sha256 = CharField(64, primary_key=True)
    size = BigIntegerField()
    used_at = DoubleField(index=True)


class WorkerRow(_Table):
    """A worker: its state as JSON, and its last heartbeat; `holder` is as in `JobRow`.

    `memory` is the memory of its largest device in bytes.
    """

    id = CharField(64, primary_key=True)
    memory = BigIntegerField()
    holder = CharField(64, null=True)
    state = TextField()
    started_at = DoubleField()
    seen_at = DoubleField()


class LostLeaseRow(_Table):
    """A lost lease of a training, whose worker may still send a result.

    Such a result is kept for comparison only; a result under a lease that never existed is refused.
    """

    job_id = CharField(32)
    token = BigIntegerField()
    worker = CharField(64)
    holder = CharField(64, null=True)

    class Meta:
        primary_key = CompositeKey("job_id", "token")


class WithheldRow(_Table):
    """A worker whose data set or trainer with a name has another digest than a job needs.

    It gets no further jobs that need this name and digest. The digest is known only after a worker
    has read the data set or imported the trainer, so the first such job discovers it.
    """

    worker = CharField(64)
    name = CharField(128)
    sha256 = CharField(64)
    noted_at = DoubleField(index=True)

    class Meta:
        primary_key = CompositeKey("worker", "name", "sha256")


class CheckpointRow(_Table):
    """Weights that an administrator uploaded."""

    sha256 = CharField(64, primary_key=True)
    name = CharField(128)
    size = BigIntegerField()
    tensors = IntegerField()
    created_at = DoubleField()


class LedgerRow(_Table):
    """The outcome of a training; `service.jobs.ledger.Entry` documents its columns.

    Rows are added and never changed.
    """

    number = BigAutoField()
    key = CharField(64, index=True)
    job_id = CharField(32)
    token = BigIntegerField()
    status = CharField(16)
    dataset = CharField(128)
    epochs = IntegerField()
    seed = BigIntegerField()
    figures = TextField()
    curves = BlobField(null=True)
    provenance = TextField()
    recorded_at = DoubleField()


class SavedRow(_Table):
    """The newest checkpoint of a running training, if it is in a bucket.

    Without a bucket, checkpoints are in the folder of trainings and have no rows.
    """

    job_id = CharField(32, primary_key=True)
    sha256 = CharField(64, index=True)
    size = BigIntegerField()

    class Meta:
        table_name = "saved_checkpoint"


class PlanRow(_Table):
    """A plan; `service.plans.records.PlanRecord` documents its columns.

    Maps of cells are bit sets, one bit per cell. `fed_until` and `built_until` are the expiry times
    of the leases for feeding the plan and for building a version of it.
    """

    name = CharField(64, primary_key=True)
    digest = CharField(80)
    content = TextField()
    large = BooleanField()
    state = CharField(16)
    reason = TextField(null=True)
    created_at = DoubleField()
    revision = IntegerField()
    cells = IntegerField()
    cursor = IntegerField()
    done = BlobField()
    diverged = BlobField()
    failed = BlobField()
    withdrawn = IntegerField()
    recent = TextField()
    timings = TextField()
    seconds = DoubleField()
    estimate = TextField(null=True)
    first_estimate = TextField(null=True)
    data_sha256 = CharField(64, null=True)
    versions = TextField()
    version_wanted = BooleanField()
    fed_until = DoubleField()
    built_until = DoubleField()


class PlanCellRow(_Table):
    """A cell whose job is queued or running; cells of a pilot have negative numbers.

    `made` tells whether the job was created for the cell or existed before.
    """

    plan = CharField(64)
    cell = IntegerField()
    job_id = CharField(32, index=True)
    made = BooleanField()

    class Meta:
        primary_key = CompositeKey("plan", "cell")


TABLES: Final[tuple[type[Model], ...]] = tuple(_Table.__subclasses__())

SCHEMA_TABLE: Final[str] = SchemaRow._meta.table_name  # noqa: SLF001 - documented by peewee
TABLE_NAMES: Final[frozenset[str]] = frozenset(
    table._meta.table_name  # noqa: SLF001 - documented by peewee
    for table in TABLES
)
