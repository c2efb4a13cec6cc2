"""What can become of a job other than a result.

BenchError
├── UnknownJobError        404: there is no such job, or its files were thrown away
├── UnknownDatasetError    404: no worker has the data set; the message names those there are
└── JobNotDoneError        there is no result; `job` tells more
    ├── JobFailedError     it failed or was parked: `job.error` says why
    ├── JobCancelledError  someone cancelled it
    └── JobWaitError       it still goes on, and the time to wait is over: wait again
"""

from __future__ import annotations

from bench_client.errors import BenchError
from bench_client.models import Job

__all__ = [
    "JobCancelledError",
    "JobFailedError",
    "JobNotDoneError",
    "JobWaitError",
    "UnknownDatasetError",
    "UnknownJobError",
]


class UnknownJobError(BenchError, LookupError):
    """There is no such job, or none any more."""


class UnknownDatasetError(BenchError, LookupError):
    """No worker has the data set."""


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


class JobWaitError(JobNotDoneError, TimeoutError):
    """A job goes on longer than one wanted to wait for it."""
