"""Routes that every benchmark has: exports of everything that matches a question, as a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, create_model

from bench_client.export import PROVENANCE_HEADER, columns_of
from bench_client.models import fields_of
from benchmark_db.answers import provenance_mark
from benchmark_db.export import export_table
from benchmark_db.export_formats import FORMATS
from benchmark_db.installed_dataset import InstalledDataset
from service.http.openapi import READ_PROBLEMS
from service.http.questions import LateModel, cache_headers, catalog_of, described, read_query
from service.http.streams import FileStream
from service.routes.parameters import QuestionModel

__all__ = ["ExportRoute"]

_FORMAT: Final = "format"
_REDUCTION: Final = "reduction"
_OF_PAGES: Final = frozenset({"limit", "cursor", "sort"})
"""Parameters of the paged questions that say nothing about a whole table."""


class _ExportQuestion(QuestionModel):
    format: Annotated[
        Literal["ndjson", "csv", "parquet"],
        Field(
            description="ndjson: a JSON object a row. csv: RFC 4180, UTF-8, null as an empty "
            "field. parquet: compressed by zstd, with units and provenance in its metadata.",
            examples=["csv"],
        ),
    ] = "ndjson"


@dataclass(frozen=True, kw_only=True)
class ExportRoute:
    """The route of everything that matches a question about a benchmark, as a file.

    Attributes:
        name: The benchmark.
        paged: The same question, asked page by page.
    """

    name: str
    paged: LateModel

    def add_to(self, router: APIRouter) -> None:
        """Add the route to the benchmark's router."""
        name, asked = self.name, LateModel(self._question)

        async def export(request: Request) -> Response:
            """Send everything that matches, as one file that is made while it is read.

            A row is an item of the paged answer, its `config` laid flat; an architecture that is an
            object is one text of JSON. The last column, `synthetic`, marks numbers that are made
            up. The header `X-Provenance` tells where the numbers come from, as JSON. A connection
            that ends before the body does leaves no complete file: the server failed, its log says
            why.
            """
            return _export(request, name, read_query(request, asked.model).model_dump())

        # A router of its own, because the document lists exports together.
        exports = APIRouter(prefix="/v1", tags=["export"])
        exports.get(
            f"/{name}/export",
            operation_id=f"{name.replace('-', '_')}_export",
            summary=f"Download all results of {name} as a file",
            response_class=Response,
            responses={
                200: {
                    "description": "The file.",
                    "content": {form.media_type.partition(";")[0]: {} for form in FORMATS.values()},
                },
                **READ_PROBLEMS,
            },
            openapi_extra=described(asked),
        )(export)
        router.routes.extend(exports.routes)

    def _question(self) -> type[BaseModel]:
        """Return the question whose answer is all that the pages of another hold."""
        fields: dict[str, Any] = {
            field_name: (field.annotation, field)
            for field_name, field in self.paged.model.model_fields.items()
            if field_name not in _OF_PAGES
        }
        title = "".join(map(str.capitalize, self.name.split("-")))
        return create_model(f"{title}ExportQuestion", __base__=_ExportQuestion, **fields)


def _export(request: Request, name: str, question: dict[str, Any]) -> Response:
    form, reduction = question.pop(_FORMAT), question.pop(_REDUCTION, None)
    catalog = catalog_of(request)
    table = export_table(
        catalog,
        name,
        question,
        reduction=reduction,
        fields=columns_of(fields_of(catalog.entry(name).spec)),
        time_budget=request.app.state.settings.time_budget,
    )
    installed = table.installed
    headers = {
        **cache_headers(request, installed.provenance.identity),
        **_file_headers(installed, form, reduction),
    }
    write = partial(FORMATS[form].write, table)
    return FileStream(request, write, exports=request.app.state.exports, headers=headers)


def _file_headers(installed: InstalledDataset, form: str, reduction: str | None) -> dict[str, str]:
    mark = provenance_mark(installed)
    parts = [mark["benchmark"], reduction, "synthetic" if mark["synthetic"] else None]
    name = "-".join(filter(None, parts))
    return {
        "Content-Type": FORMATS[form].media_type,
        "Content-Disposition": f'attachment; filename="{name}.{form}"',
        PROVENANCE_HEADER: json.dumps(mark),
    }
