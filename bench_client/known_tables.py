"""What a client knows of declared tables: their models, made once from their descriptions."""

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
    """The models of the declared tables that a client has asked about.

    A table whose questions fail is asked about again: its description may have changed. A copy or a
    pickle knows none, because the models are classes that another process has not.
    """

    def __init__(self) -> None:
        self._known: dict[str, TableModels] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    def of(self, question: Question[Any]) -> TableModels | None:
        """Return the models of the table that a question is about, if they are known."""
        return self._known.get(str(question.benchmark))

    def keep(self, question: Question[Any], info: Any) -> TableModels:
        """Make the models of a table of what a server says of it, and return them.

        Args:
            question: What was asked; it may name a version of the table.
            info: The answer.

        Raises:
            BenchmarkNotInstalledError: It is no declared table, and none that this client knows.
            UnexpectedAnswerError: Its description contradicts itself.
        """
        # Few ask about tables, and descriptions are a sixth of what the client would load.
        from bench_client.models.described import models_of  # noqa: PLC0415
        from benchmark_spec import BenchmarkSpec, SpecError  # noqa: PLC0415

        name, version = table_version(str(question.benchmark))
        if info.spec is None and version is not None:
            raise BenchmarkNotInstalledError(
                f"{name:.80} has no version {version}: only tables that plans make have some"
            )
        if info.spec is None:
            raise BenchmarkNotInstalledError(
                f"this client knows no benchmark {info.name!r:.80}: it has no runs to ask for, or "
                "the client is older than the server"
            )
        try:
            models = replace(models_of(BenchmarkSpec.of_json(info.spec)), version=version)
        except SpecError as error:
            raise UnexpectedAnswerError(f"the description of {info.name!r:.80}: {error}") from error
        self._known[models.name] = models
        return models

    def forget(self, benchmark: str | None) -> None:
        """Ask anew what a table is: a question about it failed."""
        if benchmark is not None:
            self._known.pop(benchmark, None)
