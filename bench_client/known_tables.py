"""Cache of a client for declared tables: models that are made once from their descriptions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench_client.errors import BenchmarkNotInstalledError, UnexpectedAnswerError
from bench_client.operations import Question
from bench_client.table_version import table_version

if TYPE_CHECKING:
    from bench_client.models.described import TableModels

__all__ = ["KnownTables"]


class KnownTables:
    """Cache of the models of declared tables.

    A table is removed from the cache when a query about it fails, because its description may have
    changed. Copies and pickles start empty, because the models are classes that another process
    does not have.
    """

    def __init__(self) -> None:
        self._known: dict[str, TableModels] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    def of(self, question: Question[Any]) -> TableModels | None:
        """Return the cached models of the table that a question is about, if any."""
        return self._known.get(str(question.benchmark))

    def keep(self, question: Question[Any], info: Any) -> TableModels:
        """Make the models of a table from its description, cache and return them.

        Args:
            question: The question; it may name a version of the table.
            info: The answer.

        Raises:
            BenchmarkNotInstalledError: This client does not know the benchmark.
            UnexpectedAnswerError: The description is inconsistent.
        """
        # Imported here because few programs need these modules, a sixth of the import time.
        from bench_client.models.described import models_of  # noqa: PLC0415
        from benchmark_spec import BenchmarkSpec, SpecError  # noqa: PLC0415

        name, version = table_version(str(question.benchmark))
        if info.spec is None and version is not None:
            raise BenchmarkNotInstalledError(
                f"{name:.80} has no version {version}: only tables that plans make have versions"
            )
        if info.spec is None:
            raise BenchmarkNotInstalledError(
                f"this client does not know the benchmark {info.name!r:.80}: either it has no runs "
                "to query, or the client is older than the server"
            )
        try:
            models = replace(models_of(BenchmarkSpec.of_json(info.spec)), version=version)
        except SpecError as error:
            raise UnexpectedAnswerError(f"the description of {info.name!r:.80}: {error}") from error
        self._known[models.name] = models
        return models

    def forget(self, benchmark: str | None) -> None:
        """Remove a table from the cache, after a query about it failed."""
        if benchmark is not None:
            self._known.pop(benchmark, None)
