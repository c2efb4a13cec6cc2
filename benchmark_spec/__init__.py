"""Descriptions of benchmarks as data: architectures, axes, statistics with units and directions.

This is the lowest package. It needs only the standard library, so that generators, databases,
client and server can all read the same description.
"""

from benchmark_spec.errors import SpecError, SpellingError
from benchmark_spec.names import Field
from benchmark_spec.product import Equal, Product
from benchmark_spec.spaces import (
    Coded,
    Like,
    Listed,
    ListedNames,
    OpenSpace,
    Space,
    check_listed_name,
)
from benchmark_spec.spec import (
    RESERVED_FIELDS,
    RESERVED_NAMES,
    Axis,
    BenchmarkSpec,
    Column,
    Curve,
    Label,
    RawFile,
    Stat,
)
from benchmark_spec.units import UNITS

__all__ = [
    "RESERVED_FIELDS",
    "RESERVED_NAMES",
    "UNITS",
    "Axis",
    "BenchmarkSpec",
    "Coded",
    "Column",
    "Curve",
    "Equal",
    "Field",
    "Label",
    "Like",
    "Listed",
    "ListedNames",
    "OpenSpace",
    "Product",
    "RawFile",
    "Space",
    "SpecError",
    "SpellingError",
    "Stat",
    "check_listed_name",
]
