"""The frames of answers: pages, batches, problems, and the origin of every number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bench_client.untrusted import few_members

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
"""What pydantic gives its models, and readers of an answer have no use for."""


class WireModel(BaseModel):
    """Base of everything that crosses the wire.

    Frozen; unknown JSON fields are ignored, so that a newer server does not break this client.
    NaN and infinities, which JSON has not, are none of its numbers.

    Attributes:
        arch_columns: Of a model with an architecture: the columns of a data frame that it is taken
            apart into, each with its place in the architecture.
    """

    arch_columns: ClassVar[Mapping[str, str | int]] = MappingProxyType({})

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, defer_build=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Yield the fields as a representation shows them: of long lists the beginning."""
        shortened = _notebooks().shortened
        for name, value in super().__repr_args__():
            yield name, shortened(value)

    def __dir__(self) -> list[str]:
        """Return the fields and what is to be done with them: pydantic's own would hide them."""
        own = {name for kind in type(self).__mro__ if kind not in _OTHERS for name in vars(kind)}
        public = {name for name in own if not name.startswith(("_", "model_"))}
        return sorted({*type(self).model_fields, *public, *_MODEL, *object.__dir__(self)} - _HIDDEN)

    def _repr_html_(self) -> str:
        """Return the fields as a table with units, as notebooks show it."""
        html: str = _notebooks().html_of_fields(self)
        return html


class NetworkModel(WireModel):
    """Base of what tells which network is meant: configurations and architectures.

    Attributes:
        benchmark: The benchmark whose architectures these are.
    """

    benchmark: ClassVar[str] = ""


def _notebooks() -> Any:
    # Not at the top: it knows the models, and a program has no use for it.
    return import_module("bench_client.notebooks")


T = TypeVar("T", bound=BaseModel)
E = TypeVar("E")

Listed: TypeAlias = Annotated[list[E], Field(fail_fast=True)]
"""A list that is refused for its first bad element: an error for each of millions would fill the
memory."""

Members: TypeAlias = Annotated[dict[str, E], BeforeValidator(few_members)]
"""An object whose members have names of their own; it is refused whole where they are many."""


class CellCounts(WireModel):
    """How much of a table is there that is, or was, measured by a plan."""

    expected: int = Field(description="Cells of the plan: an architecture, a seed, a budget each.")
    there: int = Field(description="Cells in the table.")
    diverged: int = Field(description="Of them, those whose loss was no finite number any more.")
    failed: int = Field(description="Cells that have failed.")
    withdrawn: int = Field(description="Results that were withdrawn.")


class ProvenanceMark(WireModel):
    """Which database the numbers of an answer come from."""

    benchmark: str = Field(description="Name of the benchmark.")
    source: str = Field(description="File or folder name of the raw archive.")
    synthetic: bool = Field(description="Whether the numbers are made up, for trying things out.")
    content_digest: str = Field(
        description="SHA-256 of what the database answers, whatever archive it was made from."
    )
    version: int | None = Field(None, description="Of a table that a plan makes: which it is.")
    complete: bool | None = Field(
        None, description="Of a table that a plan makes: whether nothing more comes."
    )
    cells: CellCounts | None = Field(
        None, description="Of a table that a plan makes: how many of how many are there."
    )


class Page(WireModel, Generic[T]):
    """Some of the items that match a question, in stable order."""

    items: Listed[T] = Field(description="The items; empty when nothing matches.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor`, with the same filters, for the next page; null: no more."
    )
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")


class FieldError(WireModel):
    """What is wrong with one field of a request."""

    loc: Listed[str | int] = Field(
        description="Path to the field, outermost first.", examples=[["query", "arch"]]
    )
    msg: str = Field(description="What is wrong with it and what would be right.")


class Problem(WireModel):
    """An error, as RFC 9457 (`application/problem+json`) writes it."""

    type: str = Field("about:blank", description="URI that identifies the kind of problem.")
    title: str | None = Field(None, description="The kind of problem in a few words.")
    status: int | None = Field(None, description="The HTTP status.")
    detail: str | None = Field(None, description="What happened here and what to do about it.")
    instance: str | None = Field(None, description="URI reference of this occurrence.")
    request_id: str | None = Field(
        None, description="Identifies the request in the logs of the server."
    )
    errors: Listed[FieldError] = Field([], description="For a malformed request: each bad field.")


class BatchError(WireModel):
    """Stands in a batch in the place of an architecture that is malformed."""

    error: Problem = Field(description="What is wrong with the architecture.")


# Tried in order: telling a list from an object needs no look at their contents.
BatchResult: TypeAlias = Annotated[Listed[T] | BatchError, Field(union_mode="left_to_right")]


class BatchAnswer(WireModel, Generic[T]):
    """The answer to a question about many architectures."""

    results: Listed[BatchResult[T]] = Field(
        description="One entry an architecture, in the order asked: its items (empty when nothing "
        "matches), or the error of a malformed architecture."
    )
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")
