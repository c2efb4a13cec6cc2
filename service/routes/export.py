"""Export routes of every benchmark: all results of a query, as a file."""

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
"""Parameters of paged queries that exports do not have."""


class _ExportQuestion(QuestionModel):
    format: Annotated[
        Literal["ndjson", "csv", "parquet"],
        Field(
            description="ndjson: one JSON object per row. csv: RFC 4180, UTF-8, null as an empty "
            "field. parquet: compressed with zstd, with units and provenance in its metadata.",
            examples=["csv"],
        ),
    ] = "ndjson"


@dataclass(frozen=True, kw_only=True)
class ExportRoute:
    """The export route of a benchmark.

    Attributes:
        name: The benchmark.
        paged: Model of the same query with a paged answer.
    """

    name: str
    paged: LateModel

    def add_to(self, router: APIRouter) -> None:
        """Add the route to the benchmark's router."""
        name, asked = self.name, LateModel(self._question)

        async def export(request: Request) -> Response:
            """Stream all results that match the query as one file.

            Each row is an item of the paged answer with `config` flattened; an architecture that
            is an object becomes a JSON string. The last column, `synthetic`, marks numbers that
            are made up. The header `X-Provenance` has the provenance as JSON. If the connection
            ends before the body is complete, the server failed, and its log says why.
            """
            return _export(request, name, read_query(request, asked.model).model_dump())

        # A separate router, because the document lists all exports together.
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
        """Make the model of the export query from that of the paged query."""
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
