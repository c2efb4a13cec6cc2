"""The routes of whole columns: which there are, their values, and how candidates are spelled."""

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
"""Of gzip: a column of 423,624 takes 60 ms, and the best level twice as long for 4 % less."""
_LONGEST_NUMBERS: Final = 10 * MAX_NUMBERS
"""Characters; were each of them a longer one in UTF-8, the address would still be read."""
_NUMBERS: Final = r"^[0-9]{1,20}(,[0-9]{1,20})*$"
_MOST_NUMBER: Final = 2**31 - 1
_LONGEST_NUMBER: Final = 20


@dataclass(frozen=True, kw_only=True)
class ColumnRoutes:
    """The routes of the columns of a benchmark.

    Attributes:
        name: The benchmark.
        filters: A model of the fields that say which part of the benchmark is meant.
        required: Those of them without which the part is not known.
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
            """Return the columns that there are: metrics, and what follows from architectures.

            Where the part is named whose figures are compared, each column says how many values
            are missing, the smallest, the largest, and how many differ; otherwise these are null.
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
            """Return the values of one column, one after the other, little-endian.

            They are in ascending order of the candidates' numbers, those of a metric 32-bit floats:
            means over runs, NaN where nothing is recorded. The header `X-Column` says as JSON of
            which type and how many they are, their unit, and where they come from.
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
            summary="Get a column as binary numbers",
            response_class=Response,
            responses=bytes_response(COLUMN_HEADER, _SAID_OF_COLUMN),
            openapi_extra=described(asked, required=self.required),
        )(column)

    def _add_spellings(self, router: APIRouter) -> None:
        name = self.name
        numbers = Field(
            max_length=_LONGEST_NUMBERS,
            # Told by the document alone: what breaks it is named by a message of ours.
            json_schema_extra={"pattern": _NUMBERS},
            description=f"Numbers, at most {MAX_NUMBERS}, with commas between them, as the column "
            "`@number` has them.",
            examples=["0,1,2"],
        )
        asked = LateModel(
            lambda: self._question("Spellings", numbers=(Annotated[str, numbers], ...))
        )

        async def spellings(request: Request) -> Response:
            """Return how the architectures with some numbers are spelled, in the order asked."""
            question = read_query(request, asked.model)
            filters = question.model_dump(exclude={"numbers"}, exclude_none=True)
            wanted = _numbers(getattr(question, "numbers"))  # noqa: B009 - as above
            compute = partial(spellings_answer, catalog_of(request), name, filters, numbers=wanted)
            headers = cache_headers(request, *source_digests(request, name))
            return await answer_scan(request, installed(request, name), compute, headers)

        summary = "Spell architectures by their numbers"
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
    """Return the `responses` of a route that `answer_bytes` answers.

    Args:
        header: Name of the header.
        told: What it says.
    """
    content = {_OCTETS: {"schema": {"type": "string", "format": "binary"}}}
    said = {"description": told, "required": True, "schema": {"type": "string"}}
    answer = {"description": "The numbers.", "content": content, "headers": {header: said}}
    return {200: answer, **READ_PROBLEMS}


async def answer_bytes(
    request: Request, name: str, compute: Callable[[], Answer], header: str
) -> Response:
    """Send an answer whose `data` is bytes; the header says all else of it, as JSON.

    It is packed once, if the caller takes it so, and kept under its entity tag.

    Args:
        request: The question.
        name: The benchmark that is asked.
        compute: Finds the answer.
        header: Name of the header.

    Raises:
        TimeBudgetExceededError: It took too long.
    """
    headers = cache_headers(request, *source_digests(request, name))
    packed = b"gzip" in request.scope["headers_by_name"].get(b"accept-encoding", b"")
    cache: PackedCache = request.app.state.packed_cache

    def made() -> bytes:
        answer = compute()
        data = answer.pop("data")
        # Of ASCII: a header has no other characters. One line, so that the data begins behind it.
        said = json.dumps(answer, separators=(",", ":")).encode()
        return said + b"\n" + (gzip.compress(data, _LEVEL, mtime=0) if packed else data)

    tag = f"{headers['ETag']}{'packed' if packed else ''}"
    benchmark, catalog = installed(request, name), catalog_of(request)
    # Held while others make it, too: what is served may be another version by then.
    with catalog.held():
        content = await cache.get_or_make(tag, lambda: scanned(request, benchmark, made))
    said, _, body = content.partition(b"\n")
    headers[header] = said.decode()
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type=_OCTETS)


def _numbers(text: str) -> list[int]:
    """Return the numbers of a list with commas.

    Raises:
        InvalidQuestionError: They are none, or too many.
    """
    parts = text.split(",")
    if len(parts) > MAX_NUMBERS:
        message = f"{len(parts)} numbers; 1 to {MAX_NUMBERS} in one answer"
        raise InvalidQuestionError("numbers", message)
    for part in parts:
        # Python refuses to read thousands of digits, zeros in front among them.
        digits = part.isascii() and part.isdecimal() and len(part) <= _LONGEST_NUMBER
        if not digits or int(part) > _MOST_NUMBER:
            raise InvalidQuestionError("numbers", f"{shown(part)} is not the number of a candidate")
    return [int(part) for part in parts]
