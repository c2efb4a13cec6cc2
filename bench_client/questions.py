"""Methods of both clients that take the name of a benchmark.

Their arguments and result types depend on the benchmark. Editors and type checkers read them from
`questions.pyi`, which `python -m bench_client.stubs` generates from the descriptions of the
benchmarks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from bench_client.late_imports import LateModule
from bench_client.operations import Operation

if TYPE_CHECKING:
    from bench_client import by_name, explorer, export, oracle, simulation
else:
    by_name = LateModule("bench_client.by_name")
    explorer = LateModule("bench_client.explorer")
    export = LateModule("bench_client.export")
    oracle = LateModule("bench_client.oracle")
    simulation = LateModule("bench_client.simulation")

__all__ = ["AwaitedQuestions", "BlockingQuestions"]


class _Questions:
    query = Operation(lambda: by_name.query)
    query_many = Operation(lambda: by_name.query_many)
    curves = Operation(lambda: by_name.curves)
    describe = Operation(lambda: by_name.describe)

    top = Operation(lambda: oracle.top)
    pareto = Operation(lambda: oracle.pareto)
    rank = Operation(lambda: oracle.rank)
    correlation = Operation(lambda: oracle.correlation)
    distribution = Operation(lambda: oracle.distribution)
    random = Operation(lambda: oracle.random)
    neighbors = Operation(lambda: oracle.neighbors)

    columns = Operation(lambda: explorer.columns)
    column = Operation(lambda: explorer.column)
    density = Operation(lambda: explorer.density)
    picture = Operation(lambda: explorer.picture)
    spellings = Operation(lambda: explorer.spellings)

    export = Operation(lambda: export.export)
    export_to = Operation(lambda: export.export_to)


class BlockingQuestions(_Questions):
    """The methods as `BenchClient` has them: they return results."""

    def simulate(  # noqa: PLR0913 - the choices of an experiment
        self,
        benchmark: str,
        dataset: str | None = None,
        num_epochs: int | None = None,
        *,
        budget: float,
        metric: str | None = None,
        seed: int | None = None,
        continue_training: bool = False,
        free_repeats: bool = False,
        evaluation_time: bool = False,
        on_missing: Literal["raise", "train"] = "raise",
        **part: Any,
    ) -> simulation.Simulation:
        """Return a simulated search, whose clock adds up recorded training times.

        The simulation lives in the client. It sends no request before the first evaluation, except
        for the description of a declared table. The same evaluations in the same order give the
        same values and times on every machine.

        Args:
            benchmark: A benchmark or a declared table that records `training_time` in seconds.
            dataset: The data set; None if the benchmark has only one or no such axis.
            num_epochs: Default training budget of an evaluation, in epochs; None if the benchmark
                has only one or no such axis.
            budget: Budget of the simulated clock, in seconds; no evaluation may exceed it.
            metric: Objective: any number that a run records. The description of the benchmark says
                whether larger is better. None: `valid_acc`; name a metric where that is not
                recorded, as for `cifar10` of NATS-Bench, which has no validation split.
            seed: Which recorded run of an architecture counts. None: the mean over its runs, in
                value and time. An integer: one run, chosen by a digest of seed and architecture,
                the same on every machine; its value may be above the best mean.
            continue_training: Charge only the time beyond the longest shorter training of the same
                architecture that was charged before. This is exact between epochs of one run.
                Between budgets it assumes that a finished training could continue to the next
                budget, although the recorded runs started from scratch, each with its own
                learning-rate schedule. If the shorter training took no less time, the full time is
                charged.
            free_repeats: Charge nothing for repeated evaluations; by default they are charged
                again, as in NATS-Bench's own interface.
            evaluation_time: Also charge one pass over the split of the metric, if the benchmark
                records its time, which NAS-Bench-101 does not.
            on_missing: `raise` a NotRecordedError if nothing is recorded, or `train`: for the table
                of a running plan, have the architecture measured with priority, and wait.
            part: Values of other axes of a declared table, by name.

        Raises:
            BenchmarkNotInstalledError: There is no benchmark of this name.
            InvalidRequestError: An argument is malformed, or the benchmark records no training
                times, as NDS; the message lists its statistics.
        """
        options = {
            "budget": budget,
            "metric": metric,
            "seed": seed,
            "continue_training": continue_training,
            "free_repeats": free_repeats,
            "evaluation_time": evaluation_time,
            "on_missing": on_missing,
        }
        chosen = {"dataset": dataset, "num_epochs": num_epochs, **part}
        return simulation.Simulation(self._ask, benchmark, chosen, options)


class AwaitedQuestions(_Questions):
    """The methods as `AsyncBenchClient` has them: they return coroutines."""

    def simulate(  # noqa: PLR0913 - the choices of an experiment
        self,
        benchmark: str,
        dataset: str | None = None,
        num_epochs: int | None = None,
        *,
        budget: float,
        metric: str | None = None,
        seed: int | None = None,
        continue_training: bool = False,
        free_repeats: bool = False,
        evaluation_time: bool = False,
        on_missing: Literal["raise", "train"] = "raise",
        **part: Any,
    ) -> simulation.AsyncSimulation:
        """Return a simulated search with async evaluations; arguments as `BenchClient.simulate`."""
        options = {
            "budget": budget,
            "metric": metric,
            "seed": seed,
            "continue_training": continue_training,
            "free_repeats": free_repeats,
            "evaluation_time": evaluation_time,
            "on_missing": on_missing,
        }
        chosen = {"dataset": dataset, "num_epochs": num_epochs, **part}
        return simulation.AsyncSimulation(self._ask, benchmark, chosen, options)
