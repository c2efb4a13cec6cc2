"""Adapter with the API of the package `nasbench` (NAS-Bench-101), for porting programs.

`from nasbench import api` becomes `from bench_client.compat_nasbench import api`, and the path
given to `NASBench` becomes a client, the address of a service or a folder of databases. Units are
those of the package: accuracies from 0 to 1, times in seconds. As in the package, `query` draws one
of the three runs at random from Python's global generator. Differences:

* With a `seed` nothing is drawn: the same query has the same result, in any order and process, and
  another seed may choose another run. The package seeds the global generator instead, so that
  results depend on all earlier draws. For repeatable draws of different runs, omit `seed` and call
  `random.seed`.
* `fixed_statistics` and `computed_statistics` fetch entries on access and are read-only.
* `evaluate` (training) and `visualize` (drawing) raise UnsupportedQuestionError.

The adapter needs numpy, because matrices are arrays. New programs should use `BenchClient`.
"""

from __future__ import annotations

from missing_extra import needs

with needs("local", "bench_client.compat_nasbench"):
    from bench_client.compat_nasbench.api import ModelSpec, NASBench, OutOfDomainError

__all__ = ["ModelSpec", "NASBench", "OutOfDomainError"]
