"""Client methods, written once for the blocking and the async client.

A method is a generator function that does not depend on the transport: it yields `Question`s and
is sent their answers, so that paging and splitting into batches are written once. If a question
fails, its error is raised at the `yield`. `Operation` turns the function into a blocking method of
`BlockingClient`s and a coroutine method of `AwaitedClient`s with the same signature and docstring:

    def describe_nb201(arch: Architecture) -> Steps[Nb201Architecture]:
        return (yield from ask(Question("architecture", Nb201Architecture, ...)))

    class ClientMethods:
        describe_nb201 = Operation(lambda: nasbench201.describe_nb201)

The function is looked up when the method is first used, so that its module and the models it names
are imported only then.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, update_wrapper
from types import MethodType
from typing import (
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    TypeAlias,
    TypeVar,
    cast,
    get_args,
    overload,
)

from pydantic import BaseModel

__all__ = [
    "AwaitedClient",
    "BlockingClient",
    "KnownTable",
    "LongPoll",
    "NoContent",
    "Operation",
    "Question",
    "Raw",
    "Sleep",
    "Steps",
    "Topic",
    "ask",
    "call_with_hints",
    "drive",
    "drive_async",
    "sleep",
]

P = ParamSpec("P")
R = TypeVar("R")
Y = TypeVar("Y")
A = TypeVar("A", bound=BaseModel)

Topic: TypeAlias = Literal[
    "architecture",
    "artifact",
    "benchmark",
    "benchmarks",
    "cancel_job",
    "change_plan",
    "check_plan",
    "checkpoints",
    "column",
    "columns",
    "computed_stats",
    "computed_stats_many",
    "correlation",
    "datasets",
    "delete_checkpoint",
    "density",
    "distribution",
    "export",
    "families",
    "hardware",
    "hash",
    "hash_many",
    "intermediate_stats",
    "job",
    "jobs",
    "keep_version",
    "measure_cells",
    "neighbors",
    "pareto",
    "picture",
    "plan",
    "plan_cells",
    "plan_map",
    "plans",
    "random",
    "rank",
    "sleep",
    "run_columns",
    "spellings",
    "stop_job",
    "studies",
    "study",
    "submit_evaluation",
    "submit_latency",
    "submit_model",
    "submit_plan",
    "submit_supernet",
    "submit_training",
    "top",
    "withdraw_cell",
    "workers",
    "zoo",
]
"""Kinds of requests; `routes` maps each to HTTP and `local` some to database queries."""


@dataclass(frozen=True, slots=True)
class Question(Generic[A]):
    """A request that does not depend on the transport, with the model of its answer.

    Attributes:
        topic: Kind of request.
        answer: Model of the answer.
        benchmark: Name of the benchmark, if the request is about one.
        filters: Which configurations: values by filter name, None being a wildcard.
        options: Other arguments, such as `reduction` and `limit`.
        job: Id of the job, if the request is about one.
        artifact: Name of an artifact of the job.
        checkpoint: SHA-256 of uploaded weights.
        study: Name of the study.
        key: Idempotency key of a submission.
        plan: Name of the plan.
        action: Action on the plan.
    """

    topic: Topic
    answer: type[A]
    benchmark: str | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    job: str | None = None
    artifact: str | None = None
    checkpoint: str | None = None
    study: str | None = None
    key: str | None = None
    plan: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class LongPoll(Question[A]):
    """A long poll: the server may delay its answer until a job or plan changes.

    Attributes:
        seconds: Longest delay, in seconds.
        without_delay: The same question without the delay, for when too many long polls are open.
    """

    seconds: float = field(kw_only=True)
    without_delay: Question[A] = field(kw_only=True)


class Raw(Question[A], ABC):
    """A question whose HTTP response is not JSON; each subclass parses its own format."""

    __slots__ = ()

    @property
    @abstractmethod
    def media_type(self) -> str:
        """Media type of the response."""

    @abstractmethod
    def read(self, headers: Mapping[str, str], content: bytes) -> A:
        """Parse the response.

        Raises:
            ValueError: The response is inconsistent, or answers another question.
        """


class KnownTable(Question[A]):
    """Asks for the description of a declared table; the client caches the models made from it."""

    __slots__ = ()


class NoContent(BaseModel, defer_build=True):
    """The answer of requests without a response body (204), and of `Sleep`."""


@dataclass(frozen=True, slots=True)
class Sleep(Question[NoContent]):
    """A pause; the client sleeps and sends nothing.

    Attributes:
        seconds: Length of the pause.
    """

    seconds: float = field(kw_only=True)


Steps: TypeAlias = Generator[Question[Any], Any, R]
"""A running method: yields questions, is sent their answers, returns the method's result."""


def ask(question: Question[A]) -> Generator[Question[A], A, A]:
    """Ask one question, with `yield from`, and return its answer."""
    return (yield question)


def sleep(seconds: float) -> Generator[Question[Any], Any, None]:
    """Pause, with `yield from`."""
    yield Sleep("sleep", NoContent, seconds=seconds)


def drive(steps: Generator[Y, Any, R], perform: Callable[[Y], Any]) -> R:
    """Run a generator to its end: perform each step it yields and send it the result or error."""
    try:
        step = next(steps)
        while True:
            try:
                answer = perform(step)
            except Exception as error:  # noqa: BLE001 - the generator handles it
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        return cast("R", end.value)


async def drive_async(steps: Generator[Y, Any, R], perform: Callable[[Y], Awaitable[Any]]) -> R:
    """Run a generator as `drive` does, awaiting each step."""
    try:
        step = next(steps)
        while True:
            try:
                answer = await perform(step)
            except Exception as error:  # noqa: BLE001 - the generator handles it
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        return cast("R", end.value)


class BlockingClient(ABC):
    """A client whose methods block and return their results."""

    @abstractmethod
    def _ask(self, question: Question[A]) -> A:
        """Return the answer to a question."""


class AwaitedClient(ABC):
    """A client whose methods are coroutines."""

    @abstractmethod
    async def _ask(self, question: Question[A]) -> A:
        """Return the answer to a question."""


def call_with_hints(steps: Callable[P, Steps[R]], *args: P.args, **kwargs: P.kwargs) -> Steps[R]:
    """Call a generator function, with suggestions in the error for an unknown argument.

    Raises:
        TypeError: An argument is unknown; the message lists similar names, or all if none is.
    """
    try:
        return steps(*args, **kwargs)
    except TypeError as error:
        known = inspect.signature(steps).parameters
        unknown = [name for name in kwargs if name not in known]
        if not unknown:
            raise
        from difflib import get_close_matches  # noqa: PLC0415 - only for errors

        near = [get_close_matches(name, known, n=1) for name in unknown]
        meant = ", ".join(names[0] for names in near if names)
        told = f"did you mean {meant}?" if meant else f"it takes {', '.join(known)}"
        raise TypeError(f"{error}; {told}") from None


class Operation(Generic[P, R]):
    """Descriptor that makes a generator function a method of both kinds of clients.

    Args:
        find: Returns the generator function, which has no `self`; the method takes over its
            signature and docstring.
    """

    def __init__(self, find: Callable[[], Callable[P, Steps[R]]]) -> None:
        self._find = find
        self._name = self._qualname = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._qualname = name, f"{owner.__qualname__}.{name}"

    @cached_property
    def _blocking(self) -> Callable[Concatenate[BlockingClient, P], R]:
        steps = self._find()

        def method(self: BlockingClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
            return drive(call_with_hints(steps, *args, **kwargs), self._ask)

        self._copy_metadata(method, steps)
        return method

    @cached_property
    def _awaited(self) -> Callable[Concatenate[AwaitedClient, P], Coroutine[Any, Any, R]]:
        steps = self._find()

        async def method(self: AwaitedClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
            return await drive_async(call_with_hints(steps, *args, **kwargs), self._ask)

        self._copy_metadata(method, steps)
        return method

    def _copy_metadata(self, method: Callable[..., Any], steps: Callable[..., Any]) -> None:
        """Set the name, docstring and signature of a method."""
        signature = inspect.signature(steps, eval_str=True)
        *_, returned = get_args(signature.return_annotation)
        client = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        signature = signature.replace(
            parameters=[client, *signature.parameters.values()], return_annotation=returned
        )
        update_wrapper(method, steps)
        method.__name__, method.__qualname__ = self._name, self._qualname
        method.__dict__["__signature__"] = signature
        method.__annotations__ = {**method.__annotations__, "return": returned}

    @overload
    def __get__(self, client: BlockingClient, owner: type) -> Callable[P, R]: ...

    @overload
    def __get__(
        self, client: AwaitedClient, owner: type
    ) -> Callable[P, Coroutine[Any, Any, R]]: ...

    @overload
    def __get__(
        self, client: None, owner: type[BlockingClient]
    ) -> Callable[Concatenate[BlockingClient, P], R]: ...

    @overload
    def __get__(
        self, client: None, owner: type[AwaitedClient]
    ) -> Callable[Concatenate[AwaitedClient, P], Coroutine[Any, Any, R]]: ...

    def __get__(self, client: BlockingClient | AwaitedClient | None, owner: type) -> Any:
        method = self._awaited if issubclass(owner, AwaitedClient) else self._blocking
        return method if client is None else MethodType(method, client)
