"""The methods that take the name of a benchmark.

Which arguments they take, and of what type the answer is, depends on the benchmark. Editors and
type checkers read that from `questions.pyi`, which `python -m bench_client.stubs` makes from the
descriptions of the benchmarks.
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
    """The questions as methods that return answers."""

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
        """Return a clock that adds up the recorded training times of what a search evaluates.

        The server keeps no state of it, and is asked nothing before something is evaluated, except
        what a declared table is. The same evaluations in the same order give the same values and
        times, everywhere.

        Args:
            benchmark: A benchmark or a declared table that records `training_time` in seconds.
            dataset: What networks are trained on; None where there is one data set or no such axis.
            num_epochs: Training budget of an evaluation, in epochs, unless it says otherwise; None
                likewise.
            budget: When the clock stops, in seconds: no evaluation passes it.
            metric: What is sought, any number that a run records; which way it is better is in the
                description of the benchmark. None: `valid_acc`; where that is not recorded, as for
                `cifar10` of NATS-Bench, which has no validation split, it must be said.
            seed: Which of the recorded runs of an architecture counts. None: the mean over them,
                in value and time. An integer: one of them, chosen by a digest of seed and
                architecture, the same everywhere; then a value may be above the best mean.
            continue_training: Charge only what lies beyond the longest shorter training of the
                same architecture that was charged before. Between epochs of one run that is exact.
                Between budgets it assumes that a finished training could go on to the next
                budget, although the recorded ones began anew, each with a learning-rate schedule
                of its own. Where the shorter one took no less time, the full price is charged.
            free_repeats: Charge nothing for an evaluation that was charged before; by default it
                is charged again, as programs on NATS-Bench's interface know it.
            evaluation_time: Charge also one pass over the split that the metric is of, where the
                benchmark records its time, which NAS-Bench-101 does not.
            on_missing: `raise` a NotRecordedError where nothing is recorded; or `train`: of a table
                that a running plan makes, have it measured before all else, and wait.
            part: Values of other axes of a declared table, by name.

        Raises:
            BenchmarkNotInstalledError: There is no benchmark of this name.
            InvalidRequestError: An argument is malformed, or the benchmark records no training
                times, such as NDS; the message says what it records.
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
    """The questions as methods that return coroutines of answers."""

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
        """Return a clock whose evaluations are awaited; as `BenchClient.simulate`."""
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
