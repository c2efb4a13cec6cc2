"""Errors of the client, named after what the caller can do about them.

BenchError
├── UnavailableError               try again later: every attempt to get an answer failed
│   ├── TableReplacedError         start again: the table is another version than before
│   ├── ServerUnreachableError     no server answers at this address (or 502, 504 of a proxy)
│   ├── RequestTimeoutError        the server did not answer in time
│   └── ServerOverloadedError      429 or 503; `retry_after` if the server asked for a pause
├── ServerFailedError              tell the operator of the server, with `request_id`
├── UnexpectedAnswerError          check the address: another service, or another version of it
├── NotAuthorizedError             401 or 403: pass a valid `api_key`
├── BenchmarkNotInstalledError     404: make the database; the message says how
├── UnsupportedQuestionError       404: use another benchmark; the message says why
├── UnknownJobError                404: there is no such job, or its files were deleted
├── UnknownDatasetError            404: no worker has the data set; the message names others
├── UnknownTrainerError            404: no worker has the trainer; the message names others
├── JobNotDoneError                a job has no result; see `job`
│   ├── JobFailedError             the job failed or was parked; see `job.error`
│   ├── JobCancelledError          the job was cancelled
│   ├── JobStoppedError            the training was stopped early; see `job.progress`
│   └── JobWaitError               the job is not done within the timeout: wait again
├── PlanWaitError                  the plan is not done within the timeout: wait again
├── BudgetExhausted                a simulated evaluation would exceed the budget
├── NotRecordedError               a simulated evaluation is not recorded in the benchmark
├── InvalidSettingError            an invalid address, key, timeout or other setting of a client
└── InvalidRequestError            400 or 422: correct the arguments; `errors` names the fields
    ├── InvalidArchitectureError   the architecture is malformed or outside the space
    └── TooLargeError              413: request less at a time

SyntheticDataWarning               the numbers are made up
PartialDataWarning                 the table is incomplete: rankings lack unmeasured cells
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench_client.untrusted import cleaned

if TYPE_CHECKING:
    from bench_client.models.answers import FieldError, Problem
    from bench_client.models.jobs import Job
    from bench_client.simulation_ledger import Evaluation

__all__ = [
    "BenchError",
    "BenchmarkNotInstalledError",
    "BudgetExhausted",
    "InvalidArchitectureError",
    "InvalidRequestError",
    "InvalidSettingError",
    "JobCancelledError",
    "JobFailedError",
    "JobNotDoneError",
    "JobStoppedError",
    "JobWaitError",
    "NotAuthorizedError",
    "NotRecordedError",
    "PartialDataWarning",
    "PlanWaitError",
    "RequestTimeoutError",
    "ServerFailedError",
    "ServerOverloadedError",
    "ServerUnreachableError",
    "SyntheticDataWarning",
    "TableReplacedError",
    "TooLargeError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnknownDatasetError",
    "UnknownJobError",
    "UnknownTrainerError",
    "UnsupportedQuestionError",
]


class SyntheticDataWarning(UserWarning):
    """The numbers of a benchmark are made up: use them for trying things out, not for results."""


class PartialDataWarning(UserWarning):
    """A table is still growing: rankings leave out cells that are not measured yet."""


class BenchError(Exception):
    """Base class of all errors of the client.

    The message is one line without control characters, whatever the server sent. `problem` holds
    the server's original text, which is not safe to print on a terminal.

    Args:
        message: What happened and what to do about it.
        problem: Problem document of the server (RFC 9457); None if it sent none.
        request_id: Id of the request in the logs of the server, if known.
    """

    def __init__(
        self, message: str, *, problem: Problem | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(cleaned(message))
        self.problem = problem
        self.request_id = request_id


class UnavailableError(BenchError):
    """No attempt got an answer; the same request may succeed later."""


class TableReplacedError(UnavailableError):
    """The database of a table was replaced: data read before belongs to another version.

    It interrupts a query of several pages: repeat the query. A client made with `pin=True` raises
    it for every other version than its first: start again with a new client.
    """


class ServerUnreachableError(UnavailableError):
    """No server answers at the address, or a proxy before it could not reach it."""


class RequestTimeoutError(UnavailableError, TimeoutError):
    """The server did not answer within the client's `timeout`."""


class ServerOverloadedError(UnavailableError):
    """The server is overloaded, or the query exceeds the server's time limit.

    Args:
        message: What happened and what to do about it.
        retry_after: Pause that the server asked for, in seconds; None if it named none.
        problem: Problem document of the server.
        request_id: Id of the request in the logs of the server.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        problem: Problem | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, problem=problem, request_id=request_id)
        self.retry_after = retry_after


class ServerFailedError(BenchError):
    """The server failed to answer because of an internal error; locally: a damaged database."""


class UnexpectedAnswerError(BenchError):
    """The response is not from this service, or from another version of it."""


class NotAuthorizedError(BenchError):
    """The API key is missing, invalid, or does not permit the request."""


class BenchmarkNotInstalledError(BenchError, LookupError):
    """The benchmark does not exist, or its database is not installed."""


class UnsupportedQuestionError(BenchError):
    """The benchmark does not support this query, whatever its arguments."""


class InvalidSettingError(BenchError, ValueError):
    """A setting of a client is invalid: its address, API key or a number."""


class InvalidRequestError(BenchError, ValueError):
    """An argument is malformed, unknown or missing.

    Args:
        message: What is wrong and what would be right.
        errors: What is wrong with each field.
        problem: Problem document of the server; None in local mode.
        request_id: Id of the request in the logs of the server.
    """

    def __init__(
        self,
        message: str,
        *,
        errors: Sequence[FieldError] = (),
        problem: Problem | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, problem=problem, request_id=request_id)
        self.errors = tuple(errors)


class InvalidArchitectureError(InvalidRequestError):
    """An architecture is malformed or outside the space of the benchmark.

    Attributes:
        positions: In a batch: ascending positions of the malformed architectures.
        results: In a batch: the results, with None at the positions of malformed architectures.
    """

    positions: tuple[int, ...] = ()
    results: Sequence[list[Any] | None] = ()


class TooLargeError(InvalidRequestError):
    """The request is larger than the server accepts."""


class UnknownJobError(BenchError, LookupError):
    """The job or artifact does not exist, or was deleted."""


class UnknownDatasetError(BenchError, LookupError):
    """No worker has the data set."""


class UnknownTrainerError(BenchError, LookupError):
    """No worker has the trainer, or workers have different trainers of that name."""


class JobNotDoneError(BenchError):
    """A job has no result.

    Args:
        message: Why there is no result.
        job: The job.
        request_id: Id of the request that submitted the job; that of `job` by default.
    """

    def __init__(
        self, message: str, *, job: Job | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message, request_id=request_id or (job.request_id if job else None))
        self._job = job

    @property
    def job(self) -> Job:
        """The job as it was when the error was raised.

        Raises:
            LookupError: The error was made without a job.
        """
        if self._job is None:
            raise LookupError("this error was made without a job")
        return self._job


class JobFailedError(JobNotDoneError):
    """A job failed, was parked after several attempts, or its result was deleted."""


class JobCancelledError(JobNotDoneError):
    """A job was cancelled."""


class JobStoppedError(JobNotDoneError):
    """A training was stopped early; `job.progress.figures` holds the values of its last epoch."""


class JobWaitError(JobNotDoneError, TimeoutError):
    """A job was not done within the timeout."""


class PlanWaitError(BenchError, TimeoutError):
    """A plan was not done within the timeout."""


class BudgetExhausted(BenchError):  # noqa: N818 - the expected end of a search, as StopIteration
    """An evaluation would exceed the budget; it was neither charged nor returned.

    The clock is unchanged, and a cheaper evaluation may still fit.

    Attributes:
        cost: Cost of the evaluation, in seconds.
        remaining: Remaining budget, in seconds.
        evaluations: In a batch: the evaluations before it, which were charged.
    """

    cost: float = 0.0
    remaining: float = 0.0
    evaluations: tuple[Evaluation, ...] = ()


class NotRecordedError(BenchError, LookupError):
    """The benchmark has no such run, or its runs lack the metric or the time; nothing is charged.

    Attributes:
        positions: In a batch: ascending positions of the architectures.
    """

    positions: tuple[int, ...] = ()
