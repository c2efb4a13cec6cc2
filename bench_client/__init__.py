"""The client: the same questions over HTTP or on local files.

from bench_client import BenchClient

bench = BenchClient()  # $NASBENCH_URL, else http://127.0.0.1:8000
for run in bench.query_nb201(arch, 200, "cifar100"):
    print(run.seed, run.test_acc)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench_client.clients import AsyncBenchClient, BenchClient
from bench_client.errors import (
    BenchError,
    BenchmarkNotInstalledError,
    BudgetExhausted,
    InvalidArchitectureError,
    InvalidRequestError,
    InvalidSettingError,
    JobCancelledError,
    JobFailedError,
    JobNotDoneError,
    JobWaitError,
    NotAuthorizedError,
    NotRecordedError,
    RequestTimeoutError,
    ServerFailedError,
    ServerOverloadedError,
    ServerUnreachableError,
    SyntheticDataWarning,
    TooLargeError,
    UnavailableError,
    UnexpectedAnswerError,
    UnknownDatasetError,
    UnknownJobError,
    UnsupportedQuestionError,
)
from bench_client.late_imports import late_names

if TYPE_CHECKING:
    from bench_client.frames import Batch, Items
    from bench_client.models import (
        BenchmarkInfo,
        Distribution,
        FieldDescription,
        FieldError,
        Job,
        JobArtifact,
        NatsSssArchitecture,
        NatsSssConfig,
        NatsSssCurves,
        NatsSssEpoch,
        NatsSssStats,
        Nb101Config,
        Nb101Curves,
        Nb101Epoch,
        Nb101Hash,
        Nb101Stats,
        Nb201Architecture,
        Nb201Config,
        Nb201Curves,
        Nb201Epoch,
        Nb201Hardware,
        Nb201HardwareConfig,
        Nb201Stats,
        NdsArchitecture,
        NdsConfig,
        NdsCurves,
        NdsDistribution,
        NdsEpoch,
        NdsFamily,
        NdsStats,
        Problem,
        ProvenanceInfo,
        Ranked,
        RegisteredDataset,
        RegisteredWorker,
        Standing,
        TradeOff,
    )
    from bench_client.simulation import AsyncSimulation, Simulation
    from bench_client.simulation_ledger import Evaluation, TrajectoryPoint
    from bench_client.simulation_settings import SimulationSettings

__all__ = [
    "AsyncBenchClient",
    "AsyncSimulation",
    "Batch",
    "BenchClient",
    "BenchError",
    "BenchmarkInfo",
    "BenchmarkNotInstalledError",
    "BudgetExhausted",
    "Distribution",
    "Evaluation",
    "FieldDescription",
    "FieldError",
    "InvalidArchitectureError",
    "InvalidRequestError",
    "InvalidSettingError",
    "Items",
    "Job",
    "JobArtifact",
    "JobCancelledError",
    "JobFailedError",
    "JobNotDoneError",
    "JobWaitError",
    "NatsSssArchitecture",
    "NatsSssConfig",
    "NatsSssCurves",
    "NatsSssEpoch",
    "NatsSssStats",
    "Nb101Config",
    "Nb101Curves",
    "Nb101Epoch",
    "Nb101Hash",
    "Nb101Stats",
    "Nb201Architecture",
    "Nb201Config",
    "Nb201Curves",
    "Nb201Epoch",
    "Nb201Hardware",
    "Nb201HardwareConfig",
    "Nb201Stats",
    "NdsArchitecture",
    "NdsConfig",
    "NdsCurves",
    "NdsDistribution",
    "NdsEpoch",
    "NdsFamily",
    "NdsStats",
    "NotAuthorizedError",
    "NotRecordedError",
    "Problem",
    "ProvenanceInfo",
    "Ranked",
    "RegisteredDataset",
    "RegisteredWorker",
    "RequestTimeoutError",
    "ServerFailedError",
    "ServerOverloadedError",
    "ServerUnreachableError",
    "Simulation",
    "SimulationSettings",
    "Standing",
    "SyntheticDataWarning",
    "TooLargeError",
    "TradeOff",
    "TrajectoryPoint",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnknownDatasetError",
    "UnknownJobError",
    "UnsupportedQuestionError",
]

# The models, simulations and data frames: most of what importing everything would take.
__getattr__ = late_names(
    __name__,
    __all__,
    ("models", "frames", "simulation", "simulation_ledger", "simulation_settings"),
)
