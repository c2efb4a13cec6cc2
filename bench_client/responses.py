"""What came over HTTP: the body of an answer, read within limits, and what it says.

An answer that was announced or turns out to be longer than allowed is given up where that shows; so
is one that is compressed in a way that was not asked for. The connection is closed with it. What is
no answer becomes the error that tells the caller what to do.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import aclosing, closing
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

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
    TableReplacedError,
    TooLargeError,
    UnexpectedAnswerError,
    UnknownDatasetError,
    UnknownJobError,
    UnknownTrainerError,
    UnsupportedQuestionError,
)
from bench_client.models.answers import Problem
from bench_client.operations import Nothing, Question, Raw
from bench_client.untrusted import delta_seconds, request_id, retry_seconds

__all__ = [
    "MOST_ANSWER",
    "Body",
    "Limits",
    "Outcome",
    "Reply",
    "read",
    "read_reply",
    "read_reply_awaiting",
]

A = TypeVar("A", bound=BaseModel)

MOST_ANSWER: Final = 256 * 2**20
"""Bytes of an answer: several times a batch of 10,000 architectures with all their runs."""

_MOST_PROBLEM: Final = 2**20
"""Bytes that are read of an answer that is an error; what it is, is said by its status."""
_PIECE: Final = 2**20
"""Bytes that are unpacked at a time."""
_GZIP: Final = zlib.MAX_WBITS | 16
_PLAIN: Final = frozenset({"", "identity"})
_PACKED: Final = frozenset({"gzip", "x-gzip"})
_NO_CONTENT: Final = 204
_OK: Final = frozenset({200, 201, 202, _NO_CONTENT})
"""An answer; a job that was accepted."""
_FIRST_SERVER_ERROR: Final = 500
_NO_TLS: Final = "WRONG_VERSION_NUMBER"
"""What OpenSSL says of a server that answers without TLS."""
_SNIPPET: Final = 120
"""Characters of an answer that is not ours shown in the error."""
_MOST_VALUES: Final = 2**24
"""Commas in an answer: each value of it takes memory, however short it is written. A batch of
10,000 cells of NAS-Bench-101 has fewer than ten million."""
_FEW_VALUES: Final = 50_000
_SAID: Final = 2000
"""Characters of what a server says about an error, and of each field, that are shown."""
_FIELDS: Final = 10
"""Fields of a malformed request that are shown."""

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
    "unknown-trainer": UnknownTrainerError,
    "unknown-checkpoint": InvalidRequestError,
    "unknown-study": InvalidRequestError,
    "checkpoint-in-use": InvalidRequestError,
    "table-replaced": TableReplacedError,
    "unknown-plan": InvalidRequestError,
    "plan-conflict": InvalidRequestError,
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


class Limits(NamedTuple):
    """What a service may answer.

    Attributes:
        most: Bytes that an answer may have, packed and unpacked; None: any number.
        packed: Whether gzip was asked for.
        address: The service, as messages may show it.
    """

    most: int | None
    packed: bool
    address: str


class Reply(NamedTuple):
    """An answer that was read.

    Attributes:
        status_code: Its status.
        reason_phrase: What the server calls that.
        headers: Its headers.
        content: Its body, unpacked; of an error, what may be kept of it.
    """

    status_code: int
    reason_phrase: str
    headers: httpx.Headers
    content: bytes


Outcome: TypeAlias = Reply | httpx.RequestError
"""What came of sending a request."""


class Body:
    """Counts and unpacks a body, a piece after the other.

    Args:
        response: The answer; its body has not been read.
        limits: What it may be.

    Raises:
        UnexpectedAnswerError: It is packed otherwise, or said to be longer.
    """

    def __init__(self, response: httpx.Response, limits: Limits) -> None:
        self._response = response
        self._most = most = limits.most
        self._address = limits.address
        self._taken = self._given = 0
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _PLAIN and not (limits.packed and encoding in _PACKED):
            raise self._refused(
                f"packed as {encoding!r:.40}, which was not asked for and is not decompressed"
            )
        self._unpacker = zlib.decompressobj(_GZIP) if encoding in _PACKED else None
        announced = delta_seconds(response.headers.get("Content-Length"))
        if most is not None and announced is not None and announced > most:
            raise self._too_long()

    def pieces(self, raw: bytes) -> Iterator[bytes]:
        """Yield what the next bytes of the body hold.

        Raises:
            UnexpectedAnswerError: That is too much, or cannot be unpacked.
        """
        self._taken += len(raw)
        if self._unpacker is None:
            yield self._within(raw)
            return
        while raw:
            try:
                piece = self._unpacker.decompress(raw, _PIECE)
            except zlib.error as error:
                raise self._refused(f"what cannot be decompressed ({error})") from error
            if self._unpacker.unused_data:
                raise self._refused("more behind what was packed")
            raw = self._unpacker.unconsumed_tail
            yield self._within(piece)

    def end(self) -> None:
        """Say that nothing more comes.

        Raises:
            UnexpectedAnswerError: What is packed should go on.
        """
        if self._unpacker is not None and not self._unpacker.eof:
            raise self._refused("what cannot be decompressed (it ends too early)")

    def _within(self, piece: bytes) -> bytes:
        self._given += len(piece)
        if self._most is not None and max(self._given, self._taken) > self._most:
            raise self._too_long()
        return piece

    def _too_long(self) -> UnexpectedAnswerError:
        return self._refused(f"more than the {self._most} bytes that it may be")

    def _refused(self, what: str) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(
            f"{self._address} answered {self._response.status_code} with {what}",
            request_id=request_id(self._response.headers),
        )


def read_reply(response: httpx.Response, limits: Limits) -> Reply:
    """Read an answer whole.

    Args:
        response: The answer; its body has not been read.
        limits: What it may be; an error may be shorter, and what is beyond that is left.

    Raises:
        UnexpectedAnswerError: It is longer, or packed otherwise.
        httpx.RequestError: The connection broke.
    """
    kept: list[bytes] = []
    with closing(response):
        try:
            body = Body(response, _limits(response, limits))
            for raw in response.iter_raw():
                kept += body.pieces(raw)
            body.end()
        except UnexpectedAnswerError:
            # What an error is, its status says, whatever its body is.
            if not response.is_error:
                raise
    return _reply(response, kept)


async def read_reply_awaiting(response: httpx.Response, limits: Limits) -> Reply:
    """Read an answer as `read_reply` does."""
    kept: list[bytes] = []
    async with aclosing(response):
        try:
            body = Body(response, _limits(response, limits))
            async for raw in response.aiter_raw():
                kept += body.pieces(raw)
            body.end()
        except UnexpectedAnswerError:
            # What an error is, its status says, whatever its body is.
            if not response.is_error:
                raise
    return _reply(response, kept)


def _limits(response: httpx.Response, limits: Limits) -> Limits:
    return limits if response.is_success else limits._replace(most=_MOST_PROBLEM)


def _reply(response: httpx.Response, kept: list[bytes]) -> Reply:
    content = kept[0] if len(kept) == 1 else b"".join(kept)
    return Reply(response.status_code, response.reason_phrase, response.headers, content)


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
    if outcome.status_code == _NO_CONTENT and issubclass(question.answer, Nothing):
        return question.answer()
    if isinstance(question, Raw):
        raw: A = _read_raw(question, outcome, address)
        return raw
    if _media_type(outcome) != "application/json":
        raise _not_ours(outcome, address)
    values = outcome.content.count(b",")
    if values > _MOST_VALUES:
        raise UnexpectedAnswerError(
            f"{address} answered with more than {_MOST_VALUES} values: ask for less at a time",
            request_id=request_id(outcome.headers),
        )
    try:
        if values <= _FEW_VALUES:
            return question.answer.model_validate_json(outcome.content)
        # Errors found in JSON copy what they are about, each the whole of it; those in objects not.
        return question.answer.model_validate(_parsed(outcome, address))
    except ValidationError as error:
        raise _malformed(error, outcome, address) from error


def _read_raw(question: Raw[A], outcome: Reply, address: str) -> A:
    """Return an answer that is no JSON.

    Raises:
        UnexpectedAnswerError: It is none, or not what was asked for.
    """
    if _media_type(outcome) != question.media_type:
        raise _not_ours(outcome, address)
    try:
        answer: A = question.read(outcome.headers, outcome.content)
    except ValidationError as error:
        raise _malformed(error, outcome, address) from error
    except ValueError as error:
        raise UnexpectedAnswerError(
            f"{address} answered with what is no {question.topic}: {error!s:.{_SAID}}",
            request_id=request_id(outcome.headers),
        ) from error
    return answer


def _malformed(error: ValidationError, reply: Reply, address: str) -> UnexpectedAnswerError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))[:_SNIPPET] or "the answer"
    return UnexpectedAnswerError(
        f"{address} answered in a form that this client does not read: {place}: "
        f"{first['msg']:.{_SAID}}; are both of the same version?",
        request_id=request_id(reply.headers),
    )


def _parsed(reply: Reply, address: str) -> Any:
    try:
        return from_json(reply.content, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise UnexpectedAnswerError(
            f"{address} answered with what is no JSON: {error!s:.{_SAID}}",
            request_id=request_id(reply.headers),
        ) from error


def _transport_error(error: httpx.RequestError, address: str) -> BenchError:
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return RequestTimeoutError(f"{address} did not answer in time ({reason})")
    if isinstance(error, httpx.DecodingError):
        return UnexpectedAnswerError(f"{address} sent what cannot be decompressed: {reason}")
    if _NO_TLS in reason:
        return ServerUnreachableError(
            f"no answer from {address}: it does not speak HTTPS; write http:// in its address"
        )
    return ServerUnreachableError(
        f"no answer from {address}: {reason}; is the service running there (`nbs serve`), and is "
        "this the address to use ($NASBENCH_URL)?"
    )


def _status_error(question: Question[Any], response: Reply, address: str) -> BenchError:
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
    said_id = request_id(response.headers) or (problem.request_id if problem else None)
    message = _message(problem, response, address)
    if kind is ServerOverloadedError:
        return ServerOverloadedError(
            message,
            retry_after=retry_seconds(response.headers.get("Retry-After")),
            problem=problem,
            request_id=said_id,
        )
    if issubclass(kind, InvalidRequestError):
        errors = problem.errors if problem else []
        if kind is InvalidRequestError and any("arch" in error.loc for error in errors):
            kind = InvalidArchitectureError
        return kind(message, errors=errors, problem=problem, request_id=said_id)
    path = urlsplit(address).path.strip("/")
    if kind is BenchmarkNotInstalledError and path:
        message = f"{message}; is the address right, with /{path:.{_SNIPPET}} in {address}?"
    if kind is ServerFailedError and said_id:
        message = f"{message} (request {said_id})"
    return kind(message, problem=problem, request_id=said_id)


def _message(problem: Problem | None, response: Reply, address: str) -> str:
    if problem is None:
        return f"{address} answered {response.status_code} {response.reason_phrase}"
    said = (problem.detail or problem.title or f"status {response.status_code}")[:_SAID]
    fields = [
        f"{'.'.join(map(str, error.loc))[:_SNIPPET]}: {error.msg[:_SAID]}"
        for error in problem.errors[:_FIELDS]
        if error.msg not in said
    ]
    if len(problem.errors) > _FIELDS:
        fields.append(f"and {len(problem.errors) - _FIELDS} more")
    return "; ".join([said, *fields])


def _problem(response: Reply) -> Problem | None:
    if _media_type(response) != "application/problem+json":
        return None
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        # What is said then is said by the status alone.
        return None


def _not_ours(response: Reply, address: str) -> UnexpectedAnswerError:
    location = response.headers.get("Location")
    # Four bytes are the longest character; no other encoding than UTF-8 is looked for.
    begins = response.content[: 4 * _SNIPPET].decode(errors="replace")[:_SNIPPET]
    what = f"sent on to {location[:_SNIPPET]}" if location else repr(begins)
    return UnexpectedAnswerError(
        f"{address} answered {response.status_code} as {_media_type(response) or 'no media type'}, "
        f"which is not an answer of the benchmark service: {what}; is the address right, and does "
        "no proxy answer for it?",
        request_id=request_id(response.headers),
    )


def _media_type(response: Reply) -> str:
    content_type: str = response.headers.get("Content-Type", "")
    return content_type.partition(";")[0].strip().lower()[:_SNIPPET]
