"""HTTP requests of a worker to its server, with validated responses.

Redirects are not followed, cookies are not kept, and responses are bounded. An invalid response is
treated like no response: the worker retries later.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import orjson
from pydantic import BaseModel, ValidationError

from bench_client.connections import HttpSettings
from bench_client.errors import UnexpectedAnswerError
from bench_client.responses import Limits, Reply, read_reply
from service.jobs.errors import LostLeaseError, RefusedResultError, StoreUnavailableError
from service.jobs.lease_tokens import text_of
from service.jobs.records import Lease

__all__ = ["AccessRefusedError", "ServerConnection", "file_digest"]

M = TypeVar("M", bound=BaseModel)

_SECONDS: Final = 30.0
"""Timeout of a response; a claim is delayed for less."""
_MOST_ANSWER: Final = 4 * 2**20
_PIECE: Final = 2**18
_OCTETS: Final = "application/octet-stream"
_TAG: Final = re.compile(r'"([0-9a-f]{64})"')
_LONGEST_DETAIL: Final = 500
_REFUSED: Final = frozenset({400, 413, 415, 422})
_NO_ACCESS: Final = frozenset({401, 403})


class AccessRefusedError(StoreUnavailableError):
    """The server refuses the API key, or its scope."""


class ServerConnection:
    """Requests to the worker routes of a server; can be shared by threads.

    Args:
        url: The address of the server; by default `$NASBENCH_URL`.
        api_key: The API key; by default `$NASBENCH_API_KEY`.

    Raises:
        InvalidSettingError: The address or the key is invalid.
    """

    def __init__(self, url: str | None, *, api_key: str | None = None) -> None:
        self._settings = HttpSettings.of(
            url, timeout=_SECONDS, retries=0, api_key=api_key, compress=False
        )
        self._base = self._settings.url.rstrip("/") + "/v1/worker"
        self._limits = Limits(_MOST_ANSWER, packed=False, address=self._settings.shown)
        self._pool = self._settings.open_pool()

    @property
    def shown(self) -> str:
        """The address without secrets."""
        return self._settings.shown

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def post(
        self, path: str, body: BaseModel, answer: type[M], lease: Lease | None = None
    ) -> M | None:
        """Send a request and return the response; None if it has no content.

        Args:
            path: Path below `/v1/worker`.
            body: The request body.
            answer: The model of the response.
            lease: The lease that the request is about.

        Raises:
            LostLeaseError: The lease is lost.
            RefusedResultError: The server refuses the request as invalid.
            StoreUnavailableError: The server does not answer, or its response is invalid.
        """
        request = self._pool.build_request(
            "POST",
            self._base + path,
            content=orjson.dumps(body.model_dump()),
            headers={"Content-Type": "application/json"},
        )
        reply = self._send(request, lease)
        if reply.status_code == HTTPStatus.NO_CONTENT:
            return None
        try:
            return answer.model_validate(orjson.loads(reply.content))
        except (ValidationError, orjson.JSONDecodeError) as error:
            raise StoreUnavailableError(
                f"{self.shown} sends an invalid response to {path}: {error}"[:_LONGEST_DETAIL]
            ) from None

    def upload(
        self, path: str, lease: Lease, file: Path, *, sha256: str, tick: Callable[[], object]
    ) -> None:
        """Upload a file.

        Args:
            path: Path below `/v1/worker`.
            lease: The lease of the job that the file belongs to.
            file: The file to send.
            sha256: Its digest.
            tick: Called after each chunk.

        Raises:
            OSError: The file cannot be read.
            LostLeaseError: As in `post`, which also lists the other errors.
        """
        query = f"?job_id={lease.job.id}&token={text_of(lease.token)}&sha256={sha256}"
        request = self._pool.build_request(
            "POST",
            f"{self._base}{path}{query}",
            content=_pieces(file, tick),
            headers={"Content-Type": _OCTETS, "Content-Length": str(file.stat().st_size)},
        )
        self._send(request, lease)

    def download(
        self, path: str, target: Path, *, most: int, sha256: str | None, tick: Callable[[], object]
    ) -> bool:
        """Download a file and return whether it exists.

        Args:
            path: Path below `/v1/worker`, with its query.
            target: Where to write the file.
            most: Its largest allowed size in bytes.
            sha256: Its expected digest; None: the digest in the response's ETag.
            tick: Called after each chunk.

        Raises:
            OSError: The file cannot be written.
            RefusedResultError: The file has another digest, or is too long.
            StoreUnavailableError: As in `post`.
        """
        headers = {"Accept": _OCTETS}
        request = self._pool.build_request("GET", self._base + path, headers=headers)
        with self._translated_errors():
            response = self._pool.send(request)
            if response.status_code != HTTPStatus.OK:
                reply = read_reply(response, self._limits)
                if reply.status_code == HTTPStatus.NOT_FOUND:
                    return False
                raise self._error(reply, None)
            with closing(response), target.open("wb") as file:
                found = _etag_digest(response.headers)
                digest, size = hashlib.sha256(), 0
                for piece in response.iter_raw(_PIECE):
                    size += len(piece)
                    if size > most:
                        raise RefusedResultError("file", f"it is longer than {most} bytes")
                    digest.update(piece)
                    file.write(piece)
                    tick()
        if digest.hexdigest() != (sha256 or found):
            raise RefusedResultError("file", "it does not have the expected digest")
        return True

    def _send(self, request: httpx.Request, lease: Lease | None) -> Reply:
        """Send a request and return a successful response.

        Raises:
            StoreUnavailableError: There is no valid response; LostLeaseError and RefusedResultError
                for error responses about the lease or the request.
        """
        with self._translated_errors():
            reply = read_reply(self._pool.send(request), self._limits)
        if reply.status_code not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
            raise self._error(reply, lease)
        return reply

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Raise StoreUnavailableError if the server does not answer, or not as expected."""
        try:
            yield
        except httpx.RequestError as error:
            name = type(error).__name__
            message = f"{self.shown} does not answer: {name}: {error}"
            raise StoreUnavailableError(message) from error
        except UnexpectedAnswerError as error:
            raise StoreUnavailableError(str(error)) from error

    def _error(self, reply: Reply, lease: Lease | None) -> Exception:
        """Return the exception for an error response."""
        kind, detail = _problem(reply.content)
        told = f"{self.shown} answers {reply.status_code}: {detail}"
        if lease is not None and kind in {"lease-lost", "unknown-job"}:
            return LostLeaseError(lease.job.id)
        if reply.status_code in _REFUSED:
            return RefusedResultError("server", detail)
        if reply.status_code in _NO_ACCESS:
            return AccessRefusedError(f"{told}; a worker needs a key of scope worker")
        return StoreUnavailableError(told)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pieces(file: Path, tick: Callable[[], object]) -> Iterator[bytes]:
    with file.open("rb") as content:
        while piece := content.read(_PIECE):
            yield piece
            tick()


def _etag_digest(headers: Mapping[str, str]) -> str | None:
    """Return the digest in the ETag of a response; None if it has none."""
    found = _TAG.fullmatch(headers.get("etag", ""))
    return found and found[1]


def _problem(content: bytes) -> tuple[str, str]:
    """Return type and printable detail of a problem document, or a default for other content."""
    try:
        said: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        return "", "the response is not an error of this service"
    kind = str(said.get("type", "")).rpartition(":")[2]
    detail = str(said.get("detail") or said.get("title") or "")[:_LONGEST_DETAIL]
    return kind[:_LONGEST_DETAIL], "".join(c for c in detail if c.isprintable())
