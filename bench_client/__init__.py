"""The client: the same questions over HTTP or on local files.

from bench_client import BenchClient

bench = BenchClient()  # $NASBENCH_URL, else http://127.0.0.1:8000
for run in bench.query_nb201(arch, 200, "cifar100"):
    print(run.seed, run.test_acc)
"""

from __future__ import annotations

from bench_client.clients import AsyncBenchClient, BenchClient
from bench_client.errors import (
    BenchError,
    BenchmarkNotInstalledError,
    InvalidArchitectureError,
    InvalidRequestError,
    NotAuthorizedError,
    RequestTimeoutError,
    ServerFailedError,
    ServerOverloadedError,
    ServerUnreachableError,
    SyntheticDataWarning,
    TooLargeError,
    UnavailableError,
    UnexpectedAnswerError,
)
from bench_client.models import (
    BenchmarkInfo,
    FieldDescription,
    FieldError,
    Nb201Architecture,
    Nb201Config,
    Nb201Curves,
    Nb201Epoch,
    Nb201Stats,
    Problem,
    ProvenanceInfo,
)

__all__ = [
    "AsyncBenchClient",
    "BenchClient",
    "BenchError",
    "BenchmarkInfo",
    "BenchmarkNotInstalledError",
    "FieldDescription",
    "FieldError",
    "InvalidArchitectureError",
    "InvalidRequestError",
    "Nb201Architecture",
    "Nb201Config",
    "Nb201Curves",
    "Nb201Epoch",
    "Nb201Stats",
    "NotAuthorizedError",
    "Problem",
    "ProvenanceInfo",
    "RequestTimeoutError",
    "ServerFailedError",
    "ServerOverloadedError",
    "ServerUnreachableError",
    "SyntheticDataWarning",
    "TooLargeError",
    "UnavailableError",
    "UnexpectedAnswerError",
]
