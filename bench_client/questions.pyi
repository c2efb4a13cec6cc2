"""What the questions take and return, by benchmark.

Made by `python -m bench_client.stubs` from the descriptions of the benchmarks.
"""

import os
from bench_client.arguments import (Reduction)
from bench_client.explorer import (Svg)
from bench_client.export import (Format)
from bench_client.frames import (Batch, Items)
from bench_client.models import (
        Column, Columns, Correlation, Density, Distribution, NatsSssArchitecture, NatsSssConfig,
        NatsSssCurves, NatsSssStats, Nb101Config, Nb101Curves, Nb101Hash, Nb101Stats,
        Nb201Architecture, Nb201Config, Nb201Curves, Nb201Hardware, Nb201Stats, NdsArchitecture,
        NdsConfig, NdsCurves, NdsDistribution, NdsStats, Ranked, Standing, TradeOff,
    )
from bench_client.simulation import (AsyncSimulation, Simulation)
from bench_client.table_version import (TableName)
from typing import (Any, BinaryIO, Literal, TypedDict, Unpack, overload)
from collections.abc import (Iterable, Mapping)
from pathlib import (Path)
from bench_client.nasbench101 import (Cell)
from bench_client.nasbench201 import (Architecture)
from bench_client.natssss import (Channels)
from bench_client.nds import (NdsBounds, NdsError, NdsSort, Specification)
from bench_client.hw_nas_bench import (CostDevice)
from bench_client.choices import (
        HelpLatency201Device, HelpLatency201Metric, HwNasBenchDataset, NasbenchgraphDataset,
        NasbenchgraphMetric, NasbenchmacroDataset, NasbenchmacroMetric, NatsSssDataset,
        NatsSssMetric, Nb101Dataset, Nb101Metric, Nb201Dataset, Nb201Metric, Nb201Statistic,
        NdsDataset, NdsGenerator, NdsMetric, NdsModelFamily, NdsProposer, Robustness201Dataset,
        Robustness201Metric, TransnasbenchMacroMetric, TransnasbenchMacroTask,
        TransnasbenchMicroMetric, TransnasbenchMicroTask, ZeroCost201Dataset, ZeroCost201Metric,
    )

class Nb101Part(TypedDict, total=False):
    num_epochs: int | None

class Nb101Within(Nb101Part, total=False):
    min_train_acc: float | None
    max_train_acc: float | None
    min_valid_acc: float | None
    max_valid_acc: float | None
    min_test_acc: float | None
    max_test_acc: float | None
    min_parameters: float | None
    max_parameters: float | None
    min_training_time: float | None
    max_training_time: float | None

class Nb101Both(Nb101Within, total=False):
    y_num_epochs: int | None

class Nb101Grid(Nb101Both, total=False):
    x_from: float | None
    x_to: float | None
    y_from: float | None
    y_to: float | None

class Nb101Filters(TypedDict, total=False):
    arch: Cell | None
    num_epochs: int | None
    isomorphism: bool

class Nb201Part(TypedDict, total=False):
    num_epochs: int | None
    dataset: Nb201Dataset | None

class Nb201Within(Nb201Part, total=False):
    min_train_acc: float | None
    max_train_acc: float | None
    min_valid_acc: float | None
    max_valid_acc: float | None
    min_test_acc: float | None
    max_test_acc: float | None
    min_ori_test_acc: float | None
    max_ori_test_acc: float | None
    min_train_loss: float | None
    max_train_loss: float | None
    min_valid_loss: float | None
    max_valid_loss: float | None
    min_test_loss: float | None
    max_test_loss: float | None
    min_ori_test_loss: float | None
    max_ori_test_loss: float | None
    min_parameters: float | None
    max_parameters: float | None
    min_flops: float | None
    max_flops: float | None
    min_latency: float | None
    max_latency: float | None
    min_training_time: float | None
    max_training_time: float | None
    min_valid_evaluation_time: float | None
    max_valid_evaluation_time: float | None
    min_test_evaluation_time: float | None
    max_test_evaluation_time: float | None
    min_ori_test_evaluation_time: float | None
    max_ori_test_evaluation_time: float | None
    min_edgegpu_latency: float | None
    max_edgegpu_latency: float | None
    min_edgegpu_energy: float | None
    max_edgegpu_energy: float | None
    min_raspi4_latency: float | None
    max_raspi4_latency: float | None
    min_edgetpu_latency: float | None
    max_edgetpu_latency: float | None
    min_pixel3_latency: float | None
    max_pixel3_latency: float | None
    min_eyeriss_latency: float | None
    max_eyeriss_latency: float | None
    min_eyeriss_energy: float | None
    max_eyeriss_energy: float | None
    min_eyeriss_arithmetic_intensity: float | None
    max_eyeriss_arithmetic_intensity: float | None
    min_fpga_latency: float | None
    max_fpga_latency: float | None
    min_fpga_energy: float | None
    max_fpga_energy: float | None

class Nb201Both(Nb201Within, total=False):
    y_num_epochs: int | None
    y_dataset: Nb201Dataset | None

class Nb201Grid(Nb201Both, total=False):
    x_from: float | None
    x_to: float | None
    y_from: float | None
    y_to: float | None

class Nb201Filters(TypedDict, total=False):
    arch: Architecture | None
    num_epochs: int | None
    dataset: Nb201Dataset | None
    seed: int | None

class NatsSssPart(TypedDict, total=False):
    num_epochs: int | None
    dataset: NatsSssDataset | None

class NatsSssWithin(NatsSssPart, total=False):
    min_train_acc: float | None
    max_train_acc: float | None
    min_valid_acc: float | None
    max_valid_acc: float | None
    min_test_acc: float | None
    max_test_acc: float | None
    min_ori_test_acc: float | None
    max_ori_test_acc: float | None
    min_train_loss: float | None
    max_train_loss: float | None
    min_valid_loss: float | None
    max_valid_loss: float | None
    min_test_loss: float | None
    max_test_loss: float | None
    min_ori_test_loss: float | None
    max_ori_test_loss: float | None
    min_parameters: float | None
    max_parameters: float | None
    min_flops: float | None
    max_flops: float | None
    min_latency: float | None
    max_latency: float | None
    min_training_time: float | None
    max_training_time: float | None
    min_valid_evaluation_time: float | None
    max_valid_evaluation_time: float | None
    min_test_evaluation_time: float | None
    max_test_evaluation_time: float | None
    min_ori_test_evaluation_time: float | None
    max_ori_test_evaluation_time: float | None

class NatsSssBoth(NatsSssWithin, total=False):
    y_num_epochs: int | None
    y_dataset: NatsSssDataset | None

class NatsSssGrid(NatsSssBoth, total=False):
    x_from: float | None
    x_to: float | None
    y_from: float | None
    y_to: float | None

class NatsSssFilters(TypedDict, total=False):
    arch: Channels | None
    num_epochs: int | None
    dataset: NatsSssDataset | None
    seed: int | None

class NdsPart(TypedDict, total=False):
    model_family: NdsModelFamily | None
    proposer: NdsProposer | None
    generator: NdsGenerator | None
    dataset: NdsDataset | None
    num_epochs: int | None

class NdsWithin(NdsPart, total=False):
    min_final_train_acc: float | None
    max_final_train_acc: float | None
    min_final_train_loss: float | None
    max_final_train_loss: float | None
    min_final_test_acc: float | None
    max_final_test_acc: float | None
    min_best_train_acc: float | None
    max_best_train_acc: float | None
    min_best_train_loss: float | None
    max_best_train_loss: float | None
    min_best_test_acc: float | None
    max_best_test_acc: float | None
    min_parameters: float | None
    max_parameters: float | None
    min_flops: float | None
    max_flops: float | None
    min_iter_time: float | None
    max_iter_time: float | None
    min_prec_time: float | None
    max_prec_time: float | None

class NdsBoth(NdsWithin, total=False):
    y_model_family: NdsModelFamily | None
    y_proposer: NdsProposer | None
    y_generator: NdsGenerator | None
    y_dataset: NdsDataset | None
    y_num_epochs: int | None

class NdsGrid(NdsBoth, total=False):
    x_from: float | None
    x_to: float | None
    y_from: float | None
    y_to: float | None

class NdsFilters(NdsBounds, total=False):
    model_family: NdsModelFamily | None
    proposer: NdsProposer | None
    generator: NdsGenerator | None
    model_spec: Specification | None
    cell_spec: Specification | None
    dataset: NdsDataset | None
    num_epochs: int | None
    seed: int | None

class HwNasBenchFilters(TypedDict, total=False):
    arch: Architecture | None
    dataset: HwNasBenchDataset | None
    device: CostDevice | None

class HelpLatency201Part(TypedDict, total=False):
    device: HelpLatency201Device | None

class HelpLatency201Within(HelpLatency201Part, total=False):
    min_latency: float | None
    max_latency: float | None

class HelpLatency201Both(HelpLatency201Within, total=False):
    y_device: HelpLatency201Device | None

class HelpLatency201Grid(HelpLatency201Both, total=False):
    x_from: float | None
    x_to: float | None
    y_from: float | None
    y_to: float | None

class HelpLatency201Filters(TypedDict, total=False):
    arch: Any
    device: HelpLatency201Device | None

class NasbenchgraphPart(TypedDict, total=False):
    dataset: NasbenchgraphDataset | None

class NasbenchgraphWithin(NasbenchgraphPart, total=False):
    min_valid_perf: float | None
    max_valid_perf: float | None
    min_test_perf: float | None
    max_test_perf: float | None
    min_latency: float | None
    max_latency: float | None
    min_parameters: float | None
    max_parameters: float | None

class NasbenchgraphBoth(NasbenchgraphWithin, total=False):
    y_dataset: NasbenchgraphDataset | None

class NasbenchgraphGrid(NasbenchgraphBoth, total=False):
    x_from: float | None
    x_to: float | None
    y_from: float | None
    y_to: float | None

class NasbenchgraphFilters(TypedDict, total=False):
    arch: Any
    dataset: NasbenchgraphDataset | None

class NasbenchmacroPart(TypedDict, total=False):
    dataset: NasbenchmacroDataset | None
    num_epochs: int | None

class NasbenchmacroWithin(NasbenchmacroPart, total=False):
    min_test_acc: float | None
    max_test_acc: float | None
    min_parameters: float | None
    max_parameters: float | None
    min_flops: float | None
    max_flops: float | None

class NasbenchmacroBoth(NasbenchmacroWithin, total=False):
    y_dataset: NasbenchmacroDataset | None
    y_num_epochs: int | None

class NasbenchmacroGrid(NasbenchmacroBoth, total=False):
    x_from: float | None
    x_to: float | None
    y_from: float | None
    y_to: float | None

class NasbenchmacroFilters(TypedDict, total=False):
    arch: Any
    dataset: NasbenchmacroDataset | None
    num_epochs: int | None
    run: int | None

class Robustness201Part(TypedDict, total=False):
    dataset: Robustness201Dataset | None

class Robustness201Within(Robustness201Part, total=False):
    min_clean_acc: float | None
    max_clean_acc: float | None
    min_apgd_eps0_1_acc: float | None
    max_apgd_eps0_1_acc: float | None
    min_apgd_eps0_5_acc: float | None
    max_apgd_eps0_5_acc: float | None
    min_apgd_eps1_acc: float | None
    max_apgd_eps1_acc: float | None
    min_apgd_eps2_acc: float | None
    max_apgd_eps2_acc: float | None
    min_apgd_eps3_acc: float | None
    max_apgd_eps3_acc: float | None
    min_apgd_eps4_acc: float | None
    max_apgd_eps4_acc: float | None
    min_apgd_eps8_acc: float | None
    max_apgd_eps8_acc: float | None
    min_square_eps0_1_acc: float | None
    max_square_eps0_1_acc: float | None
    min_square_eps0_5_acc: float | None
    max_square_eps0_5_acc: float | None
    min_square_eps1_acc: float | None
    max_square_eps1_acc: float | None
    min_square_eps2_acc: float | None
    max_square_eps2_acc: float | None
    min_square_eps3_acc: float | None
    max_square_eps3_acc: float | None
    min_square_eps4_acc: float | None
    max_square_eps4_acc: float | None
    min_square_eps8_acc: float | None
    max_square_eps8_acc: float | None
    min_fgsm_eps0_1_acc: float | None
    max_fgsm_eps0_1_acc: float | None
    min_fgsm_eps0_5_acc: float | None
    max_fgsm_eps0_5_acc: float | None
    min_fgsm_eps1_acc: float | None
    max_fgsm_eps1_acc: float | None
    min_fgsm_eps2_acc: float | None
    max_fgsm_eps2_acc: float | None
    min_fgsm_eps3_acc: float | None
    max_fgsm_eps3_acc: float | None
    min_fgsm_eps4_acc: float | None
    max_fgsm_eps4_acc: float | None
    min_fgsm_eps5_acc: float | None
    max_fgsm_eps5_acc: float | None
    min_fgsm_eps6_acc: float | None
    max_fgsm_eps6_acc: float | None
    min_fgsm_eps7_acc: float | None
    max_fgsm_eps7_acc: float | None
    min_fgsm_eps8_acc: float | None
    max_fgsm_eps8_acc: float | None
    min_fgsm_eps255_acc: float | None
    max_fgsm_eps255_acc: float | None
    min_pgd_eps0_1_acc: float | None
    max_pgd_eps0_1_acc: float | None
    min_pgd_eps0_5_acc: float | None
    max_pgd_eps0_5_acc: float | None
    min_pgd_eps1_acc: float | None
    max_pgd_eps1_acc: float | None
    min_pgd_eps2_acc: float | None
    max_pgd_eps2_acc: float | None
    min_pgd_eps3_acc: float | None
    max_pgd_eps3_acc: float | None
    min_pgd_eps4_acc: float | None
    max_pgd_eps4_acc: float | None
    min_pgd_eps8_acc: float | None
    max_pgd_eps8_acc: float | None

class Robustness201Both(Robustness201Within, total=False):
    y_dataset: Robustness201Dataset | None

class Robustness201Grid(Robustness201Both, total=False):
    x_from: float | None
    x_to: float | None
    y_from: float | None
    y_to: float | None

class Robustness201Filters(TypedDict, total=False):
    arch: Any
    dataset: Robustness201Dataset | None

class TransnasbenchMacroPart(TypedDict, total=False):
    task: TransnasbenchMacroTask | None

class TransnasbenchMacroWithin(TransnasbenchMacroPart, total=False):
    min_valid_figure: float | None
    max_valid_figure: float | None
    min_zen: float | None
    max_zen: float | None
    min_zen_seconds: float | None
    max_zen_seconds: float | None

class TransnasbenchMacroBoth(TransnasbenchMacroWithin, total=False):
    y_task: TransnasbenchMacroTask | None

class TransnasbenchMacroGrid(TransnasbenchMacroBoth, total=False):
    x_from: float | None
    x_to: float | None
    y_from: float | None
    y_to: float | None

class TransnasbenchMacroFilters(TypedDict, total=False):
    arch: Any
    task: TransnasbenchMacroTask | None

class TransnasbenchMicroPart(TypedDict, total=False):
    task: TransnasbenchMicroTask | None

class TransnasbenchMicroWithin(TransnasbenchMicroPart, total=False):
    min_valid_figure: float | None
    max_valid_figure: float | None
    min_zen: float | None
    max_zen: float | None
    min_zen_seconds: float | None
    max_zen_seconds: float | None

class TransnasbenchMicroBoth(TransnasbenchMicroWithin, total=False):
    y_task: TransnasbenchMicroTask | None

class TransnasbenchMicroGrid(TransnasbenchMicroBoth, total=False):
    x_from: float | None
    x_to: float | None
    y_from: float | None
    y_to: float | None

class TransnasbenchMicroFilters(TypedDict, total=False):
    arch: Any
    task: TransnasbenchMicroTask | None

class ZeroCost201Part(TypedDict, total=False):
    dataset: ZeroCost201Dataset | None

class ZeroCost201Within(ZeroCost201Part, total=False):
    min_epe_nas: float | None
    max_epe_nas: float | None
    min_fisher: float | None
    max_fisher: float | None
    min_grad_norm: float | None
    max_grad_norm: float | None
    min_grasp: float | None
    max_grasp: float | None
    min_jacov: float | None
    max_jacov: float | None
    min_l2_norm: float | None
    max_l2_norm: float | None
    min_nwot: float | None
    max_nwot: float | None
    min_plain: float | None
    max_plain: float | None
    min_snip: float | None
    max_snip: float | None
    min_synflow: float | None
    max_synflow: float | None
    min_zen: float | None
    max_zen: float | None
    min_params: float | None
    max_params: float | None
    min_flops: float | None
    max_flops: float | None

class ZeroCost201Both(ZeroCost201Within, total=False):
    y_dataset: ZeroCost201Dataset | None

class ZeroCost201Grid(ZeroCost201Both, total=False):
    x_from: float | None
    x_to: float | None
    y_from: float | None
    y_to: float | None

class ZeroCost201Filters(TypedDict, total=False):
    arch: Any
    dataset: ZeroCost201Dataset | None

class BlockingQuestions:
    @overload
    def query(
        self, benchmark: Literal["nasbench101"], arch: Cell | None = None,
        num_epochs: int | None = None, *, isomorphism: bool = True,
        reduction: Reduction | None = None, include_intermediates: bool = False,
    ) -> Items[Nb101Stats]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    def query(
        self, benchmark: Literal["nasbench201"], arch: Architecture | None = None,
        num_epochs: int | None = None, dataset: Nb201Dataset | None = None, seed: int | None = None,
        *, reduction: Reduction | None = None, include_intermediates: bool = False,
    ) -> Items[Nb201Stats]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    def query(
        self, benchmark: Literal["natssss"], arch: Channels | None = None,
        num_epochs: int | None = None, dataset: NatsSssDataset | None = None,
        seed: int | None = None, *, reduction: Reduction | None = None,
        include_intermediates: bool = False,
    ) -> Items[NatsSssStats]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    def query(
        self, benchmark: Literal["nds"], model_family: NdsModelFamily | None = None,
        proposer: NdsProposer | None = None, generator: NdsGenerator | None = None,
        model_spec: Specification | None = None, cell_spec: Specification | None = None,
        dataset: NdsDataset | None = None, num_epochs: int | None = None, *,
        seed: int | None = None, sort: NdsSort | None = None, limit: int | None = None,
        reduction: Reduction | None = None, include_intermediates: bool = False,
        **bounds: Unpack[NdsBounds],
    ) -> Items[NdsStats]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    def query(
        self, benchmark: Literal["hw-nas-bench"], arch: Architecture | None = None,
        dataset: HwNasBenchDataset | None = None, device: CostDevice | None = None,
    ) -> Items[Nb201Hardware]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    def query(
        self, benchmark: Literal["help-latency-201"], arch: Any = None,
        device: HelpLatency201Device | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    def query(
        self, benchmark: Literal["nasbenchgraph"], arch: Any = None,
        dataset: NasbenchgraphDataset | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    def query(
        self, benchmark: Literal["nasbenchmacro"], arch: Any = None,
        dataset: NasbenchmacroDataset | None = None, num_epochs: int | None = None,
        run: int | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    def query(
        self, benchmark: Literal["robustness-201"], arch: Any = None,
        dataset: Robustness201Dataset | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    def query(
        self, benchmark: Literal["transnasbench-macro"], arch: Any = None,
        task: TransnasbenchMacroTask | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    def query(
        self, benchmark: Literal["transnasbench-micro"], arch: Any = None,
        task: TransnasbenchMicroTask | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    def query(
        self, benchmark: Literal["zero-cost-201"], arch: Any = None,
        dataset: ZeroCost201Dataset | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    def query(self, benchmark: TableName, *filters: Any, **options: Any) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    def query_many(
        self, benchmark: Literal["nasbench101"], archs: Iterable[Cell],
        num_epochs: int | None = None, *, isomorphism: bool = True,
        reduction: Reduction | None = None, include_intermediates: bool = False,
    ) -> Batch[Nb101Stats]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    def query_many(
        self, benchmark: Literal["nasbench201"], archs: Iterable[Architecture],
        num_epochs: int | None = None, dataset: Nb201Dataset | None = None, seed: int | None = None,
        *, reduction: Reduction | None = None, include_intermediates: bool = False,
    ) -> Batch[Nb201Stats]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    def query_many(
        self, benchmark: Literal["natssss"], archs: Iterable[Channels],
        num_epochs: int | None = None, dataset: NatsSssDataset | None = None,
        seed: int | None = None, *, reduction: Reduction | None = None,
        include_intermediates: bool = False,
    ) -> Batch[NatsSssStats]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    def query_many(
        self, benchmark: Literal["nds"], archs: Iterable[Mapping[str, Any]],
        model_family: NdsModelFamily | None = None, proposer: NdsProposer | None = None,
        generator: NdsGenerator | None = None, dataset: NdsDataset | None = None,
        num_epochs: int | None = None, *, reduction: Reduction | None = None,
        include_intermediates: bool = False,
    ) -> Batch[NdsStats]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    def query_many(
        self, benchmark: Literal["help-latency-201"], archs: Iterable[Any],
        device: HelpLatency201Device | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    def query_many(
        self, benchmark: Literal["nasbenchgraph"], archs: Iterable[Any],
        dataset: NasbenchgraphDataset | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    def query_many(
        self, benchmark: Literal["nasbenchmacro"], archs: Iterable[Any],
        dataset: NasbenchmacroDataset | None = None, num_epochs: int | None = None,
        run: int | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    def query_many(
        self, benchmark: Literal["robustness-201"], archs: Iterable[Any],
        dataset: Robustness201Dataset | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    def query_many(
        self, benchmark: Literal["transnasbench-macro"], archs: Iterable[Any],
        task: TransnasbenchMacroTask | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    def query_many(
        self, benchmark: Literal["transnasbench-micro"], archs: Iterable[Any],
        task: TransnasbenchMicroTask | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    def query_many(
        self, benchmark: Literal["zero-cost-201"], archs: Iterable[Any],
        dataset: ZeroCost201Dataset | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    def query_many(
        self, benchmark: TableName, archs: Iterable[Any], *filters: Any, **options: Any,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    def curves(
        self, benchmark: Literal["nasbench101"], arch: Cell | None = None,
        num_epochs: int | None = None, *, isomorphism: bool = True,
        reduction: Reduction | None = None,
    ) -> Items[Nb101Curves]:
        """Return what the named benchmark's own question about learning curves returns."""
    @overload
    def curves(
        self, benchmark: Literal["nasbench201"], arch: Architecture | None = None,
        num_epochs: int | None = None, dataset: Nb201Dataset | None = None, seed: int | None = None,
        *, reduction: Reduction | None = None,
    ) -> Items[Nb201Curves]:
        """Return what the named benchmark's own question about learning curves returns."""
    @overload
    def curves(
        self, benchmark: Literal["natssss"], arch: Channels | None = None,
        num_epochs: int | None = None, dataset: NatsSssDataset | None = None,
        seed: int | None = None, *, reduction: Reduction | None = None,
    ) -> Items[NatsSssCurves]:
        """Return what the named benchmark's own question about learning curves returns."""
    @overload
    def curves(
        self, benchmark: Literal["nds"], model_family: NdsModelFamily | None = None,
        proposer: NdsProposer | None = None, generator: NdsGenerator | None = None,
        model_spec: Specification | None = None, cell_spec: Specification | None = None,
        dataset: NdsDataset | None = None, num_epochs: int | None = None, *,
        seed: int | None = None, sort: NdsSort | None = None, limit: int | None = None,
        reduction: Reduction | None = None, **bounds: Unpack[NdsBounds],
    ) -> Items[NdsCurves]:
        """Return what the named benchmark's own question about learning curves returns."""
    @overload
    def curves(self, benchmark: TableName, *filters: Any, **options: Any) -> Items[Any]:
        """Return what the named benchmark's own question about learning curves returns."""
    @overload
    def describe(self, benchmark: Literal["nasbench101"], arch: Cell) -> Nb101Hash:
        """Return every name of an architecture, and its equals where a benchmark knows them."""
    @overload
    def describe(self, benchmark: Literal["nasbench201"], arch: Architecture) -> Nb201Architecture:
        """Return every name of an architecture, and its equals where a benchmark knows them."""
    @overload
    def describe(self, benchmark: Literal["natssss"], arch: Channels) -> NatsSssArchitecture:
        """Return every name of an architecture, and its equals where a benchmark knows them."""
    @overload
    def describe(
        self,
        benchmark: Literal["help-latency-201", "nasbenchgraph", "nasbenchmacro", "robustness-201", "transnasbench-macro", "transnasbench-micro", "zero-cost-201"],
        arch: Any,
    ) -> Any:
        """Return every name of an architecture, and its equals where a benchmark knows them."""
    @overload
    def describe(self, benchmark: TableName, arch: Any) -> Any:
        """Return every name of an architecture, and its equals where a benchmark knows them."""
    @overload
    def top(
        self, benchmark: Literal["nasbench101"], *, metric: Nb101Metric, n: int = 10,
        **more: Unpack[Nb101Within],
    ) -> Items[Ranked[Nb101Config]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    def top(
        self, benchmark: Literal["nasbench201"], *, metric: Nb201Metric, n: int = 10,
        **more: Unpack[Nb201Within],
    ) -> Items[Ranked[Nb201Config]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    def top(
        self, benchmark: Literal["natssss"], *, metric: NatsSssMetric, n: int = 10,
        **more: Unpack[NatsSssWithin],
    ) -> Items[Ranked[NatsSssConfig]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    def top(
        self, benchmark: Literal["nds"], *, metric: NdsMetric, n: int = 10,
        **more: Unpack[NdsWithin],
    ) -> Items[Ranked[NdsConfig]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    def top(
        self, benchmark: Literal["help-latency-201"], *, metric: HelpLatency201Metric, n: int = 10,
        **more: Unpack[HelpLatency201Within],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    def top(
        self, benchmark: Literal["nasbenchgraph"], *, metric: NasbenchgraphMetric, n: int = 10,
        **more: Unpack[NasbenchgraphWithin],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    def top(
        self, benchmark: Literal["nasbenchmacro"], *, metric: NasbenchmacroMetric, n: int = 10,
        **more: Unpack[NasbenchmacroWithin],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    def top(
        self, benchmark: Literal["robustness-201"], *, metric: Robustness201Metric, n: int = 10,
        **more: Unpack[Robustness201Within],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    def top(
        self, benchmark: Literal["transnasbench-macro"], *, metric: TransnasbenchMacroMetric,
        n: int = 10, **more: Unpack[TransnasbenchMacroWithin],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    def top(
        self, benchmark: Literal["transnasbench-micro"], *, metric: TransnasbenchMicroMetric,
        n: int = 10, **more: Unpack[TransnasbenchMicroWithin],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    def top(
        self, benchmark: Literal["zero-cost-201"], *, metric: ZeroCost201Metric, n: int = 10,
        **more: Unpack[ZeroCost201Within],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    def top(
        self, benchmark: TableName, *, metric: str, dataset: str | None = None,
        num_epochs: int | None = None, n: int = 10, **more: Any,
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    def pareto(
        self, benchmark: Literal["nasbench101"], *, x: Nb101Metric, y: Nb101Metric,
        **more: Unpack[Nb101Within],
    ) -> Items[TradeOff[Nb101Config]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    def pareto(
        self, benchmark: Literal["nasbench201"], *, x: Nb201Metric, y: Nb201Metric,
        **more: Unpack[Nb201Within],
    ) -> Items[TradeOff[Nb201Config]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    def pareto(
        self, benchmark: Literal["natssss"], *, x: NatsSssMetric, y: NatsSssMetric,
        **more: Unpack[NatsSssWithin],
    ) -> Items[TradeOff[NatsSssConfig]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    def pareto(
        self, benchmark: Literal["nds"], *, x: NdsMetric, y: NdsMetric, **more: Unpack[NdsWithin],
    ) -> Items[TradeOff[NdsConfig]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    def pareto(
        self, benchmark: Literal["help-latency-201"], *, x: HelpLatency201Metric,
        y: HelpLatency201Metric, **more: Unpack[HelpLatency201Within],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    def pareto(
        self, benchmark: Literal["nasbenchgraph"], *, x: NasbenchgraphMetric,
        y: NasbenchgraphMetric, **more: Unpack[NasbenchgraphWithin],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    def pareto(
        self, benchmark: Literal["nasbenchmacro"], *, x: NasbenchmacroMetric,
        y: NasbenchmacroMetric, **more: Unpack[NasbenchmacroWithin],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    def pareto(
        self, benchmark: Literal["robustness-201"], *, x: Robustness201Metric,
        y: Robustness201Metric, **more: Unpack[Robustness201Within],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    def pareto(
        self, benchmark: Literal["transnasbench-macro"], *, x: TransnasbenchMacroMetric,
        y: TransnasbenchMacroMetric, **more: Unpack[TransnasbenchMacroWithin],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    def pareto(
        self, benchmark: Literal["transnasbench-micro"], *, x: TransnasbenchMicroMetric,
        y: TransnasbenchMicroMetric, **more: Unpack[TransnasbenchMicroWithin],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    def pareto(
        self, benchmark: Literal["zero-cost-201"], *, x: ZeroCost201Metric, y: ZeroCost201Metric,
        **more: Unpack[ZeroCost201Within],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    def pareto(
        self, benchmark: TableName, *, x: str, y: str, dataset: str | None = None,
        num_epochs: int | None = None, **more: Any,
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    def rank(
        self, benchmark: Literal["nasbench101"], arch: Any, *, metric: Nb101Metric,
        **more: Unpack[Nb101Part],
    ) -> Standing[Nb101Config] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    def rank(
        self, benchmark: Literal["nasbench201"], arch: Any, *, metric: Nb201Metric,
        **more: Unpack[Nb201Part],
    ) -> Standing[Nb201Config] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    def rank(
        self, benchmark: Literal["natssss"], arch: Any, *, metric: NatsSssMetric,
        **more: Unpack[NatsSssPart],
    ) -> Standing[NatsSssConfig] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    def rank(
        self, benchmark: Literal["help-latency-201"], arch: Any, *, metric: HelpLatency201Metric,
        **more: Unpack[HelpLatency201Part],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    def rank(
        self, benchmark: Literal["nasbenchgraph"], arch: Any, *, metric: NasbenchgraphMetric,
        **more: Unpack[NasbenchgraphPart],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    def rank(
        self, benchmark: Literal["nasbenchmacro"], arch: Any, *, metric: NasbenchmacroMetric,
        **more: Unpack[NasbenchmacroPart],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    def rank(
        self, benchmark: Literal["robustness-201"], arch: Any, *, metric: Robustness201Metric,
        **more: Unpack[Robustness201Part],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    def rank(
        self, benchmark: Literal["transnasbench-macro"], arch: Any, *,
        metric: TransnasbenchMacroMetric, **more: Unpack[TransnasbenchMacroPart],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    def rank(
        self, benchmark: Literal["transnasbench-micro"], arch: Any, *,
        metric: TransnasbenchMicroMetric, **more: Unpack[TransnasbenchMicroPart],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    def rank(
        self, benchmark: Literal["zero-cost-201"], arch: Any, *, metric: ZeroCost201Metric,
        **more: Unpack[ZeroCost201Part],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    def rank(
        self, benchmark: TableName, arch: Any, *, metric: str, dataset: str | None = None,
        num_epochs: int | None = None, **more: Any,
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    def correlation(
        self, benchmark: Literal["nasbench101"], *, x: Nb101Metric, y: Nb101Metric,
        top_k: int = 100, resamples: int = 0, resample_seed: int = 0, **more: Unpack[Nb101Both],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    def correlation(
        self, benchmark: Literal["nasbench201"], *, x: Nb201Metric, y: Nb201Metric,
        top_k: int = 100, resamples: int = 0, resample_seed: int = 0, **more: Unpack[Nb201Both],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    def correlation(
        self, benchmark: Literal["natssss"], *, x: NatsSssMetric, y: NatsSssMetric,
        top_k: int = 100, resamples: int = 0, resample_seed: int = 0, **more: Unpack[NatsSssBoth],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    def correlation(
        self, benchmark: Literal["nds"], *, x: NdsMetric, y: NdsMetric, top_k: int = 100,
        resamples: int = 0, resample_seed: int = 0, **more: Unpack[NdsBoth],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    def correlation(
        self, benchmark: Literal["help-latency-201"], *, x: HelpLatency201Metric,
        y: HelpLatency201Metric, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[HelpLatency201Both],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    def correlation(
        self, benchmark: Literal["nasbenchgraph"], *, x: NasbenchgraphMetric,
        y: NasbenchgraphMetric, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[NasbenchgraphBoth],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    def correlation(
        self, benchmark: Literal["nasbenchmacro"], *, x: NasbenchmacroMetric,
        y: NasbenchmacroMetric, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[NasbenchmacroBoth],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    def correlation(
        self, benchmark: Literal["robustness-201"], *, x: Robustness201Metric,
        y: Robustness201Metric, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[Robustness201Both],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    def correlation(
        self, benchmark: Literal["transnasbench-macro"], *, x: TransnasbenchMacroMetric,
        y: TransnasbenchMacroMetric, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[TransnasbenchMacroBoth],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    def correlation(
        self, benchmark: Literal["transnasbench-micro"], *, x: TransnasbenchMicroMetric,
        y: TransnasbenchMicroMetric, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[TransnasbenchMicroBoth],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    def correlation(
        self, benchmark: Literal["zero-cost-201"], *, x: ZeroCost201Metric, y: ZeroCost201Metric,
        top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[ZeroCost201Both],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    def correlation(
        self, benchmark: TableName, *, x: str, y: str, dataset: str | None = None,
        num_epochs: int | None = None, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Any,
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    def distribution(
        self, benchmark: Literal["nasbench101"], *, metric: Nb101Metric, points: int | None = None,
        **more: Unpack[Nb101Within],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    def distribution(
        self, benchmark: Literal["nasbench201"], *, metric: Nb201Metric, points: int | None = None,
        **more: Unpack[Nb201Within],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    def distribution(
        self, benchmark: Literal["natssss"], *, metric: NatsSssMetric, points: int | None = None,
        **more: Unpack[NatsSssWithin],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    def distribution(
        self, benchmark: Literal["nds"], *, metric: NdsMetric | NdsError, points: int | None = None,
        **more: Unpack[NdsWithin],
    ) -> Items[NdsDistribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    def distribution(
        self, benchmark: Literal["help-latency-201"], *, metric: HelpLatency201Metric,
        points: int | None = None, **more: Unpack[HelpLatency201Within],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    def distribution(
        self, benchmark: Literal["nasbenchgraph"], *, metric: NasbenchgraphMetric,
        points: int | None = None, **more: Unpack[NasbenchgraphWithin],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    def distribution(
        self, benchmark: Literal["nasbenchmacro"], *, metric: NasbenchmacroMetric,
        points: int | None = None, **more: Unpack[NasbenchmacroWithin],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    def distribution(
        self, benchmark: Literal["robustness-201"], *, metric: Robustness201Metric,
        points: int | None = None, **more: Unpack[Robustness201Within],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    def distribution(
        self, benchmark: Literal["transnasbench-macro"], *, metric: TransnasbenchMacroMetric,
        points: int | None = None, **more: Unpack[TransnasbenchMacroWithin],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    def distribution(
        self, benchmark: Literal["transnasbench-micro"], *, metric: TransnasbenchMicroMetric,
        points: int | None = None, **more: Unpack[TransnasbenchMicroWithin],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    def distribution(
        self, benchmark: Literal["zero-cost-201"], *, metric: ZeroCost201Metric,
        points: int | None = None, **more: Unpack[ZeroCost201Within],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    def distribution(
        self, benchmark: TableName, *, metric: str, dataset: str | None = None,
        num_epochs: int | None = None, points: int | None = None, **more: Any,
    ) -> Items[Any]:
        """Return how a metric is distributed over all architectures."""
    @overload
    def random(
        self, benchmark: Literal["nasbench101"], *, n: int = 1, seed: int = 0,
    ) -> Items[Nb101Hash]:
        """Return architectures drawn uniformly, without repeats, from those that have runs."""
    @overload
    def random(
        self, benchmark: Literal["nasbench201"], *, n: int = 1, seed: int = 0,
    ) -> Items[Nb201Architecture]:
        """Return architectures drawn uniformly, without repeats, from those that have runs."""
    @overload
    def random(
        self, benchmark: Literal["natssss"], *, n: int = 1, seed: int = 0,
    ) -> Items[NatsSssArchitecture]:
        """Return architectures drawn uniformly, without repeats, from those that have runs."""
    @overload
    def random(
        self, benchmark: Literal["nds"], *, n: int = 1, seed: int = 0,
    ) -> Items[NdsArchitecture]:
        """Return architectures drawn uniformly, without repeats, from those that have runs."""
    @overload
    def random(
        self,
        benchmark: Literal["help-latency-201", "nasbenchgraph", "nasbenchmacro", "robustness-201", "transnasbench-macro", "transnasbench-micro", "zero-cost-201"],
        *, n: int = 1, seed: int = 0,
    ) -> Items[Any]:
        """Return architectures drawn uniformly, without repeats, from those that have runs."""
    @overload
    def random(self, benchmark: TableName, *, n: int = 1, seed: int = 0) -> Items[Any]:
        """Return architectures drawn uniformly, without repeats, from those that have runs."""
    @overload
    def neighbors(self, benchmark: Literal["nasbench101"], arch: Any) -> Items[Nb101Hash]:
        """Return all architectures one edit away, each once, in a fixed order."""
    @overload
    def neighbors(self, benchmark: Literal["nasbench201"], arch: Any) -> Items[Nb201Architecture]:
        """Return all architectures one edit away, each once, in a fixed order."""
    @overload
    def neighbors(self, benchmark: Literal["natssss"], arch: Any) -> Items[NatsSssArchitecture]:
        """Return all architectures one edit away, each once, in a fixed order."""
    @overload
    def neighbors(
        self,
        benchmark: Literal["help-latency-201", "nasbenchgraph", "nasbenchmacro", "robustness-201", "transnasbench-micro", "zero-cost-201"],
        arch: Any,
    ) -> Items[Any]:
        """Return all architectures one edit away, each once, in a fixed order."""
    @overload
    def neighbors(self, benchmark: TableName, arch: Any) -> Items[Any]:
        """Return all architectures one edit away, each once, in a fixed order."""
    @overload
    def columns(self, benchmark: Literal["nasbench101"], **more: Unpack[Nb101Part]) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    def columns(self, benchmark: Literal["nasbench201"], **more: Unpack[Nb201Part]) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    def columns(self, benchmark: Literal["natssss"], **more: Unpack[NatsSssPart]) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    def columns(self, benchmark: Literal["nds"], **more: Unpack[NdsPart]) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    def columns(
        self, benchmark: Literal["help-latency-201"], **more: Unpack[HelpLatency201Part],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    def columns(
        self, benchmark: Literal["nasbenchgraph"], **more: Unpack[NasbenchgraphPart],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    def columns(
        self, benchmark: Literal["nasbenchmacro"], **more: Unpack[NasbenchmacroPart],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    def columns(
        self, benchmark: Literal["robustness-201"], **more: Unpack[Robustness201Part],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    def columns(
        self, benchmark: Literal["transnasbench-macro"], **more: Unpack[TransnasbenchMacroPart],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    def columns(
        self, benchmark: Literal["transnasbench-micro"], **more: Unpack[TransnasbenchMicroPart],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    def columns(
        self, benchmark: Literal["zero-cost-201"], **more: Unpack[ZeroCost201Part],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    def columns(
        self, benchmark: TableName, *, dataset: str | None = None, num_epochs: int | None = None,
        **more: Any,
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    def column(
        self, benchmark: Literal["nasbench101"], metric: Nb101Metric | str,
        **more: Unpack[Nb101Part],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    def column(
        self, benchmark: Literal["nasbench201"], metric: Nb201Metric | str,
        **more: Unpack[Nb201Part],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    def column(
        self, benchmark: Literal["natssss"], metric: NatsSssMetric | str,
        **more: Unpack[NatsSssPart],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    def column(
        self, benchmark: Literal["nds"], metric: NdsMetric | str, **more: Unpack[NdsPart],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    def column(
        self, benchmark: Literal["help-latency-201"], metric: HelpLatency201Metric | str,
        **more: Unpack[HelpLatency201Part],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    def column(
        self, benchmark: Literal["nasbenchgraph"], metric: NasbenchgraphMetric | str,
        **more: Unpack[NasbenchgraphPart],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    def column(
        self, benchmark: Literal["nasbenchmacro"], metric: NasbenchmacroMetric | str,
        **more: Unpack[NasbenchmacroPart],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    def column(
        self, benchmark: Literal["robustness-201"], metric: Robustness201Metric | str,
        **more: Unpack[Robustness201Part],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    def column(
        self, benchmark: Literal["transnasbench-macro"], metric: TransnasbenchMacroMetric | str,
        **more: Unpack[TransnasbenchMacroPart],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    def column(
        self, benchmark: Literal["transnasbench-micro"], metric: TransnasbenchMicroMetric | str,
        **more: Unpack[TransnasbenchMicroPart],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    def column(
        self, benchmark: Literal["zero-cost-201"], metric: ZeroCost201Metric | str,
        **more: Unpack[ZeroCost201Part],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    def column(
        self, benchmark: TableName, metric: str, *, dataset: str | None = None,
        num_epochs: int | None = None, **more: Any,
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    def density(
        self, benchmark: Literal["nasbench101"], *, x: Nb101Metric, y: Nb101Metric, bins: int = 128,
        x_log: bool = False, y_log: bool = False, **more: Unpack[Nb101Grid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    def density(
        self, benchmark: Literal["nasbench201"], *, x: Nb201Metric, y: Nb201Metric, bins: int = 128,
        x_log: bool = False, y_log: bool = False, **more: Unpack[Nb201Grid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    def density(
        self, benchmark: Literal["natssss"], *, x: NatsSssMetric, y: NatsSssMetric, bins: int = 128,
        x_log: bool = False, y_log: bool = False, **more: Unpack[NatsSssGrid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    def density(
        self, benchmark: Literal["nds"], *, x: NdsMetric, y: NdsMetric, bins: int = 128,
        x_log: bool = False, y_log: bool = False, **more: Unpack[NdsGrid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    def density(
        self, benchmark: Literal["help-latency-201"], *, x: HelpLatency201Metric,
        y: HelpLatency201Metric, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Unpack[HelpLatency201Grid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    def density(
        self, benchmark: Literal["nasbenchgraph"], *, x: NasbenchgraphMetric,
        y: NasbenchgraphMetric, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Unpack[NasbenchgraphGrid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    def density(
        self, benchmark: Literal["nasbenchmacro"], *, x: NasbenchmacroMetric,
        y: NasbenchmacroMetric, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Unpack[NasbenchmacroGrid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    def density(
        self, benchmark: Literal["robustness-201"], *, x: Robustness201Metric,
        y: Robustness201Metric, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Unpack[Robustness201Grid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    def density(
        self, benchmark: Literal["transnasbench-macro"], *, x: TransnasbenchMacroMetric,
        y: TransnasbenchMacroMetric, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Unpack[TransnasbenchMacroGrid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    def density(
        self, benchmark: Literal["transnasbench-micro"], *, x: TransnasbenchMicroMetric,
        y: TransnasbenchMicroMetric, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Unpack[TransnasbenchMicroGrid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    def density(
        self, benchmark: Literal["zero-cost-201"], *, x: ZeroCost201Metric, y: ZeroCost201Metric,
        bins: int = 128, x_log: bool = False, y_log: bool = False, **more: Unpack[ZeroCost201Grid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    def density(
        self, benchmark: TableName, *, x: str, y: str, dataset: str | None = None,
        num_epochs: int | None = None, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Any,
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    def picture(self, benchmark: str, arch: Any, *, theme: str = 'light') -> Svg:
        """Return a picture of an architecture as SVG: its cells, its choices, or its widths."""
    @overload
    def spellings(
        self, benchmark: Literal["nasbench101"], numbers: Iterable[int], **more: Unpack[Nb101Part],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    def spellings(
        self, benchmark: Literal["nasbench201"], numbers: Iterable[int], **more: Unpack[Nb201Part],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    def spellings(
        self, benchmark: Literal["natssss"], numbers: Iterable[int], **more: Unpack[NatsSssPart],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    def spellings(
        self, benchmark: Literal["nds"], numbers: Iterable[int], **more: Unpack[NdsPart],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    def spellings(
        self, benchmark: Literal["help-latency-201"], numbers: Iterable[int],
        **more: Unpack[HelpLatency201Part],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    def spellings(
        self, benchmark: Literal["nasbenchgraph"], numbers: Iterable[int],
        **more: Unpack[NasbenchgraphPart],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    def spellings(
        self, benchmark: Literal["nasbenchmacro"], numbers: Iterable[int],
        **more: Unpack[NasbenchmacroPart],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    def spellings(
        self, benchmark: Literal["robustness-201"], numbers: Iterable[int],
        **more: Unpack[Robustness201Part],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    def spellings(
        self, benchmark: Literal["transnasbench-macro"], numbers: Iterable[int],
        **more: Unpack[TransnasbenchMacroPart],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    def spellings(
        self, benchmark: Literal["transnasbench-micro"], numbers: Iterable[int],
        **more: Unpack[TransnasbenchMicroPart],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    def spellings(
        self, benchmark: Literal["zero-cost-201"], numbers: Iterable[int],
        **more: Unpack[ZeroCost201Part],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    def spellings(
        self, benchmark: TableName, numbers: Iterable[int], *, dataset: str | None = None,
        num_epochs: int | None = None, **more: Any,
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    def export(
        self, benchmark: Literal["nasbench101"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[Nb101Filters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    def export(
        self, benchmark: Literal["nasbench201"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[Nb201Filters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    def export(
        self, benchmark: Literal["natssss"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[NatsSssFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    def export(
        self, benchmark: Literal["nds"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[NdsFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    def export(
        self, benchmark: Literal["hw-nas-bench"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[HwNasBenchFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    def export(
        self, benchmark: Literal["help-latency-201"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[HelpLatency201Filters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    def export(
        self, benchmark: Literal["nasbenchgraph"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[NasbenchgraphFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    def export(
        self, benchmark: Literal["nasbenchmacro"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[NasbenchmacroFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    def export(
        self, benchmark: Literal["robustness-201"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[Robustness201Filters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    def export(
        self, benchmark: Literal["transnasbench-macro"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[TransnasbenchMacroFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    def export(
        self, benchmark: Literal["transnasbench-micro"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[TransnasbenchMicroFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    def export(
        self, benchmark: Literal["zero-cost-201"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[ZeroCost201Filters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    def export(
        self, benchmark: TableName, path: str | os.PathLike[str], *, format: Format | None = None,
        reduction: Reduction | None = None, **filters: Any,
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    def export_to(
        self, file: BinaryIO, benchmark: Literal["nasbench101"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[Nb101Filters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def export_to(
        self, file: BinaryIO, benchmark: Literal["nasbench201"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[Nb201Filters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def export_to(
        self, file: BinaryIO, benchmark: Literal["natssss"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[NatsSssFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def export_to(
        self, file: BinaryIO, benchmark: Literal["nds"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[NdsFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def export_to(
        self, file: BinaryIO, benchmark: Literal["hw-nas-bench"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[HwNasBenchFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def export_to(
        self, file: BinaryIO, benchmark: Literal["help-latency-201"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[HelpLatency201Filters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def export_to(
        self, file: BinaryIO, benchmark: Literal["nasbenchgraph"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[NasbenchgraphFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def export_to(
        self, file: BinaryIO, benchmark: Literal["nasbenchmacro"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[NasbenchmacroFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def export_to(
        self, file: BinaryIO, benchmark: Literal["robustness-201"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[Robustness201Filters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def export_to(
        self, file: BinaryIO, benchmark: Literal["transnasbench-macro"], *,
        format: Format = 'ndjson', reduction: Reduction | None = None,
        **filters: Unpack[TransnasbenchMacroFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def export_to(
        self, file: BinaryIO, benchmark: Literal["transnasbench-micro"], *,
        format: Format = 'ndjson', reduction: Reduction | None = None,
        **filters: Unpack[TransnasbenchMicroFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def export_to(
        self, file: BinaryIO, benchmark: Literal["zero-cost-201"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[ZeroCost201Filters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def export_to(
        self, file: BinaryIO, benchmark: TableName, *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Any,
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def simulate(
        self, benchmark: Literal["nasbench101"], dataset: Nb101Dataset | None = None,
        num_epochs: int | None = None, *, budget: float, metric: Nb101Metric | None = None,
        seed: int | None = None, continue_training: bool = False, free_repeats: bool = False,
        evaluation_time: bool = False, on_missing: Literal['raise', 'train'] = 'raise',
    ) -> Simulation:
        """Return a clock that adds up the recorded training times of what a search evaluates."""
    @overload
    def simulate(
        self, benchmark: Literal["nasbench201"], dataset: Nb201Dataset | None = None,
        num_epochs: int | None = None, *, budget: float, metric: Nb201Statistic | None = None,
        seed: int | None = None, continue_training: bool = False, free_repeats: bool = False,
        evaluation_time: bool = False, on_missing: Literal['raise', 'train'] = 'raise',
    ) -> Simulation:
        """Return a clock that adds up the recorded training times of what a search evaluates."""
    @overload
    def simulate(
        self, benchmark: Literal["natssss"], dataset: NatsSssDataset | None = None,
        num_epochs: int | None = None, *, budget: float, metric: NatsSssMetric | None = None,
        seed: int | None = None, continue_training: bool = False, free_repeats: bool = False,
        evaluation_time: bool = False, on_missing: Literal['raise', 'train'] = 'raise',
    ) -> Simulation:
        """Return a clock that adds up the recorded training times of what a search evaluates."""
    @overload
    def simulate(
        self, benchmark: TableName, dataset: str | None = None, num_epochs: int | None = None, *,
        budget: float, metric: str | None = None, seed: int | None = None,
        continue_training: bool = False, free_repeats: bool = False, evaluation_time: bool = False,
        on_missing: Literal['raise', 'train'] = 'raise', **part: Any,
    ) -> Simulation:
        """Return a clock that adds up the recorded training times of what a search evaluates."""

class AwaitedQuestions:
    @overload
    async def query(
        self, benchmark: Literal["nasbench101"], arch: Cell | None = None,
        num_epochs: int | None = None, *, isomorphism: bool = True,
        reduction: Reduction | None = None, include_intermediates: bool = False,
    ) -> Items[Nb101Stats]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    async def query(
        self, benchmark: Literal["nasbench201"], arch: Architecture | None = None,
        num_epochs: int | None = None, dataset: Nb201Dataset | None = None, seed: int | None = None,
        *, reduction: Reduction | None = None, include_intermediates: bool = False,
    ) -> Items[Nb201Stats]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    async def query(
        self, benchmark: Literal["natssss"], arch: Channels | None = None,
        num_epochs: int | None = None, dataset: NatsSssDataset | None = None,
        seed: int | None = None, *, reduction: Reduction | None = None,
        include_intermediates: bool = False,
    ) -> Items[NatsSssStats]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    async def query(
        self, benchmark: Literal["nds"], model_family: NdsModelFamily | None = None,
        proposer: NdsProposer | None = None, generator: NdsGenerator | None = None,
        model_spec: Specification | None = None, cell_spec: Specification | None = None,
        dataset: NdsDataset | None = None, num_epochs: int | None = None, *,
        seed: int | None = None, sort: NdsSort | None = None, limit: int | None = None,
        reduction: Reduction | None = None, include_intermediates: bool = False,
        **bounds: Unpack[NdsBounds],
    ) -> Items[NdsStats]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    async def query(
        self, benchmark: Literal["hw-nas-bench"], arch: Architecture | None = None,
        dataset: HwNasBenchDataset | None = None, device: CostDevice | None = None,
    ) -> Items[Nb201Hardware]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    async def query(
        self, benchmark: Literal["help-latency-201"], arch: Any = None,
        device: HelpLatency201Device | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    async def query(
        self, benchmark: Literal["nasbenchgraph"], arch: Any = None,
        dataset: NasbenchgraphDataset | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    async def query(
        self, benchmark: Literal["nasbenchmacro"], arch: Any = None,
        dataset: NasbenchmacroDataset | None = None, num_epochs: int | None = None,
        run: int | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    async def query(
        self, benchmark: Literal["robustness-201"], arch: Any = None,
        dataset: Robustness201Dataset | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    async def query(
        self, benchmark: Literal["transnasbench-macro"], arch: Any = None,
        task: TransnasbenchMacroTask | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    async def query(
        self, benchmark: Literal["transnasbench-micro"], arch: Any = None,
        task: TransnasbenchMicroTask | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    async def query(
        self, benchmark: Literal["zero-cost-201"], arch: Any = None,
        dataset: ZeroCost201Dataset | None = None, *, reduction: Reduction | None = None,
    ) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    async def query(self, benchmark: TableName, *filters: Any, **options: Any) -> Items[Any]:
        """Return what the named benchmark's own query returns for the same arguments."""
    @overload
    async def query_many(
        self, benchmark: Literal["nasbench101"], archs: Iterable[Cell],
        num_epochs: int | None = None, *, isomorphism: bool = True,
        reduction: Reduction | None = None, include_intermediates: bool = False,
    ) -> Batch[Nb101Stats]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    async def query_many(
        self, benchmark: Literal["nasbench201"], archs: Iterable[Architecture],
        num_epochs: int | None = None, dataset: Nb201Dataset | None = None, seed: int | None = None,
        *, reduction: Reduction | None = None, include_intermediates: bool = False,
    ) -> Batch[Nb201Stats]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    async def query_many(
        self, benchmark: Literal["natssss"], archs: Iterable[Channels],
        num_epochs: int | None = None, dataset: NatsSssDataset | None = None,
        seed: int | None = None, *, reduction: Reduction | None = None,
        include_intermediates: bool = False,
    ) -> Batch[NatsSssStats]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    async def query_many(
        self, benchmark: Literal["nds"], archs: Iterable[Mapping[str, Any]],
        model_family: NdsModelFamily | None = None, proposer: NdsProposer | None = None,
        generator: NdsGenerator | None = None, dataset: NdsDataset | None = None,
        num_epochs: int | None = None, *, reduction: Reduction | None = None,
        include_intermediates: bool = False,
    ) -> Batch[NdsStats]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    async def query_many(
        self, benchmark: Literal["help-latency-201"], archs: Iterable[Any],
        device: HelpLatency201Device | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    async def query_many(
        self, benchmark: Literal["nasbenchgraph"], archs: Iterable[Any],
        dataset: NasbenchgraphDataset | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    async def query_many(
        self, benchmark: Literal["nasbenchmacro"], archs: Iterable[Any],
        dataset: NasbenchmacroDataset | None = None, num_epochs: int | None = None,
        run: int | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    async def query_many(
        self, benchmark: Literal["robustness-201"], archs: Iterable[Any],
        dataset: Robustness201Dataset | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    async def query_many(
        self, benchmark: Literal["transnasbench-macro"], archs: Iterable[Any],
        task: TransnasbenchMacroTask | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    async def query_many(
        self, benchmark: Literal["transnasbench-micro"], archs: Iterable[Any],
        task: TransnasbenchMicroTask | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    async def query_many(
        self, benchmark: Literal["zero-cost-201"], archs: Iterable[Any],
        dataset: ZeroCost201Dataset | None = None, *, reduction: Reduction | None = None,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    async def query_many(
        self, benchmark: TableName, archs: Iterable[Any], *filters: Any, **options: Any,
    ) -> Batch[Any]:
        """Return what the named benchmark's own query for many architectures returns."""
    @overload
    async def curves(
        self, benchmark: Literal["nasbench101"], arch: Cell | None = None,
        num_epochs: int | None = None, *, isomorphism: bool = True,
        reduction: Reduction | None = None,
    ) -> Items[Nb101Curves]:
        """Return what the named benchmark's own question about learning curves returns."""
    @overload
    async def curves(
        self, benchmark: Literal["nasbench201"], arch: Architecture | None = None,
        num_epochs: int | None = None, dataset: Nb201Dataset | None = None, seed: int | None = None,
        *, reduction: Reduction | None = None,
    ) -> Items[Nb201Curves]:
        """Return what the named benchmark's own question about learning curves returns."""
    @overload
    async def curves(
        self, benchmark: Literal["natssss"], arch: Channels | None = None,
        num_epochs: int | None = None, dataset: NatsSssDataset | None = None,
        seed: int | None = None, *, reduction: Reduction | None = None,
    ) -> Items[NatsSssCurves]:
        """Return what the named benchmark's own question about learning curves returns."""
    @overload
    async def curves(
        self, benchmark: Literal["nds"], model_family: NdsModelFamily | None = None,
        proposer: NdsProposer | None = None, generator: NdsGenerator | None = None,
        model_spec: Specification | None = None, cell_spec: Specification | None = None,
        dataset: NdsDataset | None = None, num_epochs: int | None = None, *,
        seed: int | None = None, sort: NdsSort | None = None, limit: int | None = None,
        reduction: Reduction | None = None, **bounds: Unpack[NdsBounds],
    ) -> Items[NdsCurves]:
        """Return what the named benchmark's own question about learning curves returns."""
    @overload
    async def curves(self, benchmark: TableName, *filters: Any, **options: Any) -> Items[Any]:
        """Return what the named benchmark's own question about learning curves returns."""
    @overload
    async def describe(self, benchmark: Literal["nasbench101"], arch: Cell) -> Nb101Hash:
        """Return every name of an architecture, and its equals where a benchmark knows them."""
    @overload
    async def describe(
        self, benchmark: Literal["nasbench201"], arch: Architecture,
    ) -> Nb201Architecture:
        """Return every name of an architecture, and its equals where a benchmark knows them."""
    @overload
    async def describe(self, benchmark: Literal["natssss"], arch: Channels) -> NatsSssArchitecture:
        """Return every name of an architecture, and its equals where a benchmark knows them."""
    @overload
    async def describe(
        self,
        benchmark: Literal["help-latency-201", "nasbenchgraph", "nasbenchmacro", "robustness-201", "transnasbench-macro", "transnasbench-micro", "zero-cost-201"],
        arch: Any,
    ) -> Any:
        """Return every name of an architecture, and its equals where a benchmark knows them."""
    @overload
    async def describe(self, benchmark: TableName, arch: Any) -> Any:
        """Return every name of an architecture, and its equals where a benchmark knows them."""
    @overload
    async def top(
        self, benchmark: Literal["nasbench101"], *, metric: Nb101Metric, n: int = 10,
        **more: Unpack[Nb101Within],
    ) -> Items[Ranked[Nb101Config]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    async def top(
        self, benchmark: Literal["nasbench201"], *, metric: Nb201Metric, n: int = 10,
        **more: Unpack[Nb201Within],
    ) -> Items[Ranked[Nb201Config]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    async def top(
        self, benchmark: Literal["natssss"], *, metric: NatsSssMetric, n: int = 10,
        **more: Unpack[NatsSssWithin],
    ) -> Items[Ranked[NatsSssConfig]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    async def top(
        self, benchmark: Literal["nds"], *, metric: NdsMetric, n: int = 10,
        **more: Unpack[NdsWithin],
    ) -> Items[Ranked[NdsConfig]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    async def top(
        self, benchmark: Literal["help-latency-201"], *, metric: HelpLatency201Metric, n: int = 10,
        **more: Unpack[HelpLatency201Within],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    async def top(
        self, benchmark: Literal["nasbenchgraph"], *, metric: NasbenchgraphMetric, n: int = 10,
        **more: Unpack[NasbenchgraphWithin],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    async def top(
        self, benchmark: Literal["nasbenchmacro"], *, metric: NasbenchmacroMetric, n: int = 10,
        **more: Unpack[NasbenchmacroWithin],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    async def top(
        self, benchmark: Literal["robustness-201"], *, metric: Robustness201Metric, n: int = 10,
        **more: Unpack[Robustness201Within],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    async def top(
        self, benchmark: Literal["transnasbench-macro"], *, metric: TransnasbenchMacroMetric,
        n: int = 10, **more: Unpack[TransnasbenchMacroWithin],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    async def top(
        self, benchmark: Literal["transnasbench-micro"], *, metric: TransnasbenchMicroMetric,
        n: int = 10, **more: Unpack[TransnasbenchMicroWithin],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    async def top(
        self, benchmark: Literal["zero-cost-201"], *, metric: ZeroCost201Metric, n: int = 10,
        **more: Unpack[ZeroCost201Within],
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    async def top(
        self, benchmark: TableName, *, metric: str, dataset: str | None = None,
        num_epochs: int | None = None, n: int = 10, **more: Any,
    ) -> Items[Ranked[Any]]:
        """Return the best architectures by a metric, the best first: what an oracle would choose."""
    @overload
    async def pareto(
        self, benchmark: Literal["nasbench101"], *, x: Nb101Metric, y: Nb101Metric,
        **more: Unpack[Nb101Within],
    ) -> Items[TradeOff[Nb101Config]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    async def pareto(
        self, benchmark: Literal["nasbench201"], *, x: Nb201Metric, y: Nb201Metric,
        **more: Unpack[Nb201Within],
    ) -> Items[TradeOff[Nb201Config]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    async def pareto(
        self, benchmark: Literal["natssss"], *, x: NatsSssMetric, y: NatsSssMetric,
        **more: Unpack[NatsSssWithin],
    ) -> Items[TradeOff[NatsSssConfig]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    async def pareto(
        self, benchmark: Literal["nds"], *, x: NdsMetric, y: NdsMetric, **more: Unpack[NdsWithin],
    ) -> Items[TradeOff[NdsConfig]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    async def pareto(
        self, benchmark: Literal["help-latency-201"], *, x: HelpLatency201Metric,
        y: HelpLatency201Metric, **more: Unpack[HelpLatency201Within],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    async def pareto(
        self, benchmark: Literal["nasbenchgraph"], *, x: NasbenchgraphMetric,
        y: NasbenchgraphMetric, **more: Unpack[NasbenchgraphWithin],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    async def pareto(
        self, benchmark: Literal["nasbenchmacro"], *, x: NasbenchmacroMetric,
        y: NasbenchmacroMetric, **more: Unpack[NasbenchmacroWithin],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    async def pareto(
        self, benchmark: Literal["robustness-201"], *, x: Robustness201Metric,
        y: Robustness201Metric, **more: Unpack[Robustness201Within],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    async def pareto(
        self, benchmark: Literal["transnasbench-macro"], *, x: TransnasbenchMacroMetric,
        y: TransnasbenchMacroMetric, **more: Unpack[TransnasbenchMacroWithin],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    async def pareto(
        self, benchmark: Literal["transnasbench-micro"], *, x: TransnasbenchMicroMetric,
        y: TransnasbenchMicroMetric, **more: Unpack[TransnasbenchMicroWithin],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    async def pareto(
        self, benchmark: Literal["zero-cost-201"], *, x: ZeroCost201Metric, y: ZeroCost201Metric,
        **more: Unpack[ZeroCost201Within],
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    async def pareto(
        self, benchmark: TableName, *, x: str, y: str, dataset: str | None = None,
        num_epochs: int | None = None, **more: Any,
    ) -> Items[TradeOff[Any]]:
        """Return the architectures that none beats in one metric without losing in the other."""
    @overload
    async def rank(
        self, benchmark: Literal["nasbench101"], arch: Any, *, metric: Nb101Metric,
        **more: Unpack[Nb101Part],
    ) -> Standing[Nb101Config] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    async def rank(
        self, benchmark: Literal["nasbench201"], arch: Any, *, metric: Nb201Metric,
        **more: Unpack[Nb201Part],
    ) -> Standing[Nb201Config] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    async def rank(
        self, benchmark: Literal["natssss"], arch: Any, *, metric: NatsSssMetric,
        **more: Unpack[NatsSssPart],
    ) -> Standing[NatsSssConfig] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    async def rank(
        self, benchmark: Literal["help-latency-201"], arch: Any, *, metric: HelpLatency201Metric,
        **more: Unpack[HelpLatency201Part],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    async def rank(
        self, benchmark: Literal["nasbenchgraph"], arch: Any, *, metric: NasbenchgraphMetric,
        **more: Unpack[NasbenchgraphPart],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    async def rank(
        self, benchmark: Literal["nasbenchmacro"], arch: Any, *, metric: NasbenchmacroMetric,
        **more: Unpack[NasbenchmacroPart],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    async def rank(
        self, benchmark: Literal["robustness-201"], arch: Any, *, metric: Robustness201Metric,
        **more: Unpack[Robustness201Part],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    async def rank(
        self, benchmark: Literal["transnasbench-macro"], arch: Any, *,
        metric: TransnasbenchMacroMetric, **more: Unpack[TransnasbenchMacroPart],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    async def rank(
        self, benchmark: Literal["transnasbench-micro"], arch: Any, *,
        metric: TransnasbenchMicroMetric, **more: Unpack[TransnasbenchMicroPart],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    async def rank(
        self, benchmark: Literal["zero-cost-201"], arch: Any, *, metric: ZeroCost201Metric,
        **more: Unpack[ZeroCost201Part],
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    async def rank(
        self, benchmark: TableName, arch: Any, *, metric: str, dataset: str | None = None,
        num_epochs: int | None = None, **more: Any,
    ) -> Standing[Any] | None:
        """Return where an architecture stands among all by a metric; None if it has no value of it."""
    @overload
    async def correlation(
        self, benchmark: Literal["nasbench101"], *, x: Nb101Metric, y: Nb101Metric,
        top_k: int = 100, resamples: int = 0, resample_seed: int = 0, **more: Unpack[Nb101Both],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    async def correlation(
        self, benchmark: Literal["nasbench201"], *, x: Nb201Metric, y: Nb201Metric,
        top_k: int = 100, resamples: int = 0, resample_seed: int = 0, **more: Unpack[Nb201Both],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    async def correlation(
        self, benchmark: Literal["natssss"], *, x: NatsSssMetric, y: NatsSssMetric,
        top_k: int = 100, resamples: int = 0, resample_seed: int = 0, **more: Unpack[NatsSssBoth],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    async def correlation(
        self, benchmark: Literal["nds"], *, x: NdsMetric, y: NdsMetric, top_k: int = 100,
        resamples: int = 0, resample_seed: int = 0, **more: Unpack[NdsBoth],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    async def correlation(
        self, benchmark: Literal["help-latency-201"], *, x: HelpLatency201Metric,
        y: HelpLatency201Metric, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[HelpLatency201Both],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    async def correlation(
        self, benchmark: Literal["nasbenchgraph"], *, x: NasbenchgraphMetric,
        y: NasbenchgraphMetric, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[NasbenchgraphBoth],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    async def correlation(
        self, benchmark: Literal["nasbenchmacro"], *, x: NasbenchmacroMetric,
        y: NasbenchmacroMetric, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[NasbenchmacroBoth],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    async def correlation(
        self, benchmark: Literal["robustness-201"], *, x: Robustness201Metric,
        y: Robustness201Metric, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[Robustness201Both],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    async def correlation(
        self, benchmark: Literal["transnasbench-macro"], *, x: TransnasbenchMacroMetric,
        y: TransnasbenchMacroMetric, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[TransnasbenchMacroBoth],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    async def correlation(
        self, benchmark: Literal["transnasbench-micro"], *, x: TransnasbenchMicroMetric,
        y: TransnasbenchMicroMetric, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[TransnasbenchMicroBoth],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    async def correlation(
        self, benchmark: Literal["zero-cost-201"], *, x: ZeroCost201Metric, y: ZeroCost201Metric,
        top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Unpack[ZeroCost201Both],
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    async def correlation(
        self, benchmark: TableName, *, x: str, y: str, dataset: str | None = None,
        num_epochs: int | None = None, top_k: int = 100, resamples: int = 0, resample_seed: int = 0,
        **more: Any,
    ) -> Correlation:
        """Return how well two metrics agree over the architectures that have both."""
    @overload
    async def distribution(
        self, benchmark: Literal["nasbench101"], *, metric: Nb101Metric, points: int | None = None,
        **more: Unpack[Nb101Within],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    async def distribution(
        self, benchmark: Literal["nasbench201"], *, metric: Nb201Metric, points: int | None = None,
        **more: Unpack[Nb201Within],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    async def distribution(
        self, benchmark: Literal["natssss"], *, metric: NatsSssMetric, points: int | None = None,
        **more: Unpack[NatsSssWithin],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    async def distribution(
        self, benchmark: Literal["nds"], *, metric: NdsMetric | NdsError, points: int | None = None,
        **more: Unpack[NdsWithin],
    ) -> Items[NdsDistribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    async def distribution(
        self, benchmark: Literal["help-latency-201"], *, metric: HelpLatency201Metric,
        points: int | None = None, **more: Unpack[HelpLatency201Within],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    async def distribution(
        self, benchmark: Literal["nasbenchgraph"], *, metric: NasbenchgraphMetric,
        points: int | None = None, **more: Unpack[NasbenchgraphWithin],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    async def distribution(
        self, benchmark: Literal["nasbenchmacro"], *, metric: NasbenchmacroMetric,
        points: int | None = None, **more: Unpack[NasbenchmacroWithin],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    async def distribution(
        self, benchmark: Literal["robustness-201"], *, metric: Robustness201Metric,
        points: int | None = None, **more: Unpack[Robustness201Within],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    async def distribution(
        self, benchmark: Literal["transnasbench-macro"], *, metric: TransnasbenchMacroMetric,
        points: int | None = None, **more: Unpack[TransnasbenchMacroWithin],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    async def distribution(
        self, benchmark: Literal["transnasbench-micro"], *, metric: TransnasbenchMicroMetric,
        points: int | None = None, **more: Unpack[TransnasbenchMicroWithin],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    async def distribution(
        self, benchmark: Literal["zero-cost-201"], *, metric: ZeroCost201Metric,
        points: int | None = None, **more: Unpack[ZeroCost201Within],
    ) -> Items[Distribution]:
        """Return how a metric is distributed over all architectures."""
    @overload
    async def distribution(
        self, benchmark: TableName, *, metric: str, dataset: str | None = None,
        num_epochs: int | None = None, points: int | None = None, **more: Any,
    ) -> Items[Any]:
        """Return how a metric is distributed over all architectures."""
    @overload
    async def random(
        self, benchmark: Literal["nasbench101"], *, n: int = 1, seed: int = 0,
    ) -> Items[Nb101Hash]:
        """Return architectures drawn uniformly, without repeats, from those that have runs."""
    @overload
    async def random(
        self, benchmark: Literal["nasbench201"], *, n: int = 1, seed: int = 0,
    ) -> Items[Nb201Architecture]:
        """Return architectures drawn uniformly, without repeats, from those that have runs."""
    @overload
    async def random(
        self, benchmark: Literal["natssss"], *, n: int = 1, seed: int = 0,
    ) -> Items[NatsSssArchitecture]:
        """Return architectures drawn uniformly, without repeats, from those that have runs."""
    @overload
    async def random(
        self, benchmark: Literal["nds"], *, n: int = 1, seed: int = 0,
    ) -> Items[NdsArchitecture]:
        """Return architectures drawn uniformly, without repeats, from those that have runs."""
    @overload
    async def random(
        self,
        benchmark: Literal["help-latency-201", "nasbenchgraph", "nasbenchmacro", "robustness-201", "transnasbench-macro", "transnasbench-micro", "zero-cost-201"],
        *, n: int = 1, seed: int = 0,
    ) -> Items[Any]:
        """Return architectures drawn uniformly, without repeats, from those that have runs."""
    @overload
    async def random(self, benchmark: TableName, *, n: int = 1, seed: int = 0) -> Items[Any]:
        """Return architectures drawn uniformly, without repeats, from those that have runs."""
    @overload
    async def neighbors(self, benchmark: Literal["nasbench101"], arch: Any) -> Items[Nb101Hash]:
        """Return all architectures one edit away, each once, in a fixed order."""
    @overload
    async def neighbors(
        self, benchmark: Literal["nasbench201"], arch: Any,
    ) -> Items[Nb201Architecture]:
        """Return all architectures one edit away, each once, in a fixed order."""
    @overload
    async def neighbors(
        self, benchmark: Literal["natssss"], arch: Any,
    ) -> Items[NatsSssArchitecture]:
        """Return all architectures one edit away, each once, in a fixed order."""
    @overload
    async def neighbors(
        self,
        benchmark: Literal["help-latency-201", "nasbenchgraph", "nasbenchmacro", "robustness-201", "transnasbench-micro", "zero-cost-201"],
        arch: Any,
    ) -> Items[Any]:
        """Return all architectures one edit away, each once, in a fixed order."""
    @overload
    async def neighbors(self, benchmark: TableName, arch: Any) -> Items[Any]:
        """Return all architectures one edit away, each once, in a fixed order."""
    @overload
    async def columns(
        self, benchmark: Literal["nasbench101"], **more: Unpack[Nb101Part],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    async def columns(
        self, benchmark: Literal["nasbench201"], **more: Unpack[Nb201Part],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    async def columns(self, benchmark: Literal["natssss"], **more: Unpack[NatsSssPart]) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    async def columns(self, benchmark: Literal["nds"], **more: Unpack[NdsPart]) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    async def columns(
        self, benchmark: Literal["help-latency-201"], **more: Unpack[HelpLatency201Part],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    async def columns(
        self, benchmark: Literal["nasbenchgraph"], **more: Unpack[NasbenchgraphPart],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    async def columns(
        self, benchmark: Literal["nasbenchmacro"], **more: Unpack[NasbenchmacroPart],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    async def columns(
        self, benchmark: Literal["robustness-201"], **more: Unpack[Robustness201Part],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    async def columns(
        self, benchmark: Literal["transnasbench-macro"], **more: Unpack[TransnasbenchMacroPart],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    async def columns(
        self, benchmark: Literal["transnasbench-micro"], **more: Unpack[TransnasbenchMicroPart],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    async def columns(
        self, benchmark: Literal["zero-cost-201"], **more: Unpack[ZeroCost201Part],
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    async def columns(
        self, benchmark: TableName, *, dataset: str | None = None, num_epochs: int | None = None,
        **more: Any,
    ) -> Columns:
        """Return which columns a benchmark has: metrics, and what follows from architectures."""
    @overload
    async def column(
        self, benchmark: Literal["nasbench101"], metric: Nb101Metric | str,
        **more: Unpack[Nb101Part],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    async def column(
        self, benchmark: Literal["nasbench201"], metric: Nb201Metric | str,
        **more: Unpack[Nb201Part],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    async def column(
        self, benchmark: Literal["natssss"], metric: NatsSssMetric | str,
        **more: Unpack[NatsSssPart],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    async def column(
        self, benchmark: Literal["nds"], metric: NdsMetric | str, **more: Unpack[NdsPart],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    async def column(
        self, benchmark: Literal["help-latency-201"], metric: HelpLatency201Metric | str,
        **more: Unpack[HelpLatency201Part],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    async def column(
        self, benchmark: Literal["nasbenchgraph"], metric: NasbenchgraphMetric | str,
        **more: Unpack[NasbenchgraphPart],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    async def column(
        self, benchmark: Literal["nasbenchmacro"], metric: NasbenchmacroMetric | str,
        **more: Unpack[NasbenchmacroPart],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    async def column(
        self, benchmark: Literal["robustness-201"], metric: Robustness201Metric | str,
        **more: Unpack[Robustness201Part],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    async def column(
        self, benchmark: Literal["transnasbench-macro"], metric: TransnasbenchMacroMetric | str,
        **more: Unpack[TransnasbenchMacroPart],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    async def column(
        self, benchmark: Literal["transnasbench-micro"], metric: TransnasbenchMicroMetric | str,
        **more: Unpack[TransnasbenchMicroPart],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    async def column(
        self, benchmark: Literal["zero-cost-201"], metric: ZeroCost201Metric | str,
        **more: Unpack[ZeroCost201Part],
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    async def column(
        self, benchmark: TableName, metric: str, *, dataset: str | None = None,
        num_epochs: int | None = None, **more: Any,
    ) -> Column:
        """Return a metric of every architecture at once, or a feature such as `@op.0_1`."""
    @overload
    async def density(
        self, benchmark: Literal["nasbench101"], *, x: Nb101Metric, y: Nb101Metric, bins: int = 128,
        x_log: bool = False, y_log: bool = False, **more: Unpack[Nb101Grid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    async def density(
        self, benchmark: Literal["nasbench201"], *, x: Nb201Metric, y: Nb201Metric, bins: int = 128,
        x_log: bool = False, y_log: bool = False, **more: Unpack[Nb201Grid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    async def density(
        self, benchmark: Literal["natssss"], *, x: NatsSssMetric, y: NatsSssMetric, bins: int = 128,
        x_log: bool = False, y_log: bool = False, **more: Unpack[NatsSssGrid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    async def density(
        self, benchmark: Literal["nds"], *, x: NdsMetric, y: NdsMetric, bins: int = 128,
        x_log: bool = False, y_log: bool = False, **more: Unpack[NdsGrid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    async def density(
        self, benchmark: Literal["help-latency-201"], *, x: HelpLatency201Metric,
        y: HelpLatency201Metric, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Unpack[HelpLatency201Grid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    async def density(
        self, benchmark: Literal["nasbenchgraph"], *, x: NasbenchgraphMetric,
        y: NasbenchgraphMetric, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Unpack[NasbenchgraphGrid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    async def density(
        self, benchmark: Literal["nasbenchmacro"], *, x: NasbenchmacroMetric,
        y: NasbenchmacroMetric, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Unpack[NasbenchmacroGrid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    async def density(
        self, benchmark: Literal["robustness-201"], *, x: Robustness201Metric,
        y: Robustness201Metric, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Unpack[Robustness201Grid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    async def density(
        self, benchmark: Literal["transnasbench-macro"], *, x: TransnasbenchMacroMetric,
        y: TransnasbenchMacroMetric, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Unpack[TransnasbenchMacroGrid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    async def density(
        self, benchmark: Literal["transnasbench-micro"], *, x: TransnasbenchMicroMetric,
        y: TransnasbenchMicroMetric, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Unpack[TransnasbenchMicroGrid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    async def density(
        self, benchmark: Literal["zero-cost-201"], *, x: ZeroCost201Metric, y: ZeroCost201Metric,
        bins: int = 128, x_log: bool = False, y_log: bool = False, **more: Unpack[ZeroCost201Grid],
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    @overload
    async def density(
        self, benchmark: TableName, *, x: str, y: str, dataset: str | None = None,
        num_epochs: int | None = None, bins: int = 128, x_log: bool = False, y_log: bool = False,
        **more: Any,
    ) -> Density:
        """Return how many architectures lie in each cell of a grid over two metrics."""
    async def picture(self, benchmark: str, arch: Any, *, theme: str = 'light') -> Svg:
        """Return a picture of an architecture as SVG: its cells, its choices, or its widths."""
    @overload
    async def spellings(
        self, benchmark: Literal["nasbench101"], numbers: Iterable[int], **more: Unpack[Nb101Part],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    async def spellings(
        self, benchmark: Literal["nasbench201"], numbers: Iterable[int], **more: Unpack[Nb201Part],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    async def spellings(
        self, benchmark: Literal["natssss"], numbers: Iterable[int], **more: Unpack[NatsSssPart],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    async def spellings(
        self, benchmark: Literal["nds"], numbers: Iterable[int], **more: Unpack[NdsPart],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    async def spellings(
        self, benchmark: Literal["help-latency-201"], numbers: Iterable[int],
        **more: Unpack[HelpLatency201Part],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    async def spellings(
        self, benchmark: Literal["nasbenchgraph"], numbers: Iterable[int],
        **more: Unpack[NasbenchgraphPart],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    async def spellings(
        self, benchmark: Literal["nasbenchmacro"], numbers: Iterable[int],
        **more: Unpack[NasbenchmacroPart],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    async def spellings(
        self, benchmark: Literal["robustness-201"], numbers: Iterable[int],
        **more: Unpack[Robustness201Part],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    async def spellings(
        self, benchmark: Literal["transnasbench-macro"], numbers: Iterable[int],
        **more: Unpack[TransnasbenchMacroPart],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    async def spellings(
        self, benchmark: Literal["transnasbench-micro"], numbers: Iterable[int],
        **more: Unpack[TransnasbenchMicroPart],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    async def spellings(
        self, benchmark: Literal["zero-cost-201"], numbers: Iterable[int],
        **more: Unpack[ZeroCost201Part],
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    async def spellings(
        self, benchmark: TableName, numbers: Iterable[int], *, dataset: str | None = None,
        num_epochs: int | None = None, **more: Any,
    ) -> list[str]:
        """Return a text for each of some architectures that every question takes for it."""
    @overload
    async def export(
        self, benchmark: Literal["nasbench101"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[Nb101Filters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    async def export(
        self, benchmark: Literal["nasbench201"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[Nb201Filters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    async def export(
        self, benchmark: Literal["natssss"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[NatsSssFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    async def export(
        self, benchmark: Literal["nds"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[NdsFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    async def export(
        self, benchmark: Literal["hw-nas-bench"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[HwNasBenchFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    async def export(
        self, benchmark: Literal["help-latency-201"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[HelpLatency201Filters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    async def export(
        self, benchmark: Literal["nasbenchgraph"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[NasbenchgraphFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    async def export(
        self, benchmark: Literal["nasbenchmacro"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[NasbenchmacroFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    async def export(
        self, benchmark: Literal["robustness-201"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[Robustness201Filters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    async def export(
        self, benchmark: Literal["transnasbench-macro"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[TransnasbenchMacroFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    async def export(
        self, benchmark: Literal["transnasbench-micro"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[TransnasbenchMicroFilters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    async def export(
        self, benchmark: Literal["zero-cost-201"], path: str | os.PathLike[str], *,
        format: Format | None = None, reduction: Reduction | None = None,
        **filters: Unpack[ZeroCost201Filters],
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    async def export(
        self, benchmark: TableName, path: str | os.PathLike[str], *, format: Format | None = None,
        reduction: Reduction | None = None, **filters: Any,
    ) -> Path:
        """Write everything that matches into a file, and return its path."""
    @overload
    async def export_to(
        self, file: BinaryIO, benchmark: Literal["nasbench101"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[Nb101Filters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    async def export_to(
        self, file: BinaryIO, benchmark: Literal["nasbench201"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[Nb201Filters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    async def export_to(
        self, file: BinaryIO, benchmark: Literal["natssss"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[NatsSssFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    async def export_to(
        self, file: BinaryIO, benchmark: Literal["nds"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[NdsFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    async def export_to(
        self, file: BinaryIO, benchmark: Literal["hw-nas-bench"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[HwNasBenchFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    async def export_to(
        self, file: BinaryIO, benchmark: Literal["help-latency-201"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[HelpLatency201Filters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    async def export_to(
        self, file: BinaryIO, benchmark: Literal["nasbenchgraph"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[NasbenchgraphFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    async def export_to(
        self, file: BinaryIO, benchmark: Literal["nasbenchmacro"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[NasbenchmacroFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    async def export_to(
        self, file: BinaryIO, benchmark: Literal["robustness-201"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[Robustness201Filters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    async def export_to(
        self, file: BinaryIO, benchmark: Literal["transnasbench-macro"], *,
        format: Format = 'ndjson', reduction: Reduction | None = None,
        **filters: Unpack[TransnasbenchMacroFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    async def export_to(
        self, file: BinaryIO, benchmark: Literal["transnasbench-micro"], *,
        format: Format = 'ndjson', reduction: Reduction | None = None,
        **filters: Unpack[TransnasbenchMicroFilters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    async def export_to(
        self, file: BinaryIO, benchmark: Literal["zero-cost-201"], *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Unpack[ZeroCost201Filters],
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    async def export_to(
        self, file: BinaryIO, benchmark: TableName, *, format: Format = 'ndjson',
        reduction: Reduction | None = None, **filters: Any,
    ) -> None:
        """Write everything that matches to an open binary file, such as a pipe."""
    @overload
    def simulate(
        self, benchmark: Literal["nasbench101"], dataset: Nb101Dataset | None = None,
        num_epochs: int | None = None, *, budget: float, metric: Nb101Metric | None = None,
        seed: int | None = None, continue_training: bool = False, free_repeats: bool = False,
        evaluation_time: bool = False, on_missing: Literal['raise', 'train'] = 'raise',
    ) -> AsyncSimulation:
        """Return a clock that adds up the recorded training times of what a search evaluates."""
    @overload
    def simulate(
        self, benchmark: Literal["nasbench201"], dataset: Nb201Dataset | None = None,
        num_epochs: int | None = None, *, budget: float, metric: Nb201Statistic | None = None,
        seed: int | None = None, continue_training: bool = False, free_repeats: bool = False,
        evaluation_time: bool = False, on_missing: Literal['raise', 'train'] = 'raise',
    ) -> AsyncSimulation:
        """Return a clock that adds up the recorded training times of what a search evaluates."""
    @overload
    def simulate(
        self, benchmark: Literal["natssss"], dataset: NatsSssDataset | None = None,
        num_epochs: int | None = None, *, budget: float, metric: NatsSssMetric | None = None,
        seed: int | None = None, continue_training: bool = False, free_repeats: bool = False,
        evaluation_time: bool = False, on_missing: Literal['raise', 'train'] = 'raise',
    ) -> AsyncSimulation:
        """Return a clock that adds up the recorded training times of what a search evaluates."""
    @overload
    def simulate(
        self, benchmark: TableName, dataset: str | None = None, num_epochs: int | None = None, *,
        budget: float, metric: str | None = None, seed: int | None = None,
        continue_training: bool = False, free_repeats: bool = False, evaluation_time: bool = False,
        on_missing: Literal['raise', 'train'] = 'raise', **part: Any,
    ) -> AsyncSimulation:
        """Return a clock that adds up the recorded training times of what a search evaluates."""
