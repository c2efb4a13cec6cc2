"""Studies, and comparison of their recorded runs.

study = Study("runs/evolution-0.study", problem, RegularizedEvolution(seed=0))
study.run(Budget(trials=100))
print(study.best)

study.to_run(oracle=problem.optimum()).write("runs/evolution-0.json")
for band in regret_bands(read_runs(["runs"]), times=[1e4, 1e5]):
    print(band.strategy, band.median)
"""

from __future__ import annotations

from nas_search.errors import (
    DamagedRunError,
    FailingStudyError,
    IncomparableRunsError,
    NoFeasibleError,
    OtherStudyError,
    PlotError,
    ProblemError,
    ReplayError,
    StoppedEarlyError,
    StudyError,
    StudyFileError,
    StudyInUseError,
)
from nas_search.study.baseline import random_band
from nas_search.study.budget import Budget
from nas_search.study.events import (
    Event,
    Sink,
    SinkFailedWarning,
    log_sink,
    ndjson_sink,
    progress_sink,
)
from nas_search.study.front import front_volume
from nas_search.study.history import History, StudyFile
from nas_search.study.plot import plot_front, plot_regret
from nas_search.study.recordings import read_runs
from nas_search.study.regret import (
    RegretBand,
    Step,
    common_times,
    oracle_value,
    regret_at,
    regret_bands,
    regret_steps,
)
from nas_search.study.running import NothingLearnedWarning
from nas_search.study.runs import RecordedPoint, RecordedRun
from nas_search.study.significance import RankTest, holm, mann_whitney
from nas_search.study.standings import Difference, Standing, Standings, compare_runs
from nas_search.study.stopping import Curves, HalvingRule, MedianRule, StoppingRule
from nas_search.study.study import Study
from nas_search.study.tensorboard import tensorboard_sink
from nas_search.study.trials import State, Trial

__all__ = [
    "Budget",
    "Curves",
    "DamagedRunError",
    "Difference",
    "Event",
    "FailingStudyError",
    "HalvingRule",
    "History",
    "IncomparableRunsError",
    "MedianRule",
    "NoFeasibleError",
    "NothingLearnedWarning",
    "OtherStudyError",
    "PlotError",
    "ProblemError",
    "RankTest",
    "RecordedPoint",
    "RecordedRun",
    "RegretBand",
    "ReplayError",
    "Sink",
    "SinkFailedWarning",
    "Standing",
    "Standings",
    "State",
    "Step",
    "StoppedEarlyError",
    "StoppingRule",
    "Study",
    "StudyError",
    "StudyFile",
    "StudyFileError",
    "StudyInUseError",
    "Trial",
    "common_times",
    "compare_runs",
    "front_volume",
    "holm",
    "log_sink",
    "mann_whitney",
    "ndjson_sink",
    "oracle_value",
    "plot_front",
    "plot_regret",
    "progress_sink",
    "random_band",
    "read_runs",
    "regret_at",
    "regret_bands",
    "regret_steps",
    "tensorboard_sink",
]
