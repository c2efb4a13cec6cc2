"""Comparison of recorded runs: regret against the oracle over simulated time.

search(strategy, bench, simulation)
run = RecordedRun.of(simulation, strategy, oracle=oracle_value(bench, simulation.settings))
run.write("runs/evolution-0.json")
for band in regret_bands(read_runs(["runs"]), times=[1e4, 1e5]):
    print(band.strategy, band.median)
"""

from __future__ import annotations

from nas_search.errors import DamagedRunError, IncomparableRunsError, PlotError, StudyError
from nas_search.study.plot import plot_regret
from nas_search.study.regret import (
    RegretBand,
    Step,
    common_times,
    oracle_value,
    regret_at,
    regret_bands,
    regret_steps,
)
from nas_search.study.runs import RecordedPoint, RecordedRun, read_runs

__all__ = [
    "DamagedRunError",
    "IncomparableRunsError",
    "PlotError",
    "RecordedPoint",
    "RecordedRun",
    "RegretBand",
    "Step",
    "StudyError",
    "common_times",
    "oracle_value",
    "plot_regret",
    "read_runs",
    "regret_at",
    "regret_bands",
    "regret_steps",
]
