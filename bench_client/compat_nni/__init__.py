"""Adapter with the functions of NNI's benchmarks, for porting programs.

`from nni.nas.benchmarks.nasbench101 import …` becomes `from bench_client.compat_nni.nasbench101
import …`, likewise `nasbench201` and `nds`; this package exports all names too. The functions take
an additional argument, `client`: a client, the address of a service or a folder of databases. They
yield dicts with NNI's field names and more; `intermediates` is included if requested. Differences:

* Times of finished runs of NAS-Bench-101 are in seconds, where NNI's are 60 times as large, and a
  cell is pruned before it is hashed, as in the benchmark itself.
* `valid_acc` and `valid_loss` of `cifar10` in NAS-Bench-201, which has no validation images, are
  None, where NNI repeats those on the test images.
* Rows have no `id`, and the tables of NNI's database (`Nb101TrialStats`, …) do not exist. A mean
  over runs has the means of their curves as `intermediates`, where NNI has none.

New programs should use `BenchClient`.
"""

from __future__ import annotations

from bench_client.compat_nni.nasbench101 import (
    CONV1X1,
    CONV1X1_BN_RELU,
    CONV3X3,
    CONV3X3_BN_RELU,
    INPUT,
    LABEL2ID,
    MAXPOOL3X3,
    OUTPUT,
    hash_module,
    infer_num_vertices,
    nasbench_format_to_architecture_repr,
    query_nb101_computed_stats,
    query_nb101_trial_stats,
)
from bench_client.compat_nni.nasbench201 import (
    PRIMITIVES,
    query_nb201_computed_stats,
    query_nb201_trial_stats,
)
from bench_client.compat_nni.nds import (
    AVG_POOL_3X3,
    CONV_1X1,
    CONV_3X1_1X3,
    CONV_3X3,
    CONV_7X1_1X7,
    DIL_CONV_3X3,
    DIL_CONV_5X5,
    DIL_SEP_CONV_3X3,
    MAX_POOL_3X3,
    MAX_POOL_5X5,
    MAX_POOL_7X7,
    NONE,
    SEP_CONV_3X3,
    SEP_CONV_5X5,
    SEP_CONV_7X7,
    SKIP_CONNECT,
    query_nds_computed_stats,
    query_nds_trial_stats,
)

__all__ = [
    "AVG_POOL_3X3",
    "CONV1X1",
    "CONV1X1_BN_RELU",
    "CONV3X3",
    "CONV3X3_BN_RELU",
    "CONV_1X1",
    "CONV_3X1_1X3",
    "CONV_3X3",
    "CONV_7X1_1X7",
    "DIL_CONV_3X3",
    "DIL_CONV_5X5",
    "DIL_SEP_CONV_3X3",
    "INPUT",
    "LABEL2ID",
    "MAXPOOL3X3",
    "MAX_POOL_3X3",
    "MAX_POOL_5X5",
    "MAX_POOL_7X7",
    "NONE",
    "OUTPUT",
    "PRIMITIVES",
    "SEP_CONV_3X3",
    "SEP_CONV_5X5",
    "SEP_CONV_7X7",
    "SKIP_CONNECT",
    "hash_module",
    "infer_num_vertices",
    "nasbench_format_to_architecture_repr",
    "query_nb101_computed_stats",
    "query_nb101_trial_stats",
    "query_nb201_computed_stats",
    "query_nb201_trial_stats",
    "query_nds_computed_stats",
    "query_nds_trial_stats",
]
