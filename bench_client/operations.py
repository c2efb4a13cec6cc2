"""Methods written once for both clients.

A method of the clients is a generator function that knows nothing of transports: it yields
questions and is sent their answers, so that paging and splitting are written once; one that gets no
answer raises its error where it is asked. `Operation` turns it into a method that blocks on
`BlockingClient`s and one to be awaited on `AwaitedClient`s, with the same signature and
documentation:

    def describe_nb201(arch: Architecture) -> Steps[Nb201Architecture]:
        return (yield from ask(Question("architecture", Nb201Architecture, ...)))

    class Surface:
        describe_nb201 = Operation(lambda: nasbench201.describe_nb201)

The function is looked up when the method is first used: its module, and the models it names, need
not be loaded before.
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
    "Held",
    "KnownTable",
    "Nothing",
    "Operation",
    "Question",
    "Raw",
    "Rest",
    "Steps",
    "Topic",
    "ask",
    "called",
    "drive",
    "drive_awaiting",
    "rest",
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
    "rest",
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
"""What can be asked; every transport knows how."""


@dataclass(frozen=True, slots=True)
class Question(Generic[A]):
    """A question with one answer, in the words of the benchmark rather than of HTTP.

    Attributes:
        topic: What is asked.
        answer: The model of the answer.
        benchmark: Of which benchmark, if of one.
        filters: Which configurations: values by filter name, None being a wildcard.
        options: How the answer should come (`reduction`, `limit`, …), and what else it takes.
        job: About which job, if about one.
        artifact: About which file of it, if about one.
        checkpoint: About which uploaded weights, by their SHA-256, if about some.
        study: About which study, if about one.
        key: Of a submission that stands for one job, however often it is repeated.
        plan: About which plan, if about one.
        action: What to do with it.
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
class Held(Question[A]):
    """A question whose answer may be held back until a job changes, or come at once all the same.

    Attributes:
        seconds: How long it may be held.
        at_once: The question as it is asked where no answer can be waited for.
    """

    seconds: float = field(kw_only=True)
    at_once: Question[A] = field(kw_only=True)


class Raw(Question[A], ABC):
    """A question whose answer is no JSON over HTTP; each kind says how it is read."""

    __slots__ = ()

    @property
    @abstractmethod
    def media_type(self) -> str:
        """What HTTP calls its format."""

    @abstractmethod
    def read(self, headers: Mapping[str, str], content: bytes) -> A:
        """Return the answer.

        Raises:
            ValueError: It is another's answer, or contradicts itself.
        """


class KnownTable(Question[A]):
    """Asks what a declared table is; answered by its models, which the client keeps."""

    __slots__ = ()


class Nothing(BaseModel, defer_build=True):
    """The answer to what is done and has no answer (204), and to a rest."""


@dataclass(frozen=True, slots=True)
class Rest(Question[Nothing]):
    """Asks nothing of anyone: time passes.

    Attributes:
        seconds: How much.
    """

    seconds: float = field(kw_only=True)


Steps: TypeAlias = Generator[Question[Any], Any, R]
"""A method under way: yields questions, is sent their answers, returns what the caller gets."""


def ask(question: Question[A]) -> Generator[Question[A], A, A]:
    """Ask one question, with `yield from`, and return its answer."""
    return (yield question)


def rest(seconds: float) -> Generator[Question[Any], Any, None]:
    """Let time pass, with `yield from`."""
    yield Rest("rest", Nothing, seconds=seconds)


def drive(steps: Generator[Y, Any, R], perform: Callable[[Y], Any]) -> R:
    """Carry out a generator: perform what it yields, send it what comes of it, errors too."""
    try:
        step = next(steps)
        while True:
            try:
                answer = perform(step)
            except Exception as error:  # noqa: BLE001 - the generator's to handle
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        return cast("R", end.value)


async def drive_awaiting(steps: Generator[Y, Any, R], perform: Callable[[Y], Awaitable[Any]]) -> R:
    """Carry out a generator as `drive` does, awaiting each step."""
    try:
        step = next(steps)
        while True:
            try:
                answer = await perform(step)
            except Exception as error:  # noqa: BLE001 - the generator's to handle
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        return cast("R", end.value)


class BlockingClient(ABC):
    """A client whose methods return answers."""

    @abstractmethod
    def _ask(self, question: Question[A]) -> A:
        """Return the answer to a question."""


class AwaitedClient(ABC):
    """A client whose methods return coroutines of answers."""

    @abstractmethod
    async def _ask(self, question: Question[A]) -> A:
        """Return the answer to a question."""


def called(steps: Callable[P, Steps[R]], *args: P.args, **kwargs: P.kwargs) -> Steps[R]:
    """Return what a generator function returns for arguments.

    Raises:
        TypeError: It has no such argument; those with a similar name are told, else all.
    """
    try:
        return steps(*args, **kwargs)
    except TypeError as error:
        known = inspect.signature(steps).parameters
        unknown = [name for name in kwargs if name not in known]
        if not unknown:
            raise
        from difflib import get_close_matches  # noqa: PLC0415 - few are wrong

        near = [get_close_matches(name, known, n=1) for name in unknown]
        meant = ", ".join(names[0] for names in near if names)
        told = f"did you mean {meant}?" if meant else f"it takes {', '.join(known)}"
        raise TypeError(f"{error}; {told}") from None


class Operation(Generic[P, R]):
    """A method of both kinds of clients, made of one generator function.

    Args:
        find: Returns the generator function, which has no `self`; its signature and docstring
            become the method's.
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
            return drive(called(steps, *args, **kwargs), self._ask)

        self._dress(method, steps)
        return method

    @cached_property
    def _awaited(self) -> Callable[Concatenate[AwaitedClient, P], Coroutine[Any, Any, R]]:
        steps = self._find()

        async def method(self: AwaitedClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
            return await drive_awaiting(called(steps, *args, **kwargs), self._ask)

        self._dress(method, steps)
        return method

    def _dress(self, method: Callable[..., Any], steps: Callable[..., Any]) -> None:
        """Give a method the name, documentation and signature that it is to have."""
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
