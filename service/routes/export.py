"""Exports: everything that matches a question, as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from bench_client.export import PROVENANCE_HEADER, columns_of
from benchmark_db.answers import provenance_mark
from benchmark_db.catalog import Catalog
from benchmark_db.export import export_table
from benchmark_db.export_formats import FORMATS
from benchmark_db.installed_dataset import InstalledDataset
from service.http.export_stream import FileStream
from service.http.openapi import READ_PROBLEMS
from service.http.query import described, read_query
from service.http.respond import cache_headers
from service.routes.hw_nas_bench import HardwareQuestion
from service.routes.nasbench101 import Nb101CurvesQuestion
from service.routes.nasbench201 import CurvesQuestion
from service.routes.natssss import NatsSssCurvesQuestion
from service.routes.nds import NdsCurvesQuestion

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["export"])

_FORMAT: Final = "format"
_REDUCTION: Final = "reduction"
_OF_PAGES: Final = frozenset({"limit", "cursor", "sort"})
"""Parameters of the paged questions that say nothing about a whole table."""


class _NdsQuestion(NdsCurvesQuestion):
    arch: Annotated[
        str | None,
        Field(
            description="A network, as JSON: model_spec and cell_spec in one object; without "
            "cell_spec, one that has no cells.",
        ),
    ] = None


_QUESTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "nasbench101": Nb101CurvesQuestion,
    "nasbench201": CurvesQuestion,
    "natssss": NatsSssCurvesQuestion,
    "nds": _NdsQuestion,
    "hw-nas-bench": HardwareQuestion,
}
"""What is asked page by page, by benchmark."""


class _ExportQuestion(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Annotated[
        Literal["ndjson", "csv", "parquet"],
        Field(
            description="ndjson: a JSON object a row. csv: RFC 4180, UTF-8, null as an empty "
            "field. parquet: compressed by zstd, with units and provenance in its metadata.",
            examples=["csv"],
        ),
    ] = "ndjson"


def _question_of(name: str, paged: type[BaseModel]) -> type[BaseModel]:
    """Return the question whose answer is all that the pages of another hold."""
    fields: dict[str, Any] = {
        field_name: (field.annotation, field)
        for field_name, field in paged.model_fields.items()
        if field_name not in _OF_PAGES
    }
    title = "".join(map(str.capitalize, name.split("-")))
    return create_model(f"{title}ExportQuestion", __base__=_ExportQuestion, **fields)


def _add_route(name: str, paged: type[BaseModel]) -> None:
    model = _question_of(name, paged)

    async def export(request: Request) -> Response:
        """Send everything that matches, as one file that is made while it is read.

        A row is an item of the paged answer, its `config` laid flat; an architecture that is an
        object is one text of JSON. The last column, `synthetic`, marks numbers that are made up.
        The header `X-Provenance` tells where the numbers come from, as JSON. A connection that
        ends before the body does leaves no complete file: the server failed, its log says why.
        """
        question = read_query(request, model).model_dump()
        form, reduction = question.pop(_FORMAT), question.pop(_REDUCTION, None)
        catalog: Catalog = request.app.state.catalog
        table = export_table(
            catalog,
            name,
            question,
            reduction=reduction,
            fields=columns_of(name),
            time_budget=request.app.state.settings.time_budget,
        )
        installed = table.installed
        headers = {
            **cache_headers(request, installed.provenance.content_digest),
            **_file_headers(installed, form, reduction),
        }
        write = partial(FORMATS[form].write, table)
        return FileStream(request, write, exports=request.app.state.exports, headers=headers)

    router.get(
        f"/{name}/export",
        operation_id=f"{name.replace('-', '_')}_export",
        response_class=Response,
        responses={
            200: {
                "description": "The file.",
                "content": {form.media_type.partition(";")[0]: {} for form in FORMATS.values()},
            },
            **READ_PROBLEMS,
        },
        openapi_extra=described(model),
    )(export)


def _file_headers(installed: InstalledDataset, form: str, reduction: str | None) -> dict[str, str]:
    mark = provenance_mark(installed)
    parts = [mark["benchmark"], reduction, "synthetic" if mark["synthetic"] else None]
    name = "-".join(filter(None, parts))
    return {
        "Content-Type": FORMATS[form].media_type,
        "Content-Disposition": f'attachment; filename="{name}.{form}"',
        PROVENANCE_HEADER: json.dumps(mark),
    }


for _name, _paged in _QUESTIONS.items():
    _add_route(_name, _paged)
