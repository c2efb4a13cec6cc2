"""`BenchClient` and `AsyncBenchClient`, each over HTTP or on local database files."""

from __future__ import annotations

import copy
import os
import time
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self, TypeVar, cast

from pydantic import BaseModel

from bench_client.connections import HttpSettings
from bench_client.downloads import Download
from bench_client.errors import (
    BenchError,
    PartialDataWarning,
    SyntheticDataWarning,
    TableReplacedError,
)
from bench_client.known_tables import KnownTables
from bench_client.late_imports import LateModule
from bench_client.methods import ClientMethods
from bench_client.models.answers import ProvenanceMark
from bench_client.operations import AwaitedClient, BlockingClient, KnownTable, Question, Sleep
from bench_client.over_http import AsyncHttpTransport, HttpTransport
from bench_client.questions import AwaitedQuestions, BlockingQuestions
from bench_client.responses import MAX_ANSWER_BYTES
from bench_client.table_version import names_version
from bench_client.untrusted import cleaned
from missing_extra import needs

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")

__all__ = ["AsyncBenchClient", "BenchClient"]

A = TypeVar("A", bound=BaseModel)

_TIMEOUT: Final = 30.0
_RETRIES: Final = 3


_LONGEST_NAME: Final = 100
"""Characters of a benchmark's name that a warning shows."""


class _Transport(Protocol):
    def ask(self, question: Question[A]) -> A: ...

    def download(self, question: Download[A]) -> A: ...

    def close(self) -> None: ...


class _AsyncTransport(Protocol):
    async def ask(self, question: Question[A]) -> A: ...

    async def download(self, question: Download[A]) -> A: ...

    async def close(self) -> None: ...


class _Notices:
    """Warns once for each benchmark with synthetic numbers and for each incomplete table.

    A copy of a client keeps the record of warnings given and does not repeat them.
    """

    def __init__(self) -> None:
        self._warned: dict[tuple[str, type[UserWarning]], object] = {}

    def check(self, answer: BaseModel) -> None:
        provenance = getattr(answer, "provenance", None)
        if not isinstance(provenance, ProvenanceMark):
            return
        if provenance.synthetic:
            self._warn(
                provenance,
                SyntheticDataWarning,
                f"are made up ({provenance.source:.200}, `nbs sample`): good for trying things "
                "out, not for results",
            )
        if provenance.complete is False and provenance.cells is not None:
            cells = provenance.cells
            self._warn(
                provenance,
                PartialDataWarning,
                f"are {cells.there} of {cells.expected} cells: the table is still growing, and "
                "rankings leave out cells that are not measured yet",
            )

    def _warn(self, mark: ProvenanceMark, kind: type[UserWarning], what: str) -> None:
        name, mine = mark.benchmark[:_LONGEST_NAME], object()
        # setdefault is atomic: one of several threads warns, with no lock that a fork could copy
        # while it is held.
        if self._warned.setdefault((name, kind), mine) is not mine:
            return
        from bench_client.caller_warnings import warn_at_script  # noqa: PLC0415 - rarely used

        warn_at_script(cleaned(f"the numbers of {name} {what}"), kind)


class _Pins:
    """Pinned version of each table, that of the first response about it; copied with the client."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    def check(self, answer: BaseModel) -> None:
        provenance = getattr(answer, "provenance", None)
        digest = getattr(provenance, "content_digest", None)
        if provenance is None or digest is None:
            return
        name = provenance.benchmark[:_LONGEST_NAME]
        # setdefault is atomic, so one of several threads sets the version.
        first = self._digests.setdefault(name, digest)
        if digest != first:
            raise TableReplacedError(
                f"{name} was replaced: its version is now {digest:.19}, and this client is pinned "
                f"to {first:.19}; start again with a new client"
            )


class _Client(ClientMethods):
    """Behaviour that the blocking and the async client share."""

    _over_http: ClassVar[type[HttpTransport | AsyncHttpTransport]]
    _of_files: ClassVar[str]
    _transport: Any

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout: float | None = _TIMEOUT,
        retries: int = _RETRIES,
        api_key: str | None = None,
        compress: bool = False,
        max_answer: int = MAX_ANSWER_BYTES,
        pin: bool = False,
    ) -> None:
        settings = HttpSettings.of(
            url,
            timeout=timeout,
            retries=retries,
            api_key=api_key,
            compress=compress,
            max_answer=max_answer,
        )
        self._use(self._over_http(settings), pin=pin)

    @classmethod
    def local(cls, directory: str | os.PathLike[str] | None = None) -> Self:
        """Return a client with the same methods that reads the database files without a server.

        Args:
            directory: Folder of the databases; None: `$NASBENCHMARK_DIR`, else `~/.nasbenchmark`.

        Raises:
            BenchmarkNotInstalledError: The folder holds no usable database.
            ImportError: The `local` extra is not installed.
        """
        with needs("local", "reading local databases"):
            # Imported here because clients of a server need neither peewee nor numpy.
            from bench_client import local  # noqa: PLC0415
        client = cls.__new__(cls)
        client._use(getattr(local, cls._of_files)(directory))  # noqa: SLF001 - a constructor
        return client

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._transport!r}"

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def _use(self, transport: Any, *, pin: bool = False) -> None:
        self._transport = transport
        self._closed = False
        self._notices = _Notices()
        self._tables = KnownTables()
        self._pins = _Pins() if pin else None

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(f"{self!r} is closed: open another")

    def _check_provenance(self, question: Question[Any], answer: BaseModel) -> None:
        """Warn about synthetic or partial numbers, and refuse another version of a pinned table."""
        self._notices.check(answer)
        if self._pins is not None and not names_version(question.benchmark):
            self._pins.check(answer)


class BenchClient(_Client, BlockingQuestions, BlockingClient):
    """Blocking client of a benchmark service; threads and processes may share one.

    After a fork the child process opens its own connections. A copy or a pickle of a client holds
    the settings, not the connections. The settings include the API key, because a client that is
    unpickled in another process needs it: keep a pickled client as secret as the key.

    Args:
        url: Address of the service; None: `$NASBENCH_URL`, else `http://127.0.0.1:8000`.
        timeout: Longest time without data from the server, in seconds; None: no limit.
        retries: How many times a request is repeated when the connection breaks or the server
            answers 429, 502, 503 or 504. Pauses between retries are jittered, last as long as a
            Retry-After header asks and at most 30 seconds; if the header asks for more, the error
            is raised at once.
        api_key: API key, sent as `Authorization: Bearer`; None: `$NASBENCH_API_KEY`, if set.
        compress: Whether to ask for gzipped responses; useful only over slow networks.
        pin: Whether to accept one version of each table only, that of the first response about it;
            any other version raises TableReplacedError, so that one search sees one table. Copies
            and pickles keep the pinned versions. Versions of joined tables, such as costs on
            devices, are not checked.
        max_answer: Largest size of a response in bytes, compressed or decompressed; reading a
            larger one stops with UnexpectedAnswerError. Files are exempt: an artifact is limited by
            the size that its job states, and exports are written to disk as they arrive.

    Raises:
        InvalidSettingError: The address or the API key is malformed, or a number is out of range.

    An example:

        with BenchClient() as bench:
            runs = bench.query_nb201(arch, 200, "cifar100")
            print(max(run.test_acc for run in runs))
    """

    _over_http = HttpTransport
    _of_files = "LocalTransport"
    _transport: _Transport

    def close(self) -> None:
        """Close the connections; every later request raises RuntimeError."""
        self._closed = True
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, question: Question[A]) -> A:
        self._check_open()
        if isinstance(question, Sleep):
            time.sleep(question.seconds)
            return cast("A", question.answer())
        if isinstance(question, KnownTable):
            known = self._tables.of(question)
            if known is None:
                known = self._tables.keep(question, self._transport.ask(question))
            return cast("A", known)
        try:
            if isinstance(question, Download):
                answer: A = self._transport.download(question)
            else:
                answer = self._transport.ask(question)
        except BenchError:
            self._tables.forget(question.benchmark)
            raise
        self._check_provenance(question, answer)
        return answer


class AsyncBenchClient(_Client, AwaitedQuestions, AwaitedClient):
    """Async client of a benchmark service: the methods of `BenchClient`, as coroutines.

    A client belongs to one event loop; a forked child process uses it in a loop of its own. The
    arguments and errors are those of `BenchClient`.

    An example:

        async with AsyncBenchClient() as bench:
            runs = await bench.query_nb201(arch, 200, "cifar100")
    """

    _over_http = AsyncHttpTransport
    _of_files = "AsyncLocalTransport"
    _transport: _AsyncTransport

    async def close(self) -> None:
        """Close the connections; every later request raises RuntimeError."""
        self._closed = True
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _ask(self, question: Question[A]) -> A:
        self._check_open()
        if isinstance(question, Sleep):
            await asyncio.sleep(question.seconds)
            return cast("A", question.answer())
        if isinstance(question, KnownTable):
            known = self._tables.of(question)
            if known is None:
                known = self._tables.keep(question, await self._transport.ask(question))
            return cast("A", known)
        try:
            if isinstance(question, Download):
                answer: A = await self._transport.download(question)
            else:
                answer = await self._transport.ask(question)
        except BenchError:
            self._tables.forget(question.benchmark)
            raise
        self._check_provenance(question, answer)
        return answer
