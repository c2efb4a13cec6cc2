"""Questions that both spaces of NATS-Bench share: runs by budget, data set and seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from bench_client.arguments import Reduction, whole
from bench_client.frames import Batch, Items
from bench_client.operations import Question, Steps
from bench_client.pages import batch_of, every_batch, every_page, page_of, page_size

__all__ = ["RunFilters", "RunQuestions"]

S = TypeVar("S", bound=BaseModel)
C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class RunFilters:
    """Which runs of an architecture; None is a wildcard.

    Raises:
        InvalidRequestError: A number is none.
    """

    num_epochs: int | None
    dataset: str | None
    seed: int | None

    def sent(self, **arch: Any) -> dict[str, Any]:
        """Return the filters as they are sent, with that of the architecture, if any."""
        return {
            **arch,
            "num_epochs": whole("num_epochs", self.num_epochs),
            "dataset": self.dataset,
            "seed": whole("seed", self.seed),
        }


@dataclass(frozen=True, kw_only=True)
class RunQuestions(Generic[S, C]):
    """How runs of a benchmark are asked for.

    Attributes:
        name: The benchmark.
        stats: The statistics of a run.
        curves: The curves of a run.
        sendable: Makes an architecture one that every transport can pass on.
    """

    name: str
    stats: type[S]
    curves: type[C]
    sendable: Callable[[Any], Any]

    def query(
        self,
        arch: Any,
        which: RunFilters,
        reduction: Reduction | None,
        *,
        include_intermediates: bool,
    ) -> Steps[Items[S]]:
        """Return the statistics of the runs that match."""
        options = {
            **_options(reduction, include_intermediates=include_intermediates),
            "limit": page_size(with_curves=include_intermediates),
        }
        filters = which.sent(arch=self.sendable(arch))
        question = Question("computed_stats", page_of(self.stats), self.name, filters, options)
        return (yield from every_page(question))

    def query_many(
        self,
        archs: Iterable[Any],
        which: RunFilters,
        reduction: Reduction | None,
        *,
        include_intermediates: bool,
    ) -> Steps[Batch[S]]:
        """Return the statistics of the runs of many architectures, aligned with them."""
        options = _options(reduction, include_intermediates=include_intermediates)
        question = Question(
            "computed_stats_many", batch_of(self.stats), self.name, which.sent(), options
        )
        return (
            yield from every_batch(
                question, archs, with_curves=include_intermediates, sendable=self.sendable
            )
        )

    def query_curves(
        self, arch: Any, which: RunFilters, reduction: Reduction | None
    ) -> Steps[Items[C]]:
        """Return the curves of the runs that match, in columns."""
        options = {"reduction": reduction, "limit": page_size(with_curves=True)}
        filters = which.sent(arch=self.sendable(arch))
        question = Question("intermediate_stats", page_of(self.curves), self.name, filters, options)
        return (yield from every_page(question))


def _options(reduction: Reduction | None, *, include_intermediates: bool) -> dict[str, Any]:
    curves = {"include_intermediates": True} if include_intermediates else {}
    return {"reduction": reduction, **curves}
