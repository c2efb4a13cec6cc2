"""What came over HTTP: an answer, or the error that tells the caller what to do."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from bench_client.errors import (
    BenchError,
    BenchmarkNotInstalledError,
    InvalidArchitectureError,
    InvalidRequestError,
    NotAuthorizedError,
    RequestTimeoutError,
    ServerFailedError,
    ServerOverloadedError,
    ServerUnreachableError,
    TooLargeError,
    UnexpectedAnswerError,
    UnsupportedQuestionError,
)
from bench_client.job_errors import UnknownDatasetError, UnknownJobError
from bench_client.models import Problem
from bench_client.operations import Question
from bench_client.retries import Outcome, retry_after

__all__ = ["read"]

A = TypeVar("A", bound=BaseModel)

_OK: Final = frozenset({200, 202})
"""An answer; a job that was accepted."""
_FIRST_SERVER_ERROR: Final = 500
_SNIPPET: Final = 120
"""Characters of an answer that is not ours shown in the error."""

_SAID_BY_SERVICE: Final[dict[int, type[BenchError]]] = {
    400: InvalidRequestError,
    401: NotAuthorizedError,
    403: NotAuthorizedError,
    404: BenchmarkNotInstalledError,
    422: InvalidRequestError,
}
"""Errors that only the service itself can mean: from anything else they say "wrong address"."""

_DAMAGED_DATABASE: Final = "database-unusable"
"""End of the type of a problem that only whoever runs the server can solve."""

_UNSUPPORTED: Final = "unsupported-question"
"""End of the type of the other problem that is a 404."""

_BY_TYPE: Final[dict[str, type[BenchError]]] = {
    _UNSUPPORTED: UnsupportedQuestionError,
    "unknown-job": UnknownJobError,
    "unknown-artifact": UnknownJobError,
    "unknown-dataset": UnknownDatasetError,
    "unknown-checkpoint": InvalidRequestError,
}
"""By the end of the type of a problem that the status alone does not tell."""

_SAID_BY_ANYONE: Final[dict[int, type[BenchError]]] = {
    413: TooLargeError,
    429: ServerOverloadedError,
    502: ServerUnreachableError,
    503: ServerOverloadedError,
    504: ServerUnreachableError,
}
"""Errors that mean the same when a proxy in between says them."""


def read(question: Question[A], outcome: Outcome, address: str) -> A:
    """Return the answer to a question.

    Args:
        question: What was asked.
        outcome: What came of sending it.
        address: The service, as messages may show it.

    Raises:
        BenchError: Anything else came; the class says what to do.
    """
    if isinstance(outcome, httpx.RequestError):
        raise _transport_error(outcome, address) from outcome
    if outcome.status_code not in _OK:
        raise _status_error(question, outcome, address)
    if _media_type(outcome) != "application/json":
        raise _not_ours(outcome, address)
    try:
        return question.answer.model_validate_json(outcome.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the answer"
        raise UnexpectedAnswerError(
            f"{address} answered in a form that this client does not read: {place}: "
            f"{first['msg']}; are both of the same version?",
            request_id=outcome.headers.get("X-Request-ID"),
        ) from error


def _transport_error(error: httpx.RequestError, address: str) -> BenchError:
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return RequestTimeoutError(f"{address} did not answer in time ({reason})")
    if isinstance(error, httpx.DecodingError):
        return UnexpectedAnswerError(f"{address} sent what cannot be decompressed: {reason}")
    return ServerUnreachableError(
        f"no answer from {address}: {reason}; is the service running there (`nbs serve`), and is "
        "this the address to use ($NASBENCH_URL)?"
    )


def _status_error(question: Question[Any], response: httpx.Response, address: str) -> BenchError:
    status = response.status_code
    problem = _problem(response)
    kind = _SAID_BY_ANYONE.get(status)
    if kind is None and problem is not None:
        kind = _SAID_BY_SERVICE.get(status)
    if problem is not None:
        kind = _BY_TYPE.get(problem.type.rpartition(":")[2], kind)
    damaged = problem is not None and problem.type.endswith(_DAMAGED_DATABASE)
    if damaged or (kind is None and status >= _FIRST_SERVER_ERROR):
        kind = ServerFailedError
    if kind is None or (kind is BenchmarkNotInstalledError and question.benchmark is None):
        return _not_ours(response, address)
    request_id = response.headers.get("X-Request-ID") or (problem.request_id if problem else None)
    message = _message(problem, response, address)
    if kind is ServerOverloadedError:
        return ServerOverloadedError(
            message,
            retry_after=retry_after(response),
            problem=problem,
            request_id=request_id,
        )
    if issubclass(kind, InvalidRequestError):
        errors = problem.errors if problem else []
        if kind is InvalidRequestError and any("arch" in error.loc for error in errors):
            kind = InvalidArchitectureError
        return kind(message, errors=errors, problem=problem, request_id=request_id)
    if kind is ServerFailedError and request_id:
        message = f"{message} (request {request_id})"
    return kind(message, problem=problem, request_id=request_id)


def _message(problem: Problem | None, response: httpx.Response, address: str) -> str:
    if problem is None:
        return f"{address} answered {response.status_code} {response.reason_phrase}"
    said = problem.detail or problem.title or f"status {response.status_code}"
    fields = [
        f"{'.'.join(map(str, error.loc))}: {error.msg}"
        for error in problem.errors
        if error.msg not in said
    ]
    return "; ".join([said, *fields])


def _problem(response: httpx.Response) -> Problem | None:
    if _media_type(response) != "application/problem+json":
        return None
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        # What is said then is said by the status alone.
        return None


def _not_ours(response: httpx.Response, address: str) -> UnexpectedAnswerError:
    location = response.headers.get("Location")
    what = f"sent on to {location}" if location else repr(response.text[:_SNIPPET])
    return UnexpectedAnswerError(
        f"{address} answered {response.status_code} as {_media_type(response) or 'no media type'}, "
        f"which is not an answer of the benchmark service: {what}; is the address right, and does "
        "no proxy answer for it?",
        request_id=response.headers.get("X-Request-ID"),
    )


def _media_type(response: httpx.Response) -> str:
    content_type: str = response.headers.get("Content-Type", "")
    return content_type.partition(";")[0].strip().lower()
