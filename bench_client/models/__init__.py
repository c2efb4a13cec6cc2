"""The wire: frozen models that are sent, returned and submitted, units included.

A model is made when its module is imported: whoever needs a few imports `models.nasbench201`, and
the names here load their module on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench_client.late_imports import late_names

if TYPE_CHECKING:
    from bench_client.models.answers import (
        BatchAnswer,
        BatchError,
        FieldError,
        Page,
        Problem,
        ProvenanceMark,
        WireModel,
    )
    from bench_client.models.benchmarks import (
        BenchmarkInfo,
        BenchmarkList,
        FieldDescription,
        ProvenanceInfo,
        fields_of,
    )
    from bench_client.models.jobs import (
        Checkpoint,
        CheckpointList,
        DatasetList,
        Job,
        JobArtifact,
        JobError,
        JobKind,
        JobPage,
        JobProgress,
        JobState,
        RegisteredDataset,
        RegisteredWorker,
        WorkerDevice,
        WorkerList,
    )
    from bench_client.models.nasbench101 import (
        Nb101Config,
        Nb101Curves,
        Nb101Epoch,
        Nb101Hash,
        Nb101Hashes,
        Nb101Stats,
    )
    from bench_client.models.nasbench201 import (
        Nb201Architecture,
        Nb201Config,
        Nb201Curves,
        Nb201Epoch,
        Nb201Hardware,
        Nb201HardwareConfig,
        Nb201Stats,
    )
    from bench_client.models.natssss import (
        NatsSssArchitecture,
        NatsSssConfig,
        NatsSssCurves,
        NatsSssEpoch,
        NatsSssStats,
    )
    from bench_client.models.nds import (
        NdsConfig,
        NdsCurves,
        NdsDistribution,
        NdsDistributions,
        NdsEpoch,
        NdsFamilies,
        NdsFamily,
        NdsStats,
    )
    from bench_client.models.oracle import (
        Correlation,
        Distribution,
        Found,
        NdsArchitecture,
        Ranked,
        Sampled,
        Standing,
        TradeOff,
    )
    from bench_client.models.submissions import (
        BenchmarkNetwork,
        Device,
        EvaluationRequest,
        LatencyRequest,
        ModelFormat,
        ModelRequest,
        Network,
        Precision,
        SearchedNetwork,
        SpaceNetwork,
        Submission,
        TrainingRequest,
    )

__all__ = [
    "BatchAnswer",
    "BatchError",
    "BenchmarkInfo",
    "BenchmarkList",
    "BenchmarkNetwork",
    "Checkpoint",
    "CheckpointList",
    "Correlation",
    "DatasetList",
    "Device",
    "Distribution",
    "EvaluationRequest",
    "FieldDescription",
    "FieldError",
    "Found",
    "Job",
    "JobArtifact",
    "JobError",
    "JobKind",
    "JobPage",
    "JobProgress",
    "JobState",
    "LatencyRequest",
    "ModelFormat",
    "ModelRequest",
    "NatsSssArchitecture",
    "NatsSssConfig",
    "NatsSssCurves",
    "NatsSssEpoch",
    "NatsSssStats",
    "Nb101Config",
    "Nb101Curves",
    "Nb101Epoch",
    "Nb101Hash",
    "Nb101Hashes",
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
    "NdsDistributions",
    "NdsEpoch",
    "NdsFamilies",
    "NdsFamily",
    "NdsStats",
    "Network",
    "Page",
    "Precision",
    "Problem",
    "ProvenanceInfo",
    "ProvenanceMark",
    "Ranked",
    "RegisteredDataset",
    "RegisteredWorker",
    "Sampled",
    "SearchedNetwork",
    "SpaceNetwork",
    "Standing",
    "Submission",
    "TradeOff",
    "TrainingRequest",
    "WireModel",
    "WorkerDevice",
    "WorkerList",
    "fields_of",
]

__getattr__ = late_names(
    __name__,
    __all__,
    (
        "answers",
        "jobs",
        "submissions",
        "nasbench101",
        "nasbench201",
        "natssss",
        "nds",
        "oracle",
        "benchmarks",
    ),
)
