"""What can go wrong with a question, named after what the caller can do about it.

BenchError
├── UnavailableError               ask again later: every attempt to get an answer failed
│   ├── ServerUnreachableError     nobody answers at this address (or 502, 504 of a proxy)
│   ├── RequestTimeoutError        the server did not answer in time
│   └── ServerOverloadedError      429 or 503; `retry_after` when the server said how long
├── ServerFailedError              tell whoever runs the server, with `request_id`
├── UnexpectedAnswerError          look at the address: this is not our service, or not its version
├── NotAuthorizedError             401 or 403: pass a valid `api_key`
├── BenchmarkNotInstalledError     404: make the database; the message says how
├── UnsupportedQuestionError       404: ask another benchmark; the message says why
├── InvalidSettingError            a client cannot be made so: address, key, timeout, retries
└── InvalidRequestError            400 or 422: mend the question; `errors` names the fields
    ├── InvalidArchitectureError   the architecture is malformed or outside the space
    └── TooLargeError              413: ask for less at a time

SyntheticDataWarning               the numbers are made up
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench_client.models import FieldError, Problem
from bench_client.untrusted import cleaned

__all__ = [
    "BenchError",
    "BenchmarkNotInstalledError",
    "InvalidArchitectureError",
    "InvalidRequestError",
    "InvalidSettingError",
    "NotAuthorizedError",
    "RequestTimeoutError",
    "ServerFailedError",
    "ServerOverloadedError",
    "ServerUnreachableError",
    "SyntheticDataWarning",
    "TooLargeError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnsupportedQuestionError",
]


class SyntheticDataWarning(UserWarning):
    """The numbers of a benchmark are made up: good for trying things out, not for results."""


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
