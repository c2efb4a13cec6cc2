"""The API of the package `nats_bench` (1.8) on this service, for moving programs over.

`from nats_bench import create` becomes `from bench_client.compat_nats_bench import create`, and the
path given to `create` becomes a client, the address of a service or a folder of databases. Figures
and their units are those of the package; they differ in the last digits only (`compat_nats_results`
says where). What else differs:

* Where the package draws one of several runs at random (`is_random=True`, `simulate_train_eval`),
  the same question has the same answer here, whatever was asked before; another `seed` may choose
  another run. With `seed=None` the package's own draws are made, from Python's global generator.
* `query_info_str_by_arch` and the `comment` of `get_more_info` say the same in other words.
* Trained weights are not served, and what counts loaded files has no meaning here.

New programs are better off with `BenchClient`.
"""

from __future__ import annotations

from bench_client.compat_nats_bench.arch_results import ArchResults
from bench_client.compat_nats_bench.run_results import ResultsCount
from bench_client.compat_nats_bench.spaces import (
    NATSsize,
    NATStopology,
    create,
    search_space_info,
)

__all__ = [
    "ArchResults",
    "NATSsize",
    "NATStopology",
    "ResultsCount",
    "create",
    "search_space_info",
]
