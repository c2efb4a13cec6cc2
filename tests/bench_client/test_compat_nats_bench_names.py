"""Programs written for the package `nats_bench`: the names they use, and what stands behind."""

from __future__ import annotations

import bz2
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_client import BenchClient, UnsupportedQuestionError, compat_nats_bench
from bench_client.compat_nats_bench import (
    ArchResults,
    NATSsize,
    NATStopology,
    ResultsCount,
    api_size,
    api_topology,
    api_utils,
    create,
)
from bench_client.compat_nats_bench.api_utils import NASBenchMetaAPI
from bench_client.compat_nats_bench.genotype_utils import TopologyStructure, topology_str2structure
from benchmark_db.nasbench201.architecture import OPERATIONS, operations_at, parse, unique_str
from missing_extra import install_command
from safe_pickle import load_pickle

Apis = Mapping[str, NATStopology | NATSsize]

ARCH: Final = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)


@pytest.fixture(scope="module")
def apis(nats_bench_folder: Path) -> Iterator[Apis]:
    """Both spaces over the published records of architectures 0 and 11."""
    with BenchClient.local(nats_bench_folder) as client:
        yield {space: create(client, space) for space in ("tss", "sss")}


RECORDS: Final = {
    "tss": "nasbench201/NATS-tss-v1_0-3ffb9-simple",
    "sss": "natssss/NATS-sss-v1_0-50262-simple",
}


class TestAgainstTheRecords:
    """Every number that the published records have of their runs."""

    @pytest.fixture(params=[(space, index) for space in RECORDS for index in (0, 11)], ids=str)
    def record(self, request: pytest.FixtureRequest, shared: Path) -> tuple[str, int, Any]:
        space, index = request.param
        with bz2.open(shared / f"data/{RECORDS[space]}/{index:06d}.pickle.pbz2") as file:
            return space, index, load_pickle(file)

    def test_runs_have_the_attributes_of_the_record(
        self, record: tuple[str, int, Any], apis: Apis
    ) -> None:
        space, index, budgets = record
        infos = apis[space].arch2infos_dict[index]
        assert infos.keys() == budgets.keys()
        for hp, recorded in budgets.items():
            assert infos[hp].all_results.keys() == recorded["all_results"].keys()
            for (dataset, seed), expected in recorded["all_results"].items():
                run = infos[hp].query(dataset, seed)
                assert (run.name, run.seed, run.epochs) == (dataset, seed, expected["epochs"])
                assert (run.params, run.flop) == (expected["params"], expected["flop"])
                assert run.latency == list(expected["latency"])
                assert set(run.eval_names) == set(expected["eval_names"])
                for name in SERIES:
                    assert same_series(getattr(run, name), expected[name]), (hp, dataset, name)

    def test_the_state_of_a_run_is_that_of_the_record(
        self, record: tuple[str, int, Any], apis: Apis
    ) -> None:
        space, index, budgets = record
        for hp, recorded in budgets.items():
            state = apis[space].query_meta_info_by_index(index, hp).state_dict()
            assert state.keys() == recorded.keys()
            assert state["dataset_seed"] == recorded["dataset_seed"]
            for key, run in state["all_results"].items():
                assert run.keys() == recorded["all_results"][key].keys()

    def test_the_figures_that_programs_read(self, apis: Apis) -> None:
        run = apis["tss"].query_by_index(0, "cifar10", "200")[777]
        assert run.train_acc1es[199] == 90.446
        assert run.eval_acc1es["ori-test@199"] == 85.62
        assert (
            apis["tss"]
            .arch2infos_dict[0]["200"]
            .get_metrics("cifar10", "ori-test", 199, 777)["accuracy"]
            == 85.62
        )


SERIES: Final = (
    *("train_acc1es", "train_losses", "train_times"),
    *("eval_acc1es", "eval_losses", "eval_times"),
)


def same_series(found: Mapping[Any, float], expected: Mapping[Any, float]) -> bool:
    """Return whether two series are the same but for what a float32 rounds off."""
    if found.keys() != expected.keys():
        return False
    return all(math.isclose(value, expected[at], rel_tol=1.2e-7) for at, value in found.items())


class TestPublicScript:
    """The calls of the package's own tests, over the two architectures that are published here."""

    @pytest.fixture(params=["topology by class", "size by class", "topology", "size"])
    def opened(self, request: pytest.FixtureRequest, nats_bench_folder: Path) -> NASBenchMetaAPI:
        by_class: dict[str, type[NATStopology | NATSsize]] = {
            "topology by class": NATStopology,
            "size by class": NATSsize,
        }
        if request.param in by_class:
            return by_class[request.param](
                str(nats_bench_folder),
                True,  # noqa: FBT003 - as programs do
                False,  # noqa: FBT003
            )
        return create(str(nats_bench_folder), request.param, fast_mode=True, verbose=False)

    @pytest.mark.parametrize("index", [0, 11])
    def test_every_question_has_an_answer(
        self, index: int, opened: NASBenchMetaAPI, capsys: pytest.CaptureFixture[str]
    ) -> None:
        spent = 0.0
        for dataset in ("cifar10", "cifar100", "ImageNet16-120"):
            info = opened.get_more_info(index, dataset)
            assert 0 < info["test-accuracy"] < 100
            assert info["train-per-time"] * 12 == pytest.approx(info["train-all-time"])
            cost = opened.get_cost_info(index, dataset)
            assert cost["T-train@epoch"] == pytest.approx(info["train-per-time"])
            for hp in ("12", opened.full_epochs_in_paper):
                accuracy, latency, seconds, used = opened.simulate_train_eval(
                    index, dataset=dataset, hp=hp
                )
                spent += seconds
                assert used == opened.used_time == spent
                assert 0 < accuracy < 100
                assert latency == pytest.approx(cost["latency"])
            assert opened.get_net_config(index, dataset)["num_classes"] in {10, 100, 120}
        opened.show(index)
        printed = capsys.readouterr().out
        for hp in opened.avaliable_hps:
            assert f"{int(hp):03d} epochs" in printed
            _, _, *figures = opened.query_info_str_by_arch(index, hp).splitlines()
            assert "\n".join(figures) in printed

    def test_sizes_do_not_depend_on_the_budget(self, opened: NASBenchMetaAPI) -> None:
        for index in (0, 11):
            for dataset in ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"):
                short = opened.get_cost_info(index, dataset, hp="12")
                whole = opened.get_cost_info(index, dataset, hp=str(opened.full_epochs_in_paper))
                for name in ("flops", "params"):
                    assert short[name] == pytest.approx(whole[name], rel=1e-4)

    def test_the_best_is_found_among_what_is_there(self, opened: NASBenchMetaAPI) -> None:
        for dataset in ("cifar10", "cifar100", "ImageNet16-120"):
            index, accuracy = opened.find_best(dataset, "valid", hp="12", enforce_all=False)
            assert index in opened.evaluated_indexes == {0, 11}
            assert accuracy is not None

    def test_an_index_out_of_range_is_a_value_error(self, opened: NASBenchMetaAPI) -> None:
        with pytest.raises(ValueError, match="100000"):
            opened.get_more_info(100_000, "cifar10")

    def test_the_published_count_of_classes_is_found(self, opened: NASBenchMetaAPI) -> None:
        if opened.is_topology:
            cells = [topology_str2structure(opened[index]) for index in range(len(opened))]
            assert len({cell.to_unique_str(consider_zero=True) for cell in cells}) == 6466

    def test_all_that_is_there_is_shown(
        self, opened: NASBenchMetaAPI, capsys: pytest.CaptureFixture[str]
    ) -> None:
        opened.show()
        printed = capsys.readouterr().out
        assert printed.startswith(repr(opened))
        assert printed.count(" epochs ") == 2 * len(opened.avaliable_hps)
        assert opened[0] in printed
        assert opened[11] in printed

    @pytest.mark.parametrize("index", [5, 10**6])
    def test_what_is_not_there_is_said_to_be_missing(
        self, index: int, opened: NASBenchMetaAPI, capsys: pytest.CaptureFixture[str]
    ) -> None:
        opened.show(index)
        assert f"has no runs of {index}" in capsys.readouterr().out
        assert index not in opened.arch2infos_dict
        with pytest.raises(KeyError):
            opened.arch2infos_dict[index]

    def test_what_is_there_is_listed_by_index_and_budget(self, opened: NASBenchMetaAPI) -> None:
        infos = opened.arch2infos_dict
        assert list(infos) == [0, 11]
        assert len(infos) == 2
        assert 0 in infos
        for index, budgets in infos.items():
            assert list(budgets) == opened.avaliable_hps
            for results in budgets.values():
                assert results.arch_index == index
                assert results.arch_idx_str() == f"{index:06d}"


PUBLIC: Final = {
    # Names without underscore of the package, version 1.8.
    compat_nats_bench: "ArchResults NATS_BENCH_API_VERSIONs NATS_BENCH_SSS_NAMEs "
    "NATS_BENCH_TSS_NAMEs NATSsize NATStopology ResultsCount api_size api_topology api_utils "
    "create genotype_utils pickle_load pickle_save search_space_info version",
    NATStopology: "arch arch2infos_dict archive_dir archstr2index avaliable_hps clear_params "
    "evaluated_indexes fast_mode filename find_best full_epochs_in_paper full_train_epochs "
    "get_cost_info get_latency get_more_info get_net_config get_net_param get_unique_str is_size "
    "is_topology meta_archs query_by_arch query_by_index query_index_by_arch "
    "query_info_str_by_arch query_meta_info_by_index random reload reset_archive_dir "
    "reset_fast_mode reset_time search_space_name show simulate_train_eval statistics str2lists "
    "str2matrix used_time verbose",
    ArchResults: "all_results arch_idx_str arch_index arch_str clear_net_done clear_params "
    "create_from_state_dict dataset_seed debug_test get_compute_costs get_dataset_names "
    "get_dataset_seeds get_latency get_metrics get_net_param get_total_epoch load_state_dict query "
    "reset_latency reset_pseudo_eval_times reset_pseudo_train_times state_dict update",
    ResultsCount: "arch_config create_from_state_dict epochs eval_acc1es eval_losses eval_names "
    "eval_times flop get_config get_eval get_eval_set get_latency get_net_param get_times "
    "get_total_epoch get_train judge_valid latency load_state_dict name net_state_dict params "
    "reset_eval reset_pseudo_eval_times reset_pseudo_train_times seed state_dict train_acc1es "
    "train_acc5es train_losses train_times update_OLD_eval update_eval update_latency "
    "update_train_info",
}


class TestNames:
    @pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
    def test_no_public_name_is_missing(self, kind: Any, apis: Apis) -> None:
        results = apis["tss"].query_meta_info_by_index(0)
        instances = {
            NATStopology: apis["tss"],
            ArchResults: results,
            ResultsCount: results.query("cifar10", 111),
        }
        holder = instances.get(kind, kind)
        assert [name for name in PUBLIC[kind].split() if not hasattr(holder, name)] == []
        size_names = set(PUBLIC[NATStopology].split()) - {"get_unique_str"}
        size_names -= {"str2lists", "str2matrix"}
        assert [name for name in size_names if not hasattr(apis["sss"], name)] == []

    def test_the_version_is_told(self) -> None:
        assert compat_nats_bench.version() == "v1.8"

    def test_the_modules_of_the_package_are_there(self) -> None:
        assert api_topology.NATStopology is NATStopology
        assert api_size.NATSsize is NATSsize
        assert api_utils.ArchResults is ArchResults
        assert api_utils.ResultsCount is ResultsCount
        assert (*api_topology.ALL_BASE_NAMES, *api_size.ALL_BASE_NAMES) == (
            *("NATS-tss-v1_0-3ffb9", "NATS-sss-v1_0-50262"),
        )

    def test_weights_are_refused_by_name(self, apis: Apis) -> None:
        results = apis["tss"].query_meta_info_by_index(0)
        run = results.query("cifar10", 111)
        for asked in (
            lambda: apis["tss"].get_net_param(0, "cifar10", None),
            lambda: results.get_net_param("cifar10"),
            run.get_net_param,
        ):
            with pytest.raises(UnsupportedQuestionError, match="weights are not served"):
                asked()
        assert run.net_state_dict is None
        assert results.clear_net_done

    @pytest.mark.parametrize("kind", [ArchResults, ResultsCount])
    def test_recorded_runs_are_not_changed(self, kind: Any, apis: Apis) -> None:
        results = apis["tss"].query_meta_info_by_index(0)
        holder = results if kind is ArchResults else results.query("cifar10", 111)
        written = ("update", "reset_", "load_state_dict", "create_from_state_dict")
        names = [name for name in PUBLIC[kind].split() if name.startswith(written)]
        assert len(names) > 5
        for name in names:
            with pytest.raises(UnsupportedQuestionError, match="read-only"):
                getattr(holder, name)("cifar10", None, 1.0)
            assert "Raises" in getattr(kind, name).__doc__

    @pytest.mark.parametrize("name", ["pickle_load", "pickle_save"])
    def test_pickles_are_refused_by_name(self, name: str) -> None:
        with pytest.raises(UnsupportedQuestionError, match="no pickles"):
            getattr(compat_nats_bench, name)("weights.pickle")

    def test_clearing_weights_checks_what_is_asked(self, apis: Apis) -> None:
        api = apis["tss"]
        api.clear_params(0)
        api.clear_params(0, "200")
        api.query_meta_info_by_index(0).clear_params()
        with pytest.raises(ValueError, match="hp '90' is not one of 12, 200"):
            api.clear_params(0, "90")
        with pytest.raises(ValueError, match="index 20000 is not in"):
            api.clear_params(20_000)

    def test_reloading_asks_anew(self, server: Any) -> None:
        with BenchClient(server.url) as client:
            api = create(client, "tss")
            for index in (None, 0):
                api.get_latency(0, "cifar10")
                api.get_latency(0, "cifar10")
                api.reload(None, index)
            with pytest.raises(ValueError, match="index -1 is not in"):
                api.reload(index=-1)
        assert len(server.received) == 2

    def test_a_folder_that_is_read_is_the_archive(
        self, nats_bench_folder: Path, server: Any
    ) -> None:
        for spelling in (nats_bench_folder, str(nats_bench_folder)):
            api = create(spelling, "tss", fast_mode=True, verbose=False)
            assert api.archive_dir == str(nats_bench_folder)
            assert api.filename == nats_bench_folder.name
            assert (api.fast_mode, api.verbose) == (True, False)
        with BenchClient(server.url) as client:
            for where in (server.url, client):
                api = create(where, "tss")
                assert api.archive_dir is api.filename is None
        api.reset_archive_dir("elsewhere")
        api.reset_fast_mode(fast_mode=True)
        assert (api.archive_dir, api.fast_mode) == ("elsewhere", True)

    def test_an_epoch_is_checked(self, apis: Apis) -> None:
        run = apis["tss"].query_by_index(0, "cifar10")[111]
        run.judge_valid(11)
        with pytest.raises(ValueError, match="iepoch 12 is not in 0 to 11"):
            run.judge_valid(12)

    def test_runs_are_printed_with_their_times(
        self, apis: Apis, capsys: pytest.CaptureFixture[str]
    ) -> None:
        apis["tss"].query_meta_info_by_index(0).debug_test()
        printed = capsys.readouterr().out
        assert "cifar100: latency 0.013182918230692545 s" in printed
        assert printed.count("T-train@total") == 5

    @pytest.mark.parametrize("where", ["missing", "server"])
    def test_runs_without_times_have_none(self, where: str, databases: Path, server: Any) -> None:
        """The database of the tests of the client has no times of validation."""
        api = create(databases if where == "missing" else server.url, "tss")
        run = api.query_by_index(0, "cifar100", "200")[777]
        assert run.train_times == dict.fromkeys(range(200), 0.5)
        assert not any(key.startswith("x-valid") for key in run.eval_times)
        assert run.eval_acc1es["x-valid@199"] == 41.0
        assert math.isnan(run.eval_losses["x-valid@199"])

    def test_the_names_of_splits_are_mapped(self) -> None:
        mapped = api_utils.remap_dataset_set_names
        assert mapped("cifar10", "valid") == ("cifar10-valid", "x-valid")
        assert mapped("cifar10", "test", verbose=True) == ("cifar10", "ori-test")
        assert mapped("cifar100", "test") == ("cifar100", "x-test")
        assert mapped("ImageNet16-120", "train") == ("ImageNet16-120", "train")


EXAMPLE: Final = "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"


def every_cell() -> st.SearchStrategy[TopologyStructure]:
    return st.sampled_from(TopologyStructure.gen_all(OPERATIONS, 4, return_ori=False))


class TestCells:
    @pytest.mark.parametrize(
        ("arch", "expected"),
        [
            (ARCH, [[0, 0, 0, 0], [4, 0, 0, 0], [2, 1, 0, 0], [2, 1, 1, 0]]),
            (EXAMPLE, [[0, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]),
            ("|skip_connect~0|", [[0, 0], [1, 0]]),
        ],
    )
    def test_a_string_becomes_a_matrix(
        self, arch: str, expected: list[list[int]], apis: Apis
    ) -> None:
        api = apis["tss"]
        assert isinstance(api, NATStopology)
        for convert in (NATStopology.str2matrix, api.str2matrix):
            matrix = convert(arch)
            assert matrix.tolist() == expected
            assert matrix.dtype == np.float64

    def test_operations_are_numbered_as_they_are_given(self) -> None:
        assert NATStopology.str2matrix("|b~0|+|a~0|c~1|", ["a", "b", "c"]).tolist() == [
            *([0, 0, 0], [1, 0, 0], [0, 2, 0]),
        ]
        with pytest.raises(ValueError, match="'d' is not one of a, b"):
            NATStopology.str2matrix("|d~0|", ["a", "b"])

    def test_without_numpy_the_extra_is_named(self) -> None:
        program = (
            "import sys\n"
            "sys.modules['numpy'] = None\n"
            "from bench_client.compat_nats_bench import NATStopology\n"
            "NATStopology.str2matrix('|none~0|')\n"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 1
        assert install_command("local") in ended.stderr

    @given(cell=st.deferred(every_cell))
    def test_a_cell_is_told_in_every_way_alike(self, cell: TopologyStructure) -> None:
        text = cell.tostr()
        again = topology_str2structure(text)
        assert topology_str2structure(again) is again
        assert again.nodes == NATStopology.str2lists(text)
        assert (len(again), again.node_num, again.node_N) == (4, 4, [1, 2, 3])
        assert again[2] == again.node(2) == again.nodes[2]
        assert again.to_unique_str(consider_zero=True) == unique_str(operations_at(parse(text)))
        assert repr(again) == f"TopologyStructure(4 nodes with {text})"
        matrix = NATStopology.str2matrix(text)
        assert [
            (OPERATIONS[int(matrix[target, source])], source)
            for target in range(1, 4)
            for source in range(target)
        ] == [edge for node in cell.nodes for edge in node]
        assert again.check_valid_op(OPERATIONS)
        assert not again.check_valid_op(["no such operation"])
        reached = "0" in again.to_unique_str(consider_zero=True)
        assert again.check_valid() == reached
        kept, whole = again.tolist("none")
        assert whole == all(any(op != "none" for op, _ in node) for node in cell.nodes)
        assert (kept is None) != whole

    def test_keys_treat_operations_as_asked(self) -> None:
        cell = topology_str2structure("|none~0|+|skip_connect~0|conv~1|")
        assert cell.to_unique_str(consider_zero=True) == "#+0"
        assert cell.to_unique_str() == "((0)@none)@conv+0"
        assert cell.to_unique_str(consider_zero=None) == "((0)@none)@conv+(0)@skip_connect"

    def test_missing_edges_are_added_and_edges_sorted(self) -> None:
        """But for the edge from the node just before, which the package does not add either."""
        full = TopologyStructure.str2fullstructure("|a~0|+|b~1|+|c~2|d~2|")
        assert full.tostr() == "|a~0|+|none~0|b~1|+|none~0|none~1|c~2|d~2|"
        assert TopologyStructure.str2fullstructure("|a~0|+|b~0|", "x").tostr() == "|a~0|+|b~0|"

    def test_every_cell_of_a_size_is_made(self) -> None:
        assert TopologyStructure.gen_all(["a", "b"], 2, return_ori=True) == [
            [(("a", 0),)],
            [(("b", 0),)],
        ]
        cells = TopologyStructure.gen_all(["a", "b"], 3, return_ori=False)
        assert len({cell.tostr() for cell in cells}) == 8

    @pytest.mark.parametrize("text", ["nonsense", "", "|a|", "|a~b|", "|a~-1|", "|a~1|", "|a~0|++"])
    def test_what_is_no_cell_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"not operation~source|cannot have the edges"):
            topology_str2structure(text)

    def test_sizes_and_nodes_out_of_range_are_refused(self) -> None:
        with pytest.raises(ValueError, match="at least two nodes, not 1"):
            TopologyStructure.gen_all(["a"], 1, return_ori=False)
        with pytest.raises(ValueError, match="node 3 is not in 1 to 2"):
            topology_str2structure(ARCH).node(3)
