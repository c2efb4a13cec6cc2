"""The wire: frozen models that the service sends and the client returns, units included."""

from __future__ import annotations

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
from bench_client.models.hw_nas_bench import Nb201Hardware, Nb201HardwareConfig
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
    Distribution,
    Found,
    NdsArchitecture,
    Ranked,
    Sampled,
    Standing,
    TradeOff,
)

__all__ = [
    "BatchAnswer",
    "BatchError",
    "BenchmarkInfo",
    "BenchmarkList",
    "Distribution",
    "FieldDescription",
    "FieldError",
    "Found",
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
    "Page",
    "Problem",
    "ProvenanceInfo",
    "ProvenanceMark",
    "Ranked",
    "Sampled",
    "Standing",
    "TradeOff",
    "WireModel",
    "fields_of",
]
