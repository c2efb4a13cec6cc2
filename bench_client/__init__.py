"""Python client of the benchmark service: the same queries over HTTP or on local database files.

from bench_client import BenchClient

bench = BenchClient()  # $NASBENCH_URL, else http://127.0.0.1:8000
for run in bench.query_nb201(arch, 200, "cifar100"):
    print(run.seed, run.test_acc)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench_client.late_imports import late_names

if TYPE_CHECKING:
    __version__: str

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
        JobStoppedError,
        JobWaitError,
        NotAuthorizedError,
        NotRecordedError,
        PartialDataWarning,
        PlanWaitError,
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
        UnknownTrainerError,
        UnsupportedQuestionError,
    )
    from bench_client.frames import Batch, Items
    from bench_client.models import (
        BenchmarkInfo,
        Column,
        ColumnDescription,
        Columns,
        Correlation,
        Density,
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
        Plan,
        PlanCell,
        PlanCheck,
        Problem,
        ProvenanceInfo,
        Ranked,
        RegisteredDataset,
        RegisteredTrainer,
        RegisteredWorker,
        Standing,
        TradeOff,
    )
    from bench_client.simulation import AsyncSimulation, Simulation
    from bench_client.simulation_ledger import Evaluation
    from bench_client.simulation_settings import SimulationSettings
    from bench_client.table_version import TableName
    from bench_client.trajectory import Trajectory, TrajectoryPoint

__all__ = [
    "AsyncBenchClient",
    "AsyncSimulation",
    "Batch",
    "BenchClient",
    "BenchError",
    "BenchmarkInfo",
    "BenchmarkNotInstalledError",
    "BudgetExhausted",
    "Column",
    "ColumnDescription",
    "Columns",
    "Correlation",
    "Density",
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
    "JobStoppedError",
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
    "PartialDataWarning",
    "Plan",
    "PlanCell",
    "PlanCheck",
    "PlanWaitError",
    "Problem",
    "ProvenanceInfo",
    "Ranked",
    "RegisteredDataset",
    "RegisteredTrainer",
    "RegisteredWorker",
    "RequestTimeoutError",
    "ServerFailedError",
    "ServerOverloadedError",
    "ServerUnreachableError",
    "Simulation",
    "SimulationSettings",
    "Standing",
    "SyntheticDataWarning",
    "TableName",
    "TableReplacedError",
    "TooLargeError",
    "TradeOff",
    "Trajectory",
    "TrajectoryPoint",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnknownDatasetError",
    "UnknownJobError",
    "UnknownTrainerError",
    "UnsupportedQuestionError",
]

# Names are imported on first use: programs that need only the models do not load httpx.
_late_name = late_names(
    __name__,
    __all__,
    (
        "errors",
        "clients",
        "models",
        "frames",
        "simulation",
        "simulation_ledger",
        "simulation_settings",
        "table_version",
        "trajectory",
    ),
)


def __getattr__(name: str) -> Any:
    """Import the module of a public name on first use and return the name, or the version."""
    if name == "__version__":
        # Imported here because it reads the metadata of the installed distribution from disk.
        from importlib.metadata import version  # noqa: PLC0415

        return version("nas-bench-service")
    return _late_name(name)


def __dir__() -> list[str]:
    """Return the public names only, so that completion does not list submodules among them."""
    return [*__all__, "__version__", *(name for name in globals() if name.startswith("__"))]
