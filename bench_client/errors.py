"""What can go wrong with a question, named after what the caller can do about it.

BenchError
├── UnavailableError               ask again later: every attempt to get an answer failed
│   ├── TableReplacedError         begin anew: the table is another version than before
│   ├── ServerUnreachableError     nobody answers at this address (or 502, 504 of a proxy)
│   ├── RequestTimeoutError        the server did not answer in time
│   └── ServerOverloadedError      429 or 503; `retry_after` when the server said how long
├── ServerFailedError              tell whoever runs the server, with `request_id`
├── UnexpectedAnswerError          look at the address: this is not our service, or not its version
├── NotAuthorizedError             401 or 403: pass a valid `api_key`
├── BenchmarkNotInstalledError     404: make the database; the message says how
├── UnsupportedQuestionError       404: ask another benchmark; the message says why
├── UnknownJobError                404: there is no such job, or its files were thrown away
├── UnknownDatasetError            404: no worker has the data set; the message names others
├── UnknownTrainerError            404: no worker has the trainer; the message names others
├── JobNotDoneError                a job has no result; its `job` tells more
│   ├── JobFailedError             it failed or was parked: `job.error` says why
│   ├── JobCancelledError          someone cancelled it
│   ├── JobStoppedError            someone stopped it early: `job.progress` has its last figures
│   └── JobWaitError               it still goes on, and the time to wait is over: wait again
├── PlanWaitError                  a plan still goes on, and the time to wait is over: wait again
├── BudgetExhausted                a simulated search is over: the evaluation would pass the budget
├── NotRecordedError               of a simulated search: the benchmark has no record of it
├── InvalidSettingError            a client cannot be made so: address, key, timeout, retries
└── InvalidRequestError            400 or 422: mend the question; `errors` names the fields
    ├── InvalidArchitectureError   the architecture is malformed or outside the space
    └── TooLargeError              413: ask for less at a time

SyntheticDataWarning               the numbers are made up
PartialDataWarning                 a table is still growing: what is not there yet is in no ranking
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
    """The numbers of a benchmark are made up: good for trying things out, not for results."""


class PartialDataWarning(UserWarning):
    """A table is still growing: what is not there yet is in no ranking."""


class BenchError(Exception):
    """Base of every error that a client raises about a question.

    Its message is one line without control characters, whatever the server said; `problem` has
    the server's own words, which are not for a terminal.

    Args:
        message: What happened and what to do about it.
        problem: What the server said, as RFC 9457 has it; None when it said nothing of the kind.
        request_id: Identifies the request in the logs of the server, when it is known.
    """

    def __init__(
        self, message: str, *, problem: Problem | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(cleaned(message))
        self.problem = problem
        self.request_id = request_id


class UnavailableError(BenchError):
    """No attempt got an answer; the same question may be answered later."""


class TableReplacedError(UnavailableError):
    """The database of a table was replaced: what was read before is of another version.

    Pages of one question do not go on after that, and a client made with `pin=True` takes no answer
    of another version than the first it saw. A new question, or a new client, begins anew.
    """


class ServerUnreachableError(UnavailableError):
    """No server answers at the address, or a proxy before it could not reach it."""


class RequestTimeoutError(UnavailableError, TimeoutError):
    """The server did not answer within the client's `timeout`."""


class ServerOverloadedError(UnavailableError):
    """The server has too much to do, or the question takes longer than it allows.

    Args:
        message: What happened and what to do about it.
        retry_after: How long the server asked to wait, in seconds; None when it did not say.
        problem: What the server said.
        request_id: Identifies the request in the logs of the server.
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
    """The server failed over the question; in local mode, the database is damaged."""


class UnexpectedAnswerError(BenchError):
    """What came back is not an answer of this service, or of another version of it."""


class NotAuthorizedError(BenchError):
    """The server wants another API key, or one at all."""


class BenchmarkNotInstalledError(BenchError, LookupError):
    """The benchmark does not exist, or its database is not installed."""


class UnsupportedQuestionError(BenchError):
    """The question has no meaning for this benchmark, whatever its arguments."""


class InvalidSettingError(BenchError, ValueError):
    """A client cannot be made with such an address, key or number."""


class InvalidRequestError(BenchError, ValueError):
    """The question cannot mean anything.

    Args:
        message: What is wrong and what would be right.
        errors: What is wrong with each field.
        problem: What the server said; None in local mode.
        request_id: Identifies the request in the logs of the server.
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
        positions: Of a question about many: where in the list the malformed ones are, ascending.
        results: Of a question about many: what was found for the others, in their places, and
            None in the places of the malformed.
    """

    positions: tuple[int, ...] = ()
    results: Sequence[list[Any] | None] = ()


class TooLargeError(InvalidRequestError):
    """The request is larger than the server accepts."""


class UnknownJobError(BenchError, LookupError):
    """There is no such job, or none any more."""


class UnknownDatasetError(BenchError, LookupError):
    """No worker has the data set."""


class UnknownTrainerError(BenchError, LookupError):
    """No worker has the trainer, or workers have several of the name."""


class JobNotDoneError(BenchError):
    """A job has no result.

    Args:
        message: What became of it.
        job: The job as it is.
        request_id: Of the request that submitted it; that of the job by default.
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
            LookupError: The error was made without one.
        """
        if self._job is None:
            raise LookupError("this error was made without a job")
        return self._job


class JobFailedError(JobNotDoneError):
    """A job failed, was parked after several attempts, or its result was thrown away."""


class JobCancelledError(JobNotDoneError):
    """A job was cancelled."""


class JobStoppedError(JobNotDoneError):
    """A training was stopped early; `job.progress.figures` are those of its last epoch."""


class JobWaitError(JobNotDoneError, TimeoutError):
    """A job goes on longer than one wanted to wait for it."""


class PlanWaitError(BenchError, TimeoutError):
    """A plan goes on longer than one wanted to wait for it."""


class BudgetExhausted(BenchError):  # noqa: N818 - an end, as StopIteration is, not a failure
    """An evaluation would pass the budget; it was neither charged nor returned.

    The clock stands where it stood, and an evaluation that costs less may still fit.

    Attributes:
        cost: What the evaluation would have cost, in seconds.
        remaining: What is left of the budget, in seconds.
        evaluations: Of a batch: those before it, which did fit and were charged.
    """

    cost: float = 0.0
    remaining: float = 0.0
    evaluations: tuple[Evaluation, ...] = ()


class NotRecordedError(BenchError, LookupError):
    """The benchmark has no such run, or its runs lack the metric or the time; nothing is charged.

    Attributes:
        positions: Of a batch: where in the list the architectures are, ascending.
    """

    positions: tuple[int, ...] = ()
