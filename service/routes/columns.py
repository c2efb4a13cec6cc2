"""Routes of whole columns: their list, their values, and the architecture strings of numbers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, create_model

from bench_client.explorer import COLUMN_HEADER
from bench_client.models import Found
from bench_client.models.columns import Columns, SpelledArchitecture
from benchmark_db.answers import Answer, column_answer, columns_answer, spellings_answer
from benchmark_db.columns import MAX_NUMBERS
from benchmark_db.errors import InvalidQuestionError, shown
from service.http.openapi import READ_PROBLEMS
from service.http.questions import (
    LateModel,
    answer_scan,
    cache_headers,
    catalog_of,
    described,
    installed,
    read_query,
    scanned,
    source_digests,
)
from service.http.response_cache import PackedCache
from service.routes.parameters import QuestionModel

__all__ = ["ColumnRoutes", "answer_bytes", "bytes_response"]

_OCTETS: Final = "application/octet-stream"
_LEVEL: Final = 4
"""Of gzip: 423,624 values take 60 ms; the best level takes twice as long and saves 4 %."""
_LONGEST_NUMBERS: Final = 10 * MAX_NUMBERS
"""Characters; even with multi-byte characters, the address stays within the header limit."""
_NUMBERS: Final = r"^[0-9]{1,20}(,[0-9]{1,20})*$"
_MOST_NUMBER: Final = 2**31 - 1
_LONGEST_NUMBER: Final = 20


@dataclass(frozen=True, kw_only=True)
class ColumnRoutes:
    """The routes of the columns of a benchmark.

    Attributes:
        name: The benchmark.
        filters: A model of the fields that select a slice of the benchmark.
        required: The fields without which the slice is ambiguous.
        metric: Makes the annotation of the parameter that names a column.
    """

    name: str
    filters: type[BaseModel]
    required: Sequence[str]
    metric: Callable[[], Any]

    def add_to(self, router: APIRouter) -> None:
        """Add the routes to the benchmark's router."""
        self._add_columns(router)
        self._add_column(router)
        self._add_spellings(router)

    def _add_columns(self, router: APIRouter) -> None:
        name, asked = self.name, LateModel(partial(self._question, "Columns"))

        async def columns(request: Request) -> Response:
            """Return the available columns: metrics and features of architectures.

            If the request selects a slice, each column has its numbers of missing and distinct
            values, its minimum and its maximum; otherwise these are null.
            """
            filters = read_query(request, asked.model).model_dump(exclude_none=True)
            compute = partial(columns_answer, catalog_of(request), name, filters)
            headers = cache_headers(request, *source_digests(request, name))
            return await answer_scan(request, installed(request, name), compute, headers)

        self._get(router, "columns", "List the columns", asked, lambda: Columns)(columns)

    def _add_column(self, router: APIRouter) -> None:
        name = self.name
        asked = LateModel(lambda: self._question("Column", metric=(self.metric(), ...)))

        async def column(request: Request) -> Response:
            """Return the values of one column, little-endian and without gaps.

            They are ordered by candidate number. Metrics are 32-bit floats: means over runs, NaN
            if nothing is recorded. The header `X-Column` has type, count, unit and provenance as
            JSON.
            """
            question = read_query(request, asked.model)
            filters = question.model_dump(exclude={"metric"}, exclude_none=True)
            metric = getattr(question, "metric")  # noqa: B009 - of a model that is made
            catalog = catalog_of(request)
            compute = partial(column_answer, catalog, name, filters, metric=metric)
            return await answer_bytes(request, name, compute, COLUMN_HEADER)

        router.get(
            "/column",
            operation_id=self._operation("column"),
            summary="Get the values of a column, in binary",
            response_class=Response,
            responses=bytes_response(COLUMN_HEADER, _SAID_OF_COLUMN),
            openapi_extra=described(asked, required=self.required),
        )(column)

    def _add_spellings(self, router: APIRouter) -> None:
        name = self.name
        numbers = Field(
            max_length=_LONGEST_NUMBERS,
            # For the document only; `_numbers` checks it with a better message.
            json_schema_extra={"pattern": _NUMBERS},
            description=f"Candidate numbers, as in the column `@number`: at most {MAX_NUMBERS}, "
            "comma-separated.",
            examples=["0,1,2"],
        )
        asked = LateModel(
            lambda: self._question("Spellings", numbers=(Annotated[str, numbers], ...))
        )

        async def spellings(request: Request) -> Response:
            """Return the architecture strings of candidate numbers, in the order of the request."""
            question = read_query(request, asked.model)
            filters = question.model_dump(exclude={"numbers"}, exclude_none=True)
            wanted = _numbers(getattr(question, "numbers"))  # noqa: B009 - as above
            compute = partial(spellings_answer, catalog_of(request), name, filters, numbers=wanted)
            headers = cache_headers(request, *source_digests(request, name))
            return await answer_scan(request, installed(request, name), compute, headers)

        summary = "Get architecture strings by candidate number"
        self._get(router, "spellings", summary, asked, lambda: Found[SpelledArchitecture])(
            spellings
        )

    def _get(
        self,
        router: APIRouter,
        topic: str,
        summary: str,
        asked: LateModel,
        answer: Callable[[], Any],
    ) -> Callable[..., Any]:
        return router.get(
            f"/{topic}",
            operation_id=self._operation(topic),
            summary=summary,
            response_model=None,
            responses=READ_PROBLEMS,
            openapi_extra=described(asked, answer=answer),
        )

    def _operation(self, topic: str) -> str:
        return f"{self.name.replace('-', '_')}_{topic}"

    def _question(self, kind: str, **fields: Any) -> type[BaseModel]:
        title = self.name.title().replace("-", "")
        base = (self.filters, QuestionModel)
        return create_model(f"{title}{kind}Question", __base__=base, **fields)


_SAID_OF_COLUMN: Final = (
    "JSON: `metric`, `type` (`float32`, `int32` or `uint8`), `rows`, `unit`, `better`, `part` and "
    "`provenance`."
)


def bytes_response(header: str, told: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that uses `answer_bytes`.

    Args:
        header: Name of the header that describes the values.
        told: Description of that header.
    """
    content = {_OCTETS: {"schema": {"type": "string", "format": "binary"}}}
    said = {"description": told, "required": True, "schema": {"type": "string"}}
    answer = {"description": "The values.", "content": content, "headers": {header: said}}
    return {200: answer, **READ_PROBLEMS}


async def answer_bytes(
    request: Request, name: str, compute: Callable[[], Answer], header: str
) -> Response:
    """Send the `data` bytes of an answer, with its other members as JSON in a header.

    If the client accepts gzip, the bytes are compressed once and cached by entity tag.

    Args:
        request: The request.
        name: The benchmark.
        compute: Computes the answer.
        header: Name of the header.

    Raises:
        TimeBudgetExceededError: The computation took too long.
    """
    headers = cache_headers(request, *source_digests(request, name))
    packed = b"gzip" in request.scope["headers_by_name"].get(b"accept-encoding", b"")
    cache: PackedCache = request.app.state.packed_cache

    def made() -> bytes:
        answer = compute()
        data = answer.pop("data")
        # ASCII, as a header must be, and one line, so that the data begins after it.
        said = json.dumps(answer, separators=(",", ":")).encode()
        return said + b"\n" + (gzip.compress(data, _LEVEL, mtime=0) if packed else data)

    tag = f"{headers['ETag']}{'packed' if packed else ''}"
    benchmark, catalog = installed(request, name), catalog_of(request)
    # Held while another request computes it, too: the served version may change meanwhile.
    with catalog.held():
        content = await cache.get_or_make(tag, lambda: scanned(request, benchmark, made))
    said, _, body = content.partition(b"\n")
    headers[header] = said.decode()
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type=_OCTETS)


def _numbers(text: str) -> list[int]:
    """Parse a comma-separated list of candidate numbers.

    Raises:
        InvalidQuestionError: A number is malformed, or there are too many.
    """
    parts = text.split(",")
    if len(parts) > MAX_NUMBERS:
        message = f"{len(parts)} numbers; one request may have 1 to {MAX_NUMBERS}"
        raise InvalidQuestionError("numbers", message)
    for part in parts:
        # Python refuses to convert thousands of digits, even leading zeros.
        digits = part.isascii() and part.isdecimal() and len(part) <= _LONGEST_NUMBER
        if not digits or int(part) > _MOST_NUMBER:
            raise InvalidQuestionError("numbers", f"{shown(part)} is not the number of a candidate")
    return [int(part) for part in parts]
