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
from bench_client.models.nasbench201 import (
    Nb201Architecture,
    Nb201Config,
    Nb201Curves,
    Nb201Epoch,
    Nb201Stats,
)

__all__ = [
    "BatchAnswer",
    "BatchError",
    "BenchmarkInfo",
    "BenchmarkList",
    "FieldDescription",
    "FieldError",
    "Nb201Architecture",
    "Nb201Config",
    "Nb201Curves",
    "Nb201Epoch",
    "Nb201Stats",
    "Page",
    "Problem",
    "ProvenanceInfo",
    "ProvenanceMark",
    "WireModel",
    "fields_of",
]
