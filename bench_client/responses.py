"""Reading of HTTP responses: bodies within limits, parsing, and errors.

Reading stops, and the connection is closed, as soon as a body or its Content-Length exceeds the
limit; likewise if it is compressed in a way that was not asked for. Error responses become
exceptions that tell the caller what to do.
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
from bench_client.operations import NoContent, Question, Raw
from bench_client.untrusted import delta_seconds, request_id, retry_seconds

__all__ = [
    "MAX_ANSWER_BYTES",
    "Body",
    "Limits",
    "Outcome",
    "Reply",
    "read",
    "read_reply",
    "read_reply_async",
]

A = TypeVar("A", bound=BaseModel)

MAX_ANSWER_BYTES: Final = 256 * 2**20
"""Default limit in bytes, several times a batch of 10,000 architectures with all their runs."""

_MAX_PROBLEM: Final = 2**20
"""Bytes that are read of an error response; its status alone tells the kind of error."""
_PIECE: Final = 2**20
"""Bytes that are decompressed at a time."""
_GZIP: Final = zlib.MAX_WBITS | 16
_PLAIN: Final = frozenset({"", "identity"})
_PACKED: Final = frozenset({"gzip", "x-gzip"})
_NO_CONTENT: Final = 204
_OK: Final = frozenset({200, 201, 202, _NO_CONTENT})
"""Successful responses; 201 and 202 answer submissions."""
_FIRST_SERVER_ERROR: Final = 500
_NO_TLS: Final = "WRONG_VERSION_NUMBER"
"""In OpenSSL's error about a server that answers without TLS."""
_SNIPPET: Final = 120
"""Characters of an unexpected response that its error shows."""
_MAX_VALUES: Final = 2**24
"""Limit of commas in a response, because each JSON value takes memory however short its text is. A
batch of 10,000 cells of NAS-Bench-101 has fewer than ten million."""
_FEW_VALUES: Final = 50_000
_MAX_MESSAGE: Final = 2000
"""Characters of a server's error message, and of the message of each field, that are shown."""
_MAX_FIELDS: Final = 10
"""Invalid fields of a request that an error lists."""

_ERRORS_OF_SERVICE: Final[dict[int, type[BenchError]]] = {
    400: InvalidRequestError,
    401: NotAuthorizedError,
    403: NotAuthorizedError,
    404: BenchmarkNotInstalledError,
    422: InvalidRequestError,
}
"""Errors by status if the service itself answered; otherwise the address is wrong."""

_DAMAGED_DATABASE: Final = "database-unusable"
"""Ending of the type of a problem that only the operator of the server can solve."""

_UNSUPPORTED: Final = "unsupported-question"
"""Ending of the type of a 404 that is not about a missing benchmark."""

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
"""Errors by the ending of the problem type, where the status alone is ambiguous."""

_ERRORS_OF_ANY_SERVER: Final[dict[int, type[BenchError]]] = {
    413: TooLargeError,
    429: ServerOverloadedError,
    502: ServerUnreachableError,
    503: ServerOverloadedError,
    504: ServerUnreachableError,
}
"""Errors by status that mean the same if a proxy answered."""


class Limits(NamedTuple):
    """Limits of a response.

    Attributes:
        most: Largest size in bytes, compressed and decompressed; None: no limit.
        packed: Whether gzip was asked for.
        address: Address of the service without secrets, for messages.
    """

    most: int | None
    packed: bool
    address: str


class Reply(NamedTuple):
    """A response that was read.

    Attributes:
        status_code: Status code.
        reason_phrase: Reason phrase of the status line.
        headers: Headers.
        content: Decompressed body; of an error response, at most the bytes that were kept.
    """

    status_code: int
    reason_phrase: str
    headers: httpx.Headers
    content: bytes


Outcome: TypeAlias = Reply | httpx.RequestError
"""Result of sending a request: a response or a connection error."""


class Body:
    """Decompresses the body of a response piece by piece and enforces its limits.

    Args:
        response: The response, its body unread.
        limits: Limits of the body.

    Raises:
        UnexpectedAnswerError: The Content-Encoding is unexpected, or the Content-Length too large.
    """

    def __init__(self, response: httpx.Response, limits: Limits) -> None:
        self._response = response
        self._most = most = limits.most
        self._address = limits.address
        self._received = self._decompressed = 0
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
        """Yield the decompressed pieces of the next bytes of the body.

        Raises:
            UnexpectedAnswerError: The body exceeds the limit, or cannot be decompressed.
        """
        self._received += len(raw)
        if self._unpacker is None:
            yield self._within(raw)
            return
        while raw:
            try:
                piece = self._unpacker.decompress(raw, _PIECE)
            except zlib.error as error:
                raise self._refused(f"a body that cannot be decompressed ({error})") from error
            if self._unpacker.unused_data:
                raise self._refused("extra bytes after the compressed data")
            raw = self._unpacker.unconsumed_tail
            yield self._within(piece)

    def end(self) -> None:
        """Check that the body is complete.

        Raises:
            UnexpectedAnswerError: The compressed data is truncated.
        """
        if self._unpacker is not None and not self._unpacker.eof:
            raise self._refused("a body that cannot be decompressed (it ends too early)")

    def _within(self, piece: bytes) -> bytes:
        self._decompressed += len(piece)
        if self._most is not None and max(self._decompressed, self._received) > self._most:
            raise self._too_long()
        return piece

    def _too_long(self) -> UnexpectedAnswerError:
        return self._refused(f"a body above the limit of {self._most} bytes")

    def _refused(self, what: str) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(
            f"{self._address} answered {self._response.status_code} with {what}",
            request_id=request_id(self._response.headers),
        )


def read_reply(response: httpx.Response, limits: Limits) -> Reply:
    """Read the whole body of a response and close it.

    Args:
        response: The response, its body unread.
        limits: Limits of the body. Of an error response at most 1 MiB is read, without an error.

    Raises:
        UnexpectedAnswerError: The body exceeds the limit, or its compression was not asked for.
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
            # The status alone tells the kind of error, so its body may be unreadable.
            if not response.is_error:
                raise
    return _reply(response, kept)


async def read_reply_async(response: httpx.Response, limits: Limits) -> Reply:
    """Read a response as `read_reply` does, awaiting its body."""
    kept: list[bytes] = []
    async with aclosing(response):
        try:
            body = Body(response, _limits(response, limits))
            async for raw in response.aiter_raw():
                kept += body.pieces(raw)
            body.end()
        except UnexpectedAnswerError:
            # The status alone tells the kind of error, so its body may be unreadable.
            if not response.is_error:
                raise
    return _reply(response, kept)


def _limits(response: httpx.Response, limits: Limits) -> Limits:
    return limits if response.is_success else limits._replace(most=_MAX_PROBLEM)


def _reply(response: httpx.Response, kept: list[bytes]) -> Reply:
    content = kept[0] if len(kept) == 1 else b"".join(kept)
    return Reply(response.status_code, response.reason_phrase, response.headers, content)


def read(question: Question[A], outcome: Outcome, address: str) -> A:
    """Parse the response to a question.

    Args:
        question: The question.
        outcome: The response or connection error.
        address: Address of the service without secrets, for messages.

    Raises:
        BenchError: There is no valid answer; the class tells the caller what to do.
    """
    if isinstance(outcome, httpx.RequestError):
        raise _transport_error(outcome, address) from outcome
    if outcome.status_code not in _OK:
        raise _status_error(question, outcome, address)
    if outcome.status_code == _NO_CONTENT and issubclass(question.answer, NoContent):
        return question.answer()
    if isinstance(question, Raw):
        raw: A = _read_raw(question, outcome, address)
        return raw
    if _media_type(outcome) != "application/json":
        raise _not_ours(outcome, address)
    values = outcome.content.count(b",")
    if values > _MAX_VALUES:
        raise UnexpectedAnswerError(
            f"{address} answered with more than {_MAX_VALUES} values: request less at a time",
            request_id=request_id(outcome.headers),
        )
    try:
        if values <= _FEW_VALUES:
            return question.answer.model_validate_json(outcome.content)
        # Each error that pydantic finds in JSON text copies the input; errors in parsed objects
        # do not, which bounds the memory of a large invalid response.
        return question.answer.model_validate(_parsed(outcome, address))
    except ValidationError as error:
        raise _malformed(error, outcome, address) from error


def _read_raw(question: Raw[A], outcome: Reply, address: str) -> A:
    """Parse a response that is not JSON.

    Raises:
        UnexpectedAnswerError: The response is malformed, or not what was asked for.
    """
    if _media_type(outcome) != question.media_type:
        raise _not_ours(outcome, address)
    try:
        answer: A = question.read(outcome.headers, outcome.content)
    except ValidationError as error:
        raise _malformed(error, outcome, address) from error
    except ValueError as error:
        raise UnexpectedAnswerError(
            f"{address} answered with an invalid {question.topic}: {error!s:.{_MAX_MESSAGE}}",
            request_id=request_id(outcome.headers),
        ) from error
    return answer


def _malformed(error: ValidationError, reply: Reply, address: str) -> UnexpectedAnswerError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))[:_SNIPPET] or "the answer"
    return UnexpectedAnswerError(
        f"{address} answered in a form that this client cannot read: {place}: "
        f"{first['msg']:.{_MAX_MESSAGE}}; do client and server have the same version?",
        request_id=request_id(reply.headers),
    )


def _parsed(reply: Reply, address: str) -> Any:
    try:
        return from_json(reply.content, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise UnexpectedAnswerError(
            f"{address} answered with invalid JSON: {error!s:.{_MAX_MESSAGE}}",
            request_id=request_id(reply.headers),
        ) from error


def _transport_error(error: httpx.RequestError, address: str) -> BenchError:
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return RequestTimeoutError(f"{address} did not answer in time ({reason})")
    if isinstance(error, httpx.DecodingError):
        return UnexpectedAnswerError(f"the response of {address} cannot be decompressed: {reason}")
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
    kind = _ERRORS_OF_ANY_SERVER.get(status)
    if kind is None and problem is not None:
        kind = _ERRORS_OF_SERVICE.get(status)
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
    said = (problem.detail or problem.title or f"status {response.status_code}")[:_MAX_MESSAGE]
    fields = [
        f"{'.'.join(map(str, error.loc))[:_SNIPPET]}: {error.msg[:_MAX_MESSAGE]}"
        for error in problem.errors[:_MAX_FIELDS]
        if error.msg not in said
    ]
    if len(problem.errors) > _MAX_FIELDS:
        fields.append(f"and {len(problem.errors) - _MAX_FIELDS} more")
    return "; ".join([said, *fields])


def _problem(response: Reply) -> Problem | None:
    if _media_type(response) != "application/problem+json":
        return None
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        # A malformed problem document is ignored; the status tells the kind of error.
        return None


def _not_ours(response: Reply, address: str) -> UnexpectedAnswerError:
    location = response.headers.get("Location")
    # A UTF-8 character has at most four bytes.
    begins = response.content[: 4 * _SNIPPET].decode(errors="replace")[:_SNIPPET]
    what = f"a redirect to {location[:_SNIPPET]}" if location else repr(begins)
    return UnexpectedAnswerError(
        f"{address} answered {response.status_code} as {_media_type(response) or 'no media type'}, "
        f"which is not a response of the benchmark service: {what}; is the address right, or did "
        "a proxy answer?",
        request_id=request_id(response.headers),
    )


def _media_type(response: Reply) -> str:
    content_type: str = response.headers.get("Content-Type", "")
    return content_type.partition(";")[0].strip().lower()[:_SNIPPET]
