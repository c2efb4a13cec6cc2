"""Results of several requests: pages, and batches above the limit of one request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Any, Final, TypeVar, cast, get_args

from pydantic import BaseModel

from bench_client.arguments import listed, plain
from bench_client.errors import (
    InvalidArchitectureError,
    TableReplacedError,
    UnexpectedAnswerError,
)
from bench_client.frames import Batch, Items
from bench_client.models.answers import BatchAnswer, BatchError, FieldError, Page
from bench_client.operations import Question, Steps, ask

__all__ = [
    "BATCH",
    "batch_of",
    "batches",
    "check_progress",
    "every_batch",
    "every_page",
    "every_result",
    "item_model",
    "listed_items",
    "malformed_error",
    "page_of",
    "page_size",
]

T = TypeVar("T", bound=BaseModel)

_PAGE: Final = 1000
_PAGE_WITH_CURVES: Final = 200
"""Items per page: the service's maximum, and fewer if each item holds hundreds of epochs."""

BATCH: Final = 10_000
_BATCH_WITH_CURVES: Final = 64
"""Architectures per request: the service's maximum, and few enough for its limit of 2,000 learning
curves per response at up to 31 runs per architecture (NAS-Bench-201 has 20)."""

_MAX_ITEMS: Final = 10**7
"""Most items in all pages of a query: twice the runs of the largest benchmark."""

_EMPTY_PAGES: Final = 20
"""Most empty pages that are accepted."""

_SHOWN: Final = 3
"""Malformed architectures that an error message shows."""


def page_of(model: type[T]) -> type[Page[T]]:
    """Return the page model of an item model; cached."""
    return cast("type[Page[T]]", _page_of(model))


@lru_cache(maxsize=256)
def _page_of(model: Any) -> Any:
    # pydantic caches parametrised models too, but its look-up takes as long as a local query.
    return Page[model]


def batch_of(model: type[T]) -> type[BatchAnswer[T]]:
    """Return the model of a response about many architectures, for an item model."""
    return BatchAnswer[model]  # type: ignore[valid-type]  # parametrised at run time


def page_size(*, with_curves: bool) -> int:
    """Return the number of items per page."""
    return _PAGE_WITH_CURVES if with_curves else _PAGE


def every_page(question: Question[Page[T]], at_most: int | None = None) -> Steps[Items[T]]:
    """Fetch all pages of a question and return their items.

    Args:
        question: The question, with the page size as its `limit`.
        at_most: Maximum number of items, at least 1.

    Raises:
        TableReplacedError: The database was replaced between two pages.
        UnexpectedAnswerError: The pages of the server do not end.
    """
    if at_most is not None:
        limit = min(at_most, question.options["limit"])
        question = replace(question, options={**question.options, "limit": limit})
    page = yield from ask(question)
    content = page.provenance.content_digest
    items = Items(page.items, item_model(question))
    seen: set[str] = set()
    while page.next_cursor is not None and (at_most is None or len(items) < at_most):
        cursor = page.next_cursor
        check_progress(cursor, seen, len(items))
        page = yield from ask(replace(question, options={**question.options, "cursor": cursor}))
        if page.provenance.content_digest != content:
            raise TableReplacedError(
                f"the database of {question.benchmark} was replaced during the query: repeat it"
            )
        items += page.items
    return items[:at_most]


def check_progress(cursor: str, seen: set[str], items: int) -> None:
    """Check that the pages of a query can end.

    Args:
        cursor: Cursor of the next page.
        seen: Cursors of earlier pages; `cursor` is added.
        items: Number of items in earlier pages.

    Raises:
        UnexpectedAnswerError: A cursor is repeated, too many pages are empty, or there are more
            items than any benchmark has.
    """
    if cursor in seen:
        raise UnexpectedAnswerError(f"the server repeats the page at {cursor!r:.80}")
    seen.add(cursor)
    if items > _MAX_ITEMS or len(seen) > items + _EMPTY_PAGES:
        raise UnexpectedAnswerError(
            f"the pages do not end after {items} items in {len(seen)} pages"
        )


def listed_items(question: Question[Any], limit: int | None) -> Steps[list[Any]]:
    """Fetch the items of a list of the service, such as its jobs, page by page.

    Unlike in a table, changes between two pages are not an error.

    Args:
        question: Question for a page, without page size and cursor.
        limit: Maximum number of items; None: all.

    Raises:
        UnexpectedAnswerError: The pages of the server do not end.
    """
    found: list[Any] = []
    cursor = None
    seen: set[str] = set()
    while limit is None or len(found) < limit:
        size = _PAGE if limit is None else min(_PAGE, limit - len(found))
        options = {**question.options, "limit": size, "cursor": cursor}
        page = yield from ask(replace(question, options=options))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
        check_progress(cursor, seen, len(found))
    return found[:limit]


def every_result(
    question: Question[Any],
    archs: Iterable[Any],
    *,
    with_curves: bool,
    sendable: Callable[[Any], Any] = plain,
) -> Steps[list[Any]]:
    """Fetch results for architectures in batches, and return all of them.

    Args:
        question: Question whose answer has `results`, aligned with `archs`.
        archs: The architectures.
        with_curves: Whether results include learning curves.
        sendable: Converts an architecture to JSON-compatible types.

    Raises:
        InvalidArchitectureError: Some architectures are malformed; the error's `results` holds the
            results of the others.
        TypeError: `archs` is a single architecture.
        UnexpectedAnswerError: The number of results differs from that of architectures.
    """
    results: list[Any] = []
    for batch in batches(archs, _BATCH_WITH_CURVES if with_curves else BATCH, sendable=sendable):
        options = {**question.options, "archs": batch}
        answer = yield from ask(replace(question, options=options))
        if len(answer.results) != len(batch):
            raise UnexpectedAnswerError(
                f"{len(answer.results)} results for {len(batch)} architectures"
            )
        results += answer.results
    return _without_errors(results)


def every_batch(
    question: Question[BatchAnswer[T]],
    archs: Iterable[Any],
    *,
    with_curves: bool,
    sendable: Callable[[Any], Any] = plain,
) -> Steps[Batch[T]]:
    """Fetch results as `every_result` does, and return them as a `Batch`."""
    (model,) = question.answer.__pydantic_generic_metadata__["args"]
    try:
        found = yield from every_result(question, archs, with_curves=with_curves, sendable=sendable)
    except InvalidArchitectureError as error:
        error.results = [None if items is None else Items(items, model) for items in error.results]
        raise
    return Batch(found, model)


def item_model(question: Question[Any]) -> type[Any]:
    """Return the model of the `items` in the answer to a question."""
    (model,) = get_args(question.answer.model_fields["items"].annotation)
    return cast("type[Any]", model)


def batches(
    archs: Iterable[Any], size: int, *, sendable: Callable[[Any], Any]
) -> Iterator[list[Any]]:
    """Split architectures into batches.

    Args:
        archs: The architectures.
        size: Architectures per batch.
        sendable: Converts an architecture to JSON-compatible types.

    Raises:
        TypeError: `archs` is a single architecture, or not iterable.
    """
    rest = map(sendable, listed("archs", archs, "architecture"))
    while batch := list(islice(rest, size)):
        yield batch


def _without_errors(results: list[Any]) -> list[Any]:
    found = [None if isinstance(result, BatchError) else result for result in results]
    good = [result for result in found if result is not None]
    if len(good) == len(results):
        return good
    bad = {
        position: result.error.detail or "malformed"
        for position, result in enumerate(results)
        if isinstance(result, BatchError)
    }
    error = malformed_error(bad, len(results))
    error.results = found
    raise error


def malformed_error(bad: Mapping[int, str], asked: int) -> InvalidArchitectureError:
    """Return the error for malformed architectures of a batch.

    Args:
        bad: What is wrong, by position.
        asked: Number of architectures in the batch.
    """
    shown = "; ".join(f"archs[{position}]: {bad[position]}" for position in list(bad)[:_SHOWN])
    error = InvalidArchitectureError(
        f"{len(bad)} of {asked} architectures are malformed: {shown}"
        + ("; …" if len(bad) > _SHOWN else ""),
        errors=[FieldError(loc=["archs", position], msg=text) for position, text in bad.items()],
    )
    error.positions = tuple(bad)
    return error
