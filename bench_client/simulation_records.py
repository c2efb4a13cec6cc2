"""What evaluations look up: recorded runs, and which of them counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from bench_client import nasbench101, nasbench201, natssss
from bench_client.errors import InvalidArchitectureError, NotRecordedError
from bench_client.frames import Batch
from bench_client.models.answers import FieldError
from bench_client.models.nasbench101 import Nb101Epoch, Nb101Stats
from bench_client.operations import Steps
from bench_client.run_choice import chosen_run
from bench_client.simulation_ledger import Fidelity, Observation, RunStats
from bench_client.simulation_settings import SimulationSettings

__all__ = ["Records"]


class _Queries(NamedTuple):
    """How the runs of one architecture and of many are asked for."""

    one: Callable[..., Steps[list[Any]]]
    many: Callable[..., Steps[Batch[Any]]]
    takes_dataset: bool


_RUN_QUERIES: Final[Mapping[str, _Queries]] = MappingProxyType(
    {
        "nasbench101": _Queries(
            nasbench101.query_nb101, nasbench101.query_nb101_many, takes_dataset=False
        ),
        "nasbench201": _Queries(
            nasbench201.query_nb201, nasbench201.query_nb201_many, takes_dataset=True
        ),
        "natssss": _Queries(natssss.query_natssss, natssss.query_natssss_many, takes_dataset=True),
    }
)


class Records:
    """Looks up what evaluations observe.

    Args:
        settings: Of which benchmark, on what, by which metric, and which runs count.
    """

    def __init__(self, settings: SimulationSettings) -> None:
        self._settings = settings
        self._queries = _RUN_QUERIES[settings.benchmark]

    def one(self, arch: Any, fidelity: Fidelity) -> Steps[Observation]:
        """Look up an architecture.

        Raises:
            InvalidArchitectureError: It is malformed.
            NotRecordedError: There is no record of it.
        """
        if arch is None or arch == "":
            message = f"{arch!r} is no architecture"
            raise InvalidArchitectureError(message, errors=[FieldError(loc=["arch"], msg=message)])
        runs = yield from self._queries.one(arch, **self._filters(fidelity))
        seen = self._observed(runs, fidelity)
        if seen is None:
            raise NotRecordedError(f"{arch!r:.200} has {self._lacking(fidelity)}")
        return seen

    def many(self, archs: Iterable[Any], fidelity: Fidelity) -> Steps[list[Observation]]:
        """Look up architectures, aligned with them.

        Raises:
            InvalidArchitectureError: Some are malformed.
            NotRecordedError: There is no record of some.
        """
        results = yield from self._queries.many(archs, **self._filters(fidelity))
        found = [self._observed(runs, fidelity) for runs in results]
        lacking = [position for position, seen in enumerate(found) if seen is None]
        if lacking:
            error = NotRecordedError(
                f"{len(lacking)} of {len(found)} architectures, the first of them "
                f"archs[{lacking[0]}], have {self._lacking(fidelity)}"
            )
            error.positions = tuple(lacking)
            raise error
        return [seen for seen in found if seen is not None]

    def _filters(self, fidelity: Fidelity) -> dict[str, Any]:
        dataset = {"dataset": self._settings.dataset} if self._queries.takes_dataset else {}
        return {
            "num_epochs": fidelity.num_epochs,
            **dataset,
            "reduction": "mean" if self._settings.seed is None else None,
            "include_intermediates": fidelity.epoch != fidelity.num_epochs,
        }

    def _observed(self, runs: Sequence[RunStats], fidelity: Fidelity) -> Observation | None:
        usable = [seen for run in runs if (seen := self._read(run, fidelity)) is not None]
        if not usable:
            return None
        if self._settings.seed is None:
            return usable[0]
        return chosen_run(usable, self._settings.seed, usable[0].arch)

    def _read(self, run: RunStats, fidelity: Fidelity) -> Observation | None:
        """Return what a run says of the metric and its cost; None where it says nothing."""
        value = self._value(run, fidelity)
        training = _training_time(run, fidelity)
        evaluating = self._evaluation_time(run)
        if value is None or training is None or evaluating is None:
            return None
        return Observation(_spelling(run), fidelity, value, training, evaluating, run)

    def _value(self, run: RunStats, fidelity: Fidelity) -> float | None:
        holder = run if fidelity.epoch == fidelity.num_epochs else _epoch_of(run, fidelity.epoch)
        value: float | None = getattr(holder, self._settings.metric, None)
        return value

    def _evaluation_time(self, run: RunStats) -> float | None:
        split = self._settings.metric.rpartition("_")[0]
        field = f"{split}_evaluation_time"
        # Training metrics, sizes and times cost no pass over a split of their own.
        if not self._settings.evaluation_time or field not in type(run).model_fields:
            return 0.0
        value: float | None = getattr(run, field)
        return value

    def _lacking(self, fidelity: Fidelity) -> str:
        asked = self._settings
        return (
            f"no run of {asked.benchmark} on {asked.dataset} at {fidelity.num_epochs} epochs that "
            f"records {asked.metric} and its time after epoch {fidelity.epoch}"
        )


def _spelling(run: RunStats) -> str:
    return run.config.hash if isinstance(run, Nb101Stats) else run.config.arch_str


def _training_time(run: RunStats, fidelity: Fidelity) -> float | None:
    if run.training_time is None or fidelity.epoch == fidelity.num_epochs:
        return run.training_time
    epoch = _epoch_of(run, fidelity.epoch)
    if isinstance(epoch, Nb101Epoch):
        return epoch.training_time
    # The recorded time is that of an epoch times their number (NATS-Bench), so a part of it is.
    return run.training_time * fidelity.epoch / fidelity.num_epochs


def _epoch_of(run: RunStats, number: int) -> Any:
    return next((one for one in run.intermediates or () if one.current_epoch == number), None)
