"""Transport that answers questions from local database files, without a server.

It needs the `local` extra, and is imported only by the constructors `local` of both clients.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar, cast

from pydantic import BaseModel

from bench_client.downloads import Download
from bench_client.errors import (
    BenchError,
    BenchmarkNotInstalledError,
    InvalidArchitectureError,
    InvalidRequestError,
    ServerFailedError,
    TableReplacedError,
    UnsupportedQuestionError,
)
from bench_client.export import ExportDownload, Exported, columns_of
from bench_client.models.answers import FieldError, ProvenanceMark
from bench_client.models.benchmarks import fields_of
from bench_client.operations import Question, Topic
from bench_client.routes import check_sendable
from bench_client.table_version import names_version, table_version
from benchmark_db import answers
from benchmark_db.catalog import Catalog
from benchmark_db.errors import (
    BenchmarkDataError,
    InvalidQuestionError,
    UnknownBenchmarkError,
)
from benchmark_db.errors import InvalidArchitectureError as InvalidSpellingError
from benchmark_db.errors import TableReplacedError as OtherVersionError
from benchmark_db.errors import UnsupportedQuestionError as NoSuchQuestionError
from benchmark_db.export import export_table
from benchmark_db.export_formats import format_named
from benchmark_db.registry import INSTALLABLE

__all__ = ["AsyncLocalTransport", "LocalTransport"]

A = TypeVar("A", bound=BaseModel)

_DIRECTORY_VARIABLE: Final = "NASBENCHMARK_DIR"
_DEFAULT_DIRECTORY: Final = "~/.nasbenchmark"


class LocalTransport:
    """Blocking transport over the databases of a folder; thread-safe.

    Args:
        directory: The folder; None: `$NASBENCHMARK_DIR`, else `~/.nasbenchmark`.

    Raises:
        BenchmarkNotInstalledError: The folder holds no usable database.
    """

    def __init__(self, directory: str | os.PathLike[str] | None) -> None:
        chosen = directory or os.environ.get(_DIRECTORY_VARIABLE) or _DEFAULT_DIRECTORY
        self.directory = Path(chosen).expanduser()
        self._catalog = Catalog(self.directory)
        if not self._catalog.installed:
            raise BenchmarkNotInstalledError(_nothing_in(self.directory, self._catalog))

    def __repr__(self) -> str:
        return f".local({str(self.directory)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Open databases are not copied: the copy opens the folder again.
        return type(self), (self.directory,)

    def ask(self, question: Question[A]) -> A:
        """Answer a question.

        Raises:
            BenchError: As over HTTP.
        """
        if question.topic not in _ANSWERERS:
            raise UnsupportedQuestionError(
                "jobs, plans and studies need a service, and jobs a worker: use BenchClient(URL) "
                "with `nbs serve` and `nbs worker`"
            )
        check_sendable(question)
        try:
            catalog, name = self._at(question)
            if name != question.benchmark:
                question = replace(question, benchmark=name)
            answer = _ANSWERERS[question.topic](catalog, question)
        except BenchmarkDataError as error:
            raise _translated(error) from error
        return question.answer.model_validate(answer)

    def download(self, question: Download[A]) -> A:
        """Write the answer to a question into its file.

        Raises:
            BenchError: As over HTTP.
        """
        if not isinstance(question, ExportDownload):
            raise UnsupportedQuestionError("jobs need a service: use BenchClient(URL)")
        return cast("A", self._export(question))

    def _at(self, question: Question[Any]) -> tuple[Catalog, str | None]:
        """Return the catalog and table name for a question, which may name a table version."""
        if not names_version(question.benchmark):
            return self._catalog, question.benchmark
        name, version = table_version(str(question.benchmark))
        return self._catalog.at_version(name, version or 0), name

    def _export(self, question: ExportDownload) -> Exported:
        check_sendable(question)
        try:
            catalog, asked = self._at(question)
            name = str(asked)
            catalog.entry(name)
            table = export_table(
                catalog,
                name,
                question.filters,
                reduction=question.options["reduction"],
                fields=columns_of(fields_of(catalog.entry(name).spec)),
            )
            with question.opened() as file:
                format_named(question.form).write(table, file)
        except BenchmarkDataError as error:
            raise _translated(error) from error
        mark = answers.provenance_mark(table.installed)
        return Exported(provenance=ProvenanceMark.model_validate(mark))

    def close(self) -> None:
        """Close the databases."""
        self._catalog.close()


class AsyncLocalTransport:
    """Async transport over the databases of a folder.

    Args:
        directory: As for `LocalTransport`.

    Raises:
        BenchmarkNotInstalledError: As for `LocalTransport`.
    """

    def __init__(self, directory: str | os.PathLike[str] | None) -> None:
        self._local = LocalTransport(directory)

    def __repr__(self) -> str:
        return repr(self._local)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._local.directory,)

    async def ask(self, question: Question[A]) -> A:
        """Answer a question; long queries run in a thread and do not block the event loop."""
        if _takes_microseconds(question):
            return self._local.ask(question)
        return await asyncio.to_thread(self._local.ask, question)

    async def download(self, question: Download[A]) -> A:
        """Write the answer to a question into its file, in a thread."""
        return await asyncio.to_thread(self._local.download, question)

    async def close(self) -> None:
        """Close the databases."""
        self._local.close()


def _takes_microseconds(question: Question[Any]) -> bool:
    """Return whether a query takes less time than a switch to a thread."""
    one = question.topic == "computed_stats" and question.filters.get("arch") is not None
    return one and not question.options.get("include_intermediates")


_Answerer: TypeAlias = Callable[[Catalog, Question[Any]], answers.Answer]


def _of_benchmark(answer: Callable[..., answers.Answer]) -> _Answerer:
    """Return an answerer for questions with a benchmark and options."""
    return lambda catalog, question: answer(catalog[str(question.benchmark)], **question.options)


def _of_runs(answer: Callable[..., answers.Answer]) -> _Answerer:
    """Return an answerer for questions with a benchmark, filters and options."""
    return lambda catalog, question: answer(
        catalog[str(question.benchmark)], filters=question.filters, **question.options
    )


def _of_table(answer: Callable[..., answers.Answer]) -> _Answerer:
    """Return an answerer for questions about a whole table, including tables joined to it."""
    return lambda catalog, question: answer(
        catalog, str(question.benchmark), question.filters, **question.options
    )


def _with_defaults(answerer: _Answerer) -> _Answerer:
    """Return an answerer that drops options that are None, so that defaults apply."""

    def answered(catalog: Catalog, question: Question[Any]) -> answers.Answer:
        stated = {name: value for name, value in question.options.items() if value is not None}
        return answerer(catalog, replace(question, options=stated))

    return answered


def _benchmarks(catalog: Catalog, _question: Question[Any]) -> answers.Answer:
    return {"items": [_described(catalog, name) for name in catalog.installed]}


def _benchmark(catalog: Catalog, question: Question[Any]) -> answers.Answer:
    return _described(catalog, str(question.benchmark))


def _described(catalog: Catalog, name: str) -> answers.Answer:
    return {
        **answers.benchmark_answer(catalog, name),
        "fields": fields_of(catalog.entry(name).spec),
    }


def _hardware(catalog: Catalog, question: Question[Any]) -> answers.Answer:
    return answers.hardware_answer(catalog.hardware(), question.filters, **question.options)


def _families(catalog: Catalog, _question: Question[Any]) -> answers.Answer:
    return answers.families_answer(catalog)


def _spellings(catalog: Catalog, question: Question[Any]) -> answers.Answer:
    numbers = list(map(int, question.options["numbers"].split(",")))
    name = str(question.benchmark)
    return answers.spellings_answer(catalog, name, question.filters, numbers=numbers)


def _picture(catalog: Catalog, question: Question[Any]) -> answers.Answer:
    from bench_client.pictures import svg_of  # noqa: PLC0415 - loads model_hub

    drawing = answers.drawing_answer(catalog[str(question.benchmark)], question.options["arch"])
    try:
        return {"svg": svg_of(drawing, question.options["theme"])}
    except ValueError as error:
        raise InvalidSpellingError(str(error)) from error


_ANSWERERS: Final[Mapping[Topic, _Answerer]] = MappingProxyType(
    {
        "architecture": _of_benchmark(answers.architecture_answer),
        "benchmark": _benchmark,
        "benchmarks": _benchmarks,
        "computed_stats": _of_runs(answers.computed_stats_answer),
        "computed_stats_many": _of_runs(answers.many_computed_stats_answer),
        "column": _of_table(answers.column_answer),
        "columns": _of_table(answers.columns_answer),
        "correlation": _with_defaults(_of_table(answers.correlation_answer)),
        "density": _with_defaults(_of_table(answers.density_answer)),
        "distribution": _with_defaults(_of_table(answers.distribution_answer)),
        "families": _families,
        "hardware": _hardware,
        "hash": _of_benchmark(answers.architecture_answer),
        "hash_many": _of_benchmark(answers.architectures_answer),
        "intermediate_stats": _of_runs(answers.intermediate_stats_answer),
        "neighbors": _of_benchmark(answers.neighbors_answer),
        "pareto": _of_table(answers.pareto_answer),
        "picture": _picture,
        "random": _of_benchmark(answers.random_answer),
        "rank": _of_table(answers.rank_answer),
        "run_columns": _of_runs(answers.run_columns_answer),
        "spellings": _spellings,
        "top": _of_table(answers.top_answer),
    }
)


def _translated(error: BenchmarkDataError) -> BenchError:
    """Return the client's error for an error of the database package."""
    if isinstance(error, InvalidQuestionError):
        kind = (
            InvalidArchitectureError
            if isinstance(error, InvalidSpellingError)
            else InvalidRequestError
        )
        # As over HTTP, the message starts with the field, unless it already names it.
        named = re.search(rf"\b{re.escape(error.field)}\b", error.message)
        is_named = kind is InvalidArchitectureError or named is not None
        said = error.message if is_named else f"{error.field}: {error.message}"
        return kind(said, errors=[FieldError(loc=[error.field], msg=error.message)])
    if isinstance(error, UnknownBenchmarkError):
        return BenchmarkNotInstalledError(str(error))
    if isinstance(error, OtherVersionError):
        return TableReplacedError(str(error))
    if isinstance(error, NoSuchQuestionError):
        return UnsupportedQuestionError(str(error))
    return ServerFailedError(str(error))


def _nothing_in(directory: Path, catalog: Catalog) -> str:
    if catalog.unusable:
        return f"no usable database in {directory}: {'; '.join(catalog.unusable.values())}"
    state = "holds no database" if directory.is_dir() else "is not a folder"
    names = ", ".join(f"{name}.db" for name in INSTALLABLE)
    return (
        f"{directory} {state} (looked for {names}): make one with `nbs generate`, or name the "
        f"folder of your databases (--data, ${_DIRECTORY_VARIABLE}); `nbs start` shows how to begin"
    )
