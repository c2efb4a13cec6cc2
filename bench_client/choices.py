"""The names that each benchmark knows: data sets, metrics and the like, as types.

Made by `python -m bench_client.stubs` from the descriptions of the benchmarks.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = [
    "HelpLatency201Device",
    "HelpLatency201Metric",
    "HwNasBenchDataset",
    "NasbenchgraphDataset",
    "NasbenchgraphMetric",
    "NasbenchmacroDataset",
    "NasbenchmacroMetric",
    "NatsSssDataset",
    "NatsSssMetric",
    "Nb101Dataset",
    "Nb101Metric",
    "Nb201Dataset",
    "Nb201Metric",
    "Nb201Statistic",
    "NdsDataset",
    "NdsGenerator",
    "NdsMetric",
    "NdsModelFamily",
    "NdsProposer",
    "Robustness201Dataset",
    "Robustness201Metric",
    "TransnasbenchMacroMetric",
    "TransnasbenchMacroTask",
    "TransnasbenchMicroMetric",
    "TransnasbenchMicroTask",
    "ZeroCost201Dataset",
    "ZeroCost201Metric",
]

Nb101Dataset: TypeAlias = Literal["cifar10"]

Nb101Metric: TypeAlias = Literal[
    "train_acc",
    "valid_acc",
    "test_acc",
    "parameters",
    "training_time",
]

Nb201Dataset: TypeAlias = Literal["cifar10-valid", "cifar10", "cifar100", "imagenet16-120"]

Nb201Metric: TypeAlias = Literal[
    "train_acc",
    "valid_acc",
    "test_acc",
    "ori_test_acc",
    "train_loss",
    "valid_loss",
    "test_loss",
    "ori_test_loss",
    "parameters",
    "flops",
    "latency",
    "training_time",
    "valid_evaluation_time",
    "test_evaluation_time",
    "ori_test_evaluation_time",
    "edgegpu_latency",
    "edgegpu_energy",
    "raspi4_latency",
    "edgetpu_latency",
    "pixel3_latency",
    "eyeriss_latency",
    "eyeriss_energy",
    "eyeriss_arithmetic_intensity",
    "fpga_latency",
    "fpga_energy",
    "help-latency-201.latency.1080ti_1",
    "help-latency-201.latency.1080ti_32",
    "help-latency-201.latency.2080ti_256",
    "help-latency-201.latency.essential_ph_1",
    "help-latency-201.latency.gold_6226",
    "help-latency-201.latency.pixel2",
    "help-latency-201.latency.raspi4",
    "help-latency-201.latency.silver_4114",
    "help-latency-201.latency.titan_rtx_32",
    "robustness-201.clean_acc",
    "robustness-201.apgd_eps0_1_acc",
    "robustness-201.apgd_eps0_5_acc",
    "robustness-201.apgd_eps1_acc",
    "robustness-201.apgd_eps2_acc",
    "robustness-201.apgd_eps3_acc",
    "robustness-201.apgd_eps4_acc",
    "robustness-201.apgd_eps8_acc",
    "robustness-201.square_eps0_1_acc",
    "robustness-201.square_eps0_5_acc",
    "robustness-201.square_eps1_acc",
    "robustness-201.square_eps2_acc",
    "robustness-201.square_eps3_acc",
    "robustness-201.square_eps4_acc",
    "robustness-201.square_eps8_acc",
    "robustness-201.fgsm_eps0_1_acc",
    "robustness-201.fgsm_eps0_5_acc",
    "robustness-201.fgsm_eps1_acc",
    "robustness-201.fgsm_eps2_acc",
    "robustness-201.fgsm_eps3_acc",
    "robustness-201.fgsm_eps4_acc",
    "robustness-201.fgsm_eps5_acc",
    "robustness-201.fgsm_eps6_acc",
    "robustness-201.fgsm_eps7_acc",
    "robustness-201.fgsm_eps8_acc",
    "robustness-201.fgsm_eps255_acc",
    "robustness-201.pgd_eps0_1_acc",
    "robustness-201.pgd_eps0_5_acc",
    "robustness-201.pgd_eps1_acc",
    "robustness-201.pgd_eps2_acc",
    "robustness-201.pgd_eps3_acc",
    "robustness-201.pgd_eps4_acc",
    "robustness-201.pgd_eps8_acc",
    "zero-cost-201.epe_nas",
    "zero-cost-201.fisher",
    "zero-cost-201.grad_norm",
    "zero-cost-201.grasp",
    "zero-cost-201.jacov",
    "zero-cost-201.l2_norm",
    "zero-cost-201.nwot",
    "zero-cost-201.plain",
    "zero-cost-201.snip",
    "zero-cost-201.synflow",
    "zero-cost-201.zen",
    "zero-cost-201.params",
    "zero-cost-201.flops",
]

Nb201Statistic: TypeAlias = Literal[
    "train_acc",
    "valid_acc",
    "test_acc",
    "ori_test_acc",
    "train_loss",
    "valid_loss",
    "test_loss",
    "ori_test_loss",
    "parameters",
    "flops",
    "latency",
    "training_time",
    "valid_evaluation_time",
    "test_evaluation_time",
    "ori_test_evaluation_time",
]

NatsSssDataset: TypeAlias = Literal["cifar10-valid", "cifar10", "cifar100", "imagenet16-120"]

NatsSssMetric: TypeAlias = Literal[
    "train_acc",
    "valid_acc",
    "test_acc",
    "ori_test_acc",
    "train_loss",
    "valid_loss",
    "test_loss",
    "ori_test_loss",
    "parameters",
    "flops",
    "latency",
    "training_time",
    "valid_evaluation_time",
    "test_evaluation_time",
    "ori_test_evaluation_time",
]

NdsModelFamily: TypeAlias = Literal["nas_cell", "residual_basic", "residual_bottleneck", "vanilla"]

NdsProposer: TypeAlias = Literal[
    "amoeba",
    "darts",
    "enas",
    "nasnet",
    "pnas",
    "resnet",
    "resnet-b",
    "resnext-a",
    "resnext-b",
    "vanilla",
]

NdsGenerator: TypeAlias = Literal["random", "fix_w_d", "tune_lr_wd"]

NdsDataset: TypeAlias = Literal["cifar10", "imagenet"]

NdsMetric: TypeAlias = Literal[
    "final_train_acc",
    "final_train_loss",
    "final_test_acc",
    "best_train_acc",
    "best_train_loss",
    "best_test_acc",
    "parameters",
    "flops",
    "iter_time",
    "prec_time",
]

HwNasBenchDataset: TypeAlias = Literal["cifar10", "cifar100", "imagenet16-120", "cifar10-valid"]

HelpLatency201Device: TypeAlias = Literal[
    "1080ti_1",
    "1080ti_32",
    "2080ti_256",
    "essential_ph_1",
    "gold_6226",
    "pixel2",
    "raspi4",
    "silver_4114",
    "titan_rtx_32",
]

HelpLatency201Metric: TypeAlias = Literal["latency"]

NasbenchgraphDataset: TypeAlias = Literal[
    "cora",
    "citeseer",
    "pubmed",
    "cs",
    "physics",
    "photo",
    "computers",
    "arxiv",
    "proteins",
]

NasbenchgraphMetric: TypeAlias = Literal["valid_perf", "test_perf", "latency", "parameters"]

NasbenchmacroDataset: TypeAlias = Literal["cifar10"]

NasbenchmacroMetric: TypeAlias = Literal["test_acc", "parameters", "flops"]

Robustness201Dataset: TypeAlias = Literal["cifar10", "cifar10-valid"]

Robustness201Metric: TypeAlias = Literal[
    "clean_acc",
    "apgd_eps0_1_acc",
    "apgd_eps0_5_acc",
    "apgd_eps1_acc",
    "apgd_eps2_acc",
    "apgd_eps3_acc",
    "apgd_eps4_acc",
    "apgd_eps8_acc",
    "square_eps0_1_acc",
    "square_eps0_5_acc",
    "square_eps1_acc",
    "square_eps2_acc",
    "square_eps3_acc",
    "square_eps4_acc",
    "square_eps8_acc",
    "fgsm_eps0_1_acc",
    "fgsm_eps0_5_acc",
    "fgsm_eps1_acc",
    "fgsm_eps2_acc",
    "fgsm_eps3_acc",
    "fgsm_eps4_acc",
    "fgsm_eps5_acc",
    "fgsm_eps6_acc",
    "fgsm_eps7_acc",
    "fgsm_eps8_acc",
    "fgsm_eps255_acc",
    "pgd_eps0_1_acc",
    "pgd_eps0_5_acc",
    "pgd_eps1_acc",
    "pgd_eps2_acc",
    "pgd_eps3_acc",
    "pgd_eps4_acc",
    "pgd_eps8_acc",
]

TransnasbenchMacroTask: TypeAlias = Literal[
    "class_scene",
    "class_object",
    "room_layout",
    "jigsaw",
    "segmentsemantic",
    "normal",
    "autoencoder",
]

TransnasbenchMacroMetric: TypeAlias = Literal["valid_figure", "zen", "zen_seconds"]

TransnasbenchMicroTask: TypeAlias = Literal[
    "class_scene",
    "class_object",
    "room_layout",
    "jigsaw",
    "segmentsemantic",
    "normal",
    "autoencoder",
]

TransnasbenchMicroMetric: TypeAlias = Literal["valid_figure", "zen", "zen_seconds"]

ZeroCost201Dataset: TypeAlias = Literal["cifar10", "cifar10-valid"]

ZeroCost201Metric: TypeAlias = Literal[
    "epe_nas",
    "fisher",
    "grad_norm",
    "grasp",
    "jacov",
    "l2_norm",
    "nwot",
    "plain",
    "snip",
    "synflow",
    "zen",
    "params",
    "flops",
]
