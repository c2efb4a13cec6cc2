"""The API of the package `nasbench` (NAS-Bench-101) on this service, for moving programs over.

`from nasbench import api` becomes `from bench_client.compat_nasbench import api`, and the path
given to `NASBench` becomes a client, the address of a service or a folder of databases. Figures are
those of the package: accuracies from 0 to 1, times in seconds. As there, `query` draws one of the
three runs at random, from Python's global generator. What differs:

* With a `seed` nothing is drawn: the same query has the same answer, in any order and process, and
  another seed may choose another run. The package seeds the global generator with it instead, so
  that answers depend on everything that is drawn before. Programs that ask again to meet other runs
  leave the seed out, and call `random.seed` for repeatable draws.
* `fixed_statistics` and `computed_statistics` look up what they are asked for, and load nothing
  beforehand; they cannot be written to.
* Nothing is trained (`evaluate`) or drawn as a picture (`visualize`): both say so.

Needs numpy, as matrices are arrays. New programs are better off with `BenchClient`.
"""

from __future__ import annotations

from missing_extra import needs

with needs("local", "bench_client.compat_nasbench"):
    from bench_client.compat_nasbench.api import ModelSpec, NASBench, OutOfDomainError

__all__ = ["ModelSpec", "NASBench", "OutOfDomainError"]
