"""From an architecture of a benchmark, in any spelling that queries take, to space and sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import model_hub
from bench_client.models import BenchmarkNetwork
from benchmark_db.catalog import Catalog
from benchmark_db.errors import (
    InvalidArchitectureError,
    InvalidQuestionError,
    UnknownBenchmarkError,
    shown,
)
from benchmark_db.nasbench101.spelling import parse_cell, parse_hash
from benchmark_db.nasbench201 import architecture as nasbench201
from benchmark_db.natssss import architecture as natssss
from model_hub.errors import InvalidArgumentError, ModelHubError, UnknownNameError
from model_hub.model_space import ModelSpace
from service.jobs.plain_json import plain_json

__all__ = ["locate_network"]

_ARCH: Final = "network.arch"


def locate_network(
    network: BenchmarkNetwork, catalog: Catalog
) -> tuple[ModelSpace, dict[str, Any]]:
    """Return the space of an architecture of a benchmark and its sample there.

    Args:
        network: Benchmark, architecture and data set.
        catalog: Where hashes of NAS-Bench-101 are looked up; nothing else needs to be installed.

    Raises:
        InvalidQuestionError: There is no such benchmark or data set, or the architecture is
            malformed, outside the space or not known by its hash.
    """
    if network.benchmark not in _READERS:
        unknown = UnknownNameError("benchmark", network.benchmark, _READERS)
        raise InvalidQuestionError("network.benchmark", str(unknown))
    try:
        row = _READERS[network.benchmark](plain_json(_ARCH, network.arch), catalog)
        return model_hub.locate(network.benchmark, row, dataset=network.dataset)
    except InvalidArchitectureError as error:
        raise InvalidQuestionError(_ARCH, error.message) from error
    except InvalidArgumentError as error:
        place = "network.dataset" if error.argument == "dataset" else _ARCH
        raise InvalidQuestionError(place, str(error)) from error
    except ModelHubError as error:
        raise InvalidQuestionError(_ARCH, str(error)) from error


def _nasbench101(arch: Any, catalog: Catalog) -> Any:
    known = parse_hash(arch)
    if known is None:
        return parse_cell(arch).to_dict()
    try:
        recorded = catalog["nasbench101"].describe(known)["arch"]
    except UnknownBenchmarkError as error:
        raise InvalidQuestionError(
            _ARCH, f"only a database knows the cell of a hash, and {error}; or give the cell itself"
        ) from error
    if recorded is None:
        raise InvalidQuestionError(
            _ARCH, f"no cell with the hash {known} is recorded: give the cell itself"
        )
    return recorded


def _nasbench201(arch: Any, _: Catalog) -> Any:
    return nasbench201.arch_str(nasbench201.operations_at(nasbench201.parse(arch)))


def _natssss(arch: Any, _: Catalog) -> Any:
    return natssss.channels_at(natssss.parse(arch))


def _nds(arch: Any, _: Catalog) -> Any:
    if not isinstance(arch, Mapping):
        raise InvalidArchitectureError(
            f"an architecture of nds is the config of a row, or the row, not {shown(arch)}"
        )
    return arch


_READERS: Final[Mapping[str, Callable[[Any, Catalog], Any]]] = {
    "nasbench101": _nasbench101,
    "nasbench201": _nasbench201,
    "natssss": _natssss,
    "nds": _nds,
}
"""What makes of any spelling the one that rows have."""
