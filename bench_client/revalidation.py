"""Answers taken from a cache: at once while they are fresh, else when the server says they hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from bench_client.freshness import Copy, confirmed, copy_of
from bench_client.operations import Question
from bench_client.responses import read
from bench_client.retries import Outcome

if TYPE_CHECKING:
    from bench_client.cache import AnswerCache

__all__ = ["Write", "ask_through"]

A = TypeVar("A", bound=BaseModel)


class Write(NamedTuple):
    """A step of an exchange: write to the cache, which may wait for other processes."""

    perform: Callable[[], None]


def ask_through(
    cache: AnswerCache,
    question: Question[A],
    target: str,
    send: Callable[[Mapping[str, str]], Generator[Any, Any, Outcome]],
    address: str,
) -> Generator[Any, Any, A]:
    """Answer a question from the cache where HTTP allows, else from the server, and keep that.

    Yields the steps of `send`, and writes, to be sent nothing.

    Args:
        cache: What is at hand.
        question: What is asked.
        target: Its path and query.
        send: Asks the server, with more headers.
        address: The service, as messages may show it.

    Raises:
        BenchError: The server was asked and did not answer, whatever is at hand.
    """
    copy = cache.find(target)
    answer = None if copy is None else _answer_in(copy, question)
    asked = time.time()
    if copy is None or answer is None:
        outcome = yield from send({})
    elif copy.is_fresh(asked) and _stands_alone(answer, question):
        return answer
    else:
        outcome = yield from send({"If-None-Match": copy.etag} if copy.etag else {})
        renewed = confirmed(copy, outcome, asked)
        if renewed is not None:
            yield Write(partial(cache.confirm, target, renewed))
            return answer
    answer = read(question, outcome, address)
    copy = copy_of(outcome, asked)
    if copy is not None:
        yield Write(partial(cache.keep, target, copy))
    return answer


def _answer_in(copy: Copy, question: Question[A]) -> A | None:
    """Return the answer; None for one that another version of this program kept."""
    try:
        return question.answer.model_validate_json(copy.body)
    except ValidationError:
        return None


def _stands_alone(answer: BaseModel, question: Question[Any]) -> bool:
    """Tell whether an answer is whole.

    Pages are checked even while they are fresh: when the database is replaced, some from before and
    some from after would make one answer.
    """
    return "cursor" not in question.options and getattr(answer, "next_cursor", None) is None
