"""Answers that come in parts: pages, and batches over the limit of one request."""

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
"""Items in a page: the most the service gives, and fewer where each holds hundreds of epochs."""

BATCH: Final = 10_000
_BATCH_WITH_CURVES: Final = 64
"""Architectures in a request: the most the service takes, and so few that an answer stays within
its 2,000 learning curves at up to 31 runs an architecture (NAS-Bench-201 has 20)."""

_MOST_ITEMS: Final = 10**7
"""In all pages of an answer: twice the runs of the largest benchmark."""

_EMPTY_PAGES: Final = 20
"""Of nothing, that are asked for."""

_SHOWN: Final = 3
"""Malformed architectures that the message of an error tells of."""


def page_of(model: type[T]) -> type[Page[T]]:
    """Return the class of a page of items of a class; made when it is first asked for."""
    return cast("type[Page[T]]", _page_of(model))


@lru_cache(maxsize=256)
def _page_of(model: Any) -> Any:
    # pydantic keeps them too, and takes as long to find one as a look into a table.
    return Page[model]


def batch_of(model: type[T]) -> type[BatchAnswer[T]]:
    """Return the class of the answer about many architectures, with items of a class."""
    return BatchAnswer[model]  # type: ignore[valid-type]  # pydantic's, made as the program runs


def page_size(*, with_curves: bool) -> int:
    """Return how many items to ask for at a time."""
    return _PAGE_WITH_CURVES if with_curves else _PAGE


def every_page(question: Question[Page[T]], at_most: int | None = None) -> Steps[Items[T]]:
    """Ask for page after page and return the items of all.

    Args:
        question: The question, with the size of a page as its `limit`.
        at_most: Stop after so many items, 1 or more.

    Raises:
        TableReplacedError: The database was replaced meanwhile.
        UnexpectedAnswerError: The server turns in circles.
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
                f"the database of {question.benchmark} was replaced while its pages were read: ask "
                "again"
            )
        items += page.items
    return items[:at_most]


def check_progress(cursor: str, seen: set[str], items: int) -> None:
    """Refuse pages without end.

    Args:
        cursor: Of the page that comes next.
        seen: Those of the pages before; it is added.
        items: How many there have been in them.

    Raises:
        UnexpectedAnswerError: The server turns in circles, gives one page after the other with
            nothing in it, or more than there is.
    """
    if cursor in seen:
        raise UnexpectedAnswerError(f"after the page at {cursor!r:.80} comes the same page again")
    seen.add(cursor)
    if items > _MOST_ITEMS or len(seen) > items + _EMPTY_PAGES:
        raise UnexpectedAnswerError(f"after {items} items in {len(seen)} pages there is no end")


def listed_items(question: Question[Any], limit: int | None) -> Steps[list[Any]]:
    """Return the items of a list of the service's own that comes in pages, in its order.

    What is added or removed meanwhile is no error, as it is in a table.

    Args:
        question: Asks for a page, but for its size and place.
        limit: How many items at most; None: all.

    Raises:
        UnexpectedAnswerError: The server turns in circles.
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
    """Ask about as many architectures at a time as the service takes, and return all results.

    Args:
        question: Its answer has `results`, aligned with `archs`.
        archs: The architectures.
        with_curves: Whether the results hold learning curves.
        sendable: Makes an architecture one that every transport can pass on.

    Raises:
        InvalidArchitectureError: Some are malformed; it carries the results of the others.
        TypeError: `archs` is a single architecture.
        UnexpectedAnswerError: The answer is not aligned with the question.
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
    """Ask as `every_result` does, and return the items of each architecture."""
    (model,) = question.answer.__pydantic_generic_metadata__["args"]
    try:
        found = yield from every_result(question, archs, with_curves=with_curves, sendable=sendable)
    except InvalidArchitectureError as error:
        error.results = [None if items is None else Items(items, model) for items in error.results]
        raise
    return Batch(found, model)


def item_model(question: Question[Any]) -> type[Any]:
    """Return the class of the `items` in the answer to a question."""
    (model,) = get_args(question.answer.model_fields["items"].annotation)
    return cast("type[Any]", model)


def batches(
    archs: Iterable[Any], size: int, *, sendable: Callable[[Any], Any]
) -> Iterator[list[Any]]:
    """Yield architectures, so many at a time.

    Args:
        archs: The architectures.
        size: How many.
        sendable: Makes an architecture one that every transport can pass on.

    Raises:
        TypeError: `archs` is a single architecture, or no list.
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
    """Return the error of architectures that are malformed.

    Args:
        bad: What is wrong, by their places.
        asked: How many were asked about.
    """
    shown = "; ".join(f"archs[{position}]: {bad[position]}" for position in list(bad)[:_SHOWN])
    error = InvalidArchitectureError(
        f"{len(bad)} of {asked} architectures are malformed: {shown}"
        + ("; …" if len(bad) > _SHOWN else ""),
        errors=[FieldError(loc=["archs", position], msg=text) for position, text in bad.items()],
    )
    error.positions = tuple(bad)
    return error
