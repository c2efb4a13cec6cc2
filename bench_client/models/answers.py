"""Base classes of wire models: pages, batches, problem documents and provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bench_client.untrusted import check_key_count

__all__ = [
    "BatchAnswer",
    "BatchError",
    "CellCounts",
    "FieldError",
    "Listed",
    "Members",
    "NetworkModel",
    "Page",
    "Problem",
    "ProvenanceMark",
    "WireModel",
]


_MODEL: Final = ("model_copy", "model_dump", "model_dump_json")
_OTHERS: Final = frozenset({BaseModel, Generic, object})
_HIDDEN: Final = frozenset(
    name for name in dir(BaseModel) if not name.startswith("__") and name not in _MODEL
)
"""Attributes of pydantic that `dir` leaves out."""


class WireModel(BaseModel):
    """Base class of wire models.

    Models are frozen. Unknown JSON fields are ignored, so that a newer server does not break an
    older client. NaN and infinities are refused, because JSON cannot represent them.

    Attributes:
        arch_columns: Data frame columns that the architecture of a model is split into, each with
            its key or index in the architecture.
    """

    arch_columns: ClassVar[Mapping[str, str | int]] = MappingProxyType({})

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, defer_build=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Yield the fields for `repr`, with long lists shortened."""
        shortened = _notebooks().shortened
        for name, value in super().__repr_args__():
            yield name, shortened(value)

    def __dir__(self) -> list[str]:
        """Return fields and methods without pydantic's own, which would crowd a completion."""
        own = {name for kind in type(self).__mro__ if kind not in _OTHERS for name in vars(kind)}
        public = {name for name in own if not name.startswith(("_", "model_"))}
        return sorted({*type(self).model_fields, *public, *_MODEL, *object.__dir__(self)} - _HIDDEN)

    def _repr_html_(self) -> str:
        """Return the fields as an HTML table with units, for notebooks."""
        html: str = _notebooks().html_of_fields(self)
        return html


class NetworkModel(WireModel):
    """Base class of models that identify a network: configurations and architectures.

    Attributes:
        benchmark: Name of the benchmark of the architecture.
    """

    benchmark: ClassVar[str] = ""


def _notebooks() -> Any:
    # Imported here because it imports the models, and only notebooks need it.
    return import_module("bench_client.notebooks")


T = TypeVar("T", bound=BaseModel)
E = TypeVar("E")

Listed: TypeAlias = Annotated[list[E], Field(fail_fast=True)]
"""A list whose validation stops at the first error: an error for each of millions of elements would
fill the memory."""

Members: TypeAlias = Annotated[dict[str, E], BeforeValidator(check_key_count)]
"""A JSON object with arbitrary keys; objects with too many keys are refused."""


class CellCounts(WireModel):
    """Completeness of a table that a plan measures or has measured."""

    expected: int = Field(description="Cells of the plan: architecture, seed and budget.")
    there: int = Field(description="Cells in the table.")
    diverged: int = Field(description="Cells in the table whose loss became NaN or infinite.")
    failed: int = Field(description="Cells that have failed.")
    withdrawn: int = Field(description="Results that were withdrawn.")


class ProvenanceMark(WireModel):
    """Database that the numbers of a response come from."""

    benchmark: str = Field(description="Name of the benchmark.")
    source: str = Field(description="File or folder name of the raw archive.")
    synthetic: bool = Field(description="Whether the numbers are made up, for trying things out.")
    content_digest: str = Field(
        description="SHA-256 of the database's content, whatever archive it was made from."
    )
    version: int | None = Field(None, description="Version of a plan's table.")
    complete: bool | None = Field(None, description="Whether a plan's table is final.")
    cells: CellCounts | None = Field(None, description="Completeness of a plan's table.")


class Page(WireModel, Generic[T]):
    """A page of the items that match a query, in stable order."""

    items: Listed[T] = Field(description="The items; empty if nothing matches.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor`, with the same filters, for the next page; null: last "
        "page."
    )
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")


class FieldError(WireModel):
    """What is wrong with one field of a request."""

    loc: Listed[str | int] = Field(
        description="Path to the field, outermost first.", examples=[["query", "arch"]]
    )
    msg: str = Field(description="What is wrong with it and what would be right.")


class Problem(WireModel):
    """A problem document (RFC 9457, `application/problem+json`)."""

    type: str = Field("about:blank", description="URI that identifies the kind of problem.")
    title: str | None = Field(None, description="The kind of problem in a few words.")
    status: int | None = Field(None, description="HTTP status code.")
    detail: str | None = Field(None, description="What happened here and what to do about it.")
    instance: str | None = Field(None, description="URI reference of this occurrence.")
    request_id: str | None = Field(None, description="Id of the request in the logs of the server.")
    errors: Listed[FieldError] = Field([], description="Invalid fields of a malformed request.")


class BatchError(WireModel):
    """Entry of a batch for a malformed architecture."""

    error: Problem = Field(description="What is wrong with the architecture.")


# Tried in order, which tells a list from an object without validating their contents twice.
BatchResult: TypeAlias = Annotated[Listed[T] | BatchError, Field(union_mode="left_to_right")]


class BatchAnswer(WireModel, Generic[T]):
    """Results for many architectures."""

    results: Listed[BatchResult[T]] = Field(
        description="One entry per architecture, in the order of the request: its items (empty if "
        "nothing matches), or the error of a malformed architecture."
    )
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")
