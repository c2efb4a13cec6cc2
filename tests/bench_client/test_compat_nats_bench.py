"""The names that users of the package `nats_bench` know, and its figures."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench_client import BenchClient, InvalidArchitectureError, SyntheticDataWarning
from bench_client.compat_nats_bench import (
    ArchResults,
    NATSsize,
    NATStopology,
    create,
    search_space_info,
)
from bench_client.compat_nats_bench.arch_results import averaged
from generators.nasbench201 import generate as generate_nasbench201
from generators.natssss import generate as generate_natssss
from generators.sample.natssss import write_sample as write_sizes

ARCH = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)


@pytest.fixture(scope="module")
def made_up(
    sample_archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BenchClient]:
    """A client of made-up databases: twelve topologies and as many sizes."""
    out = tmp_path_factory.mktemp("made-up-nats-bench")
    generate_nasbench201(sample_archive, out)
    generate_natssss(write_sizes(out, architectures=12, seed=0), out)
    with BenchClient.local(out) as client:
        with pytest.warns(SyntheticDataWarning):
            client.query_nb201(0, 12, "cifar10")
        with pytest.warns(SyntheticDataWarning):
            client.query_natssss(0, 12, "cifar10")
        yield client


@pytest.fixture
def topologies(made_up: BenchClient) -> NATStopology | NATSsize:
    return create(made_up, "tss", seed=0)


@pytest.fixture
def sizes(made_up: BenchClient) -> NATStopology | NATSsize:
    return create(made_up, "sss", seed=0)


class TestSpaces:
    def test_an_api_is_a_list_of_architectures(self, topologies: NATStopology) -> None:
        assert len(topologies) == 15_625
        assert topologies[0] == topologies.arch(0) == ARCH
        assert topologies[-1].startswith("|nor_conv_1x1~0|")
        assert sum(1 for _ in topologies) == 15_625

    def test_sizes_are_one_too(self, sizes: NATSsize) -> None:
        assert (len(sizes), sizes[11], sizes.arch(11)) == (32_768, *["8:8:8:16:32"] * 2)

    def test_each_space_says_what_it_is(self, topologies: NATStopology, sizes: NATSsize) -> None:
        assert (topologies.search_space_name, sizes.search_space_name) == ("topology", "size")
        assert topologies.is_topology
        assert not topologies.is_size
        assert sizes.is_size
        assert not sizes.is_topology
        assert (topologies.full_train_epochs, sizes.full_epochs_in_paper) == (200, 90)
        assert topologies.avaliable_hps == ["12", "200"]
        assert sizes.avaliable_hps == ["01", "12", "90"]

    def test_an_architecture_is_found_by_string_index_or_what_can_tell_its_string(
        self, topologies: NATStopology
    ) -> None:
        class Cell:
            def tostr(self) -> str:
                return ARCH

        for spelling in (ARCH, 0, np.int64(0), Cell()):
            assert topologies.query_index_by_arch(spelling) == 0

    @pytest.mark.parametrize("arch", ["|none~0|", None, 1.5])
    def test_what_is_in_no_space_has_no_index(self, arch: Any, topologies: NATStopology) -> None:
        assert topologies.query_index_by_arch(arch) == -1
        with pytest.raises(ValueError, match="not an architecture of the topology space"):
            topologies.get_more_info(arch, "cifar10")

    @pytest.mark.parametrize("index", [-1, 15_625])
    def test_an_index_out_of_range_is_refused(self, index: int, topologies: NATStopology) -> None:
        with pytest.raises(ValueError, match=f"index {index} is not in 0 to 15624"):
            topologies.arch(index)

    def test_the_string_is_read_as_nodes(self) -> None:
        assert NATStopology.str2lists(ARCH) == [
            (("avg_pool_3x3", 0),),
            (("nor_conv_1x1", 0), ("skip_connect", 1)),
            (("nor_conv_1x1", 0), ("skip_connect", 1), ("skip_connect", 2)),
        ]

    def test_another_string_is_refused(self) -> None:
        with pytest.raises(ValueError, match="nonsense"):
            NATStopology.str2lists("nonsense")

    def test_what_spaces_are_made_of_is_told(self) -> None:
        topology = search_space_info("nats-bench", "tss")
        assert topology == search_space_info("nas-bench-201", None)
        assert topology["num_nodes"] == 4
        assert topology["op_names"][3] == "nor_conv_3x3"
        assert search_space_info("nats-bench", "size") == {
            "candidates": [8, 16, 24, 32, 40, 48, 56, 64],
            "num_layers": 5,
        }

    @pytest.mark.parametrize("tags", [("nas-bench-101", None), ("nats-bench", None)])
    def test_no_other_space_is_known(self, tags: tuple[str, str | None]) -> None:
        with pytest.raises(ValueError, match="there is no"):
            search_space_info(*tags)

    def test_no_other_space_is_opened(self, made_up: BenchClient) -> None:
        with pytest.raises(ValueError, match="there is no search space 'tts'"):
            create(made_up, "tts")


class TestChoiceOfRuns:
    def test_the_same_question_has_the_same_answer(self, made_up: BenchClient) -> None:
        first, second = create(made_up, "tss", seed=0), create(made_up, "tss", seed=0)
        second.get_more_info(3, "cifar100", hp="200")
        for index in range(12):
            asked = (index, "cifar10-valid", None, "200")
            assert first.get_more_info(*asked) == second.get_more_info(*asked)

    def test_without_a_seed_each_run_comes_up(self, made_up: BenchClient) -> None:
        """Scripts ask until they have seen all runs, and average them."""
        api = create(made_up, "tss")
        results = api.query_by_index(0, None, "200")
        runs = {
            results.query("cifar100", seed).get_train()["accuracy"]
            for seed in results.get_dataset_seeds("cifar100")
        }
        assert len(runs) > 1
        drawn = {
            api.get_more_info(0, "cifar100", None, "200")["train-accuracy"] for _ in range(100)
        }
        assert drawn == runs

    def test_the_answer_is_that_of_a_recorded_run(self, topologies: NATStopology) -> None:
        answer = topologies.get_more_info(5, "cifar100", 17, "200")
        seeds = topologies.query_by_index(5, None, "200").get_dataset_seeds("cifar100")
        assert answer in [
            topologies.get_more_info(5, "cifar100", 17, "200", seed) for seed in seeds
        ]

    def test_another_seed_chooses_other_runs(self, made_up: BenchClient) -> None:
        def answers(seed: int) -> list[float]:
            api = create(made_up, "tss", seed=seed)
            return [
                api.get_more_info(index, "cifar10-valid", hp="200")["valid-accuracy"]
                for index in range(12)
            ]

        assert answers(1) == answers(1)
        assert answers(1) != answers(2)

    def test_random_architectures_depend_on_the_seed(self, made_up: BenchClient) -> None:
        def drawn(seed: int) -> list[int]:
            api = create(made_up, "sss", seed=seed)
            return [api.random() for _ in range(5)]

        assert drawn(1) == drawn(1)
        assert drawn(1) != drawn(2)
        assert all(0 <= index < 32_768 for index in drawn(3))

    def test_a_seed_without_run_is_refused(self, topologies: NATStopology) -> None:
        with pytest.raises(ValueError, match="has no seed 5 on cifar10; it has 111"):
            topologies.get_more_info(0, "cifar10", is_random=5)


class TestClock:
    def test_what_is_simulated_adds_up(self, topologies: NATStopology) -> None:
        accuracy, latency, cost, used = topologies.simulate_train_eval(0, "cifar10")
        info = topologies.get_more_info(0, "cifar10-valid")
        assert accuracy == info["valid-accuracy"]
        assert cost == info["train-all-time"] + info["valid-per-time"] == used
        assert latency == topologies.get_latency(0, "cifar10")
        again = topologies.simulate_train_eval(0, "cifar10")
        assert again[-1] == topologies.used_time == 2 * cost

    def test_time_need_not_be_accounted(self, topologies: NATStopology) -> None:
        assert topologies.simulate_train_eval(0, "cifar100", account_time=False)[-1] == 0
        assert topologies.used_time == 0

    def test_the_clock_is_reset(self, topologies: NATStopology) -> None:
        topologies.simulate_train_eval(0, "cifar100")
        topologies.reset_time()
        assert topologies.used_time == 0

    def test_times_that_are_not_recorded_are_not_guessed(self, databases: Path) -> None:
        """The database of the tests of the client has no times of validation."""
        with BenchClient.local(databases) as client:
            api = create(client, "tss", seed=0)
            with pytest.raises(ValueError, match="no times are recorded of 0 on cifar100"):
                api.simulate_train_eval(0, "cifar100")
            assert api.used_time == 0

    def test_the_data_set_of_half_the_images_is_named_by_the_whole(
        self, topologies: NATStopology
    ) -> None:
        with pytest.raises(ValueError, match="'cifar10-valid' is not one of cifar10, cifar100"):
            topologies.simulate_train_eval(0, "cifar10-valid")


class TestQuestions:
    def test_data_sets_are_named_in_any_case(self, topologies: NATStopology) -> None:
        whole = topologies.get_more_info(0, "ImageNet16-120")
        assert whole == topologies.get_more_info(0, "imagenet16-120")

    def test_budgets_are_text_or_numbers(self, sizes: NATSsize) -> None:
        whole = sizes.get_more_info(0, "cifar10", hp="90")
        assert whole == sizes.get_more_info(0, "cifar10", hp=90)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"dataset": "svhn"}, "unknown data set 'svhn'; known are cifar10-valid"),
            ({"hp": "1"}, "hp '1' is not one of 12, 200"),
            ({"iepoch": 12}, "iepoch 12 is not in 0 to 11"),
            ({"iepoch": -1}, "iepoch -1 is not in 0 to 11"),
            ({"index": 500}, "nasbench201 has no runs of architecture 500 at 12 epochs"),
        ],
    )
    def test_what_is_not_there_is_refused(
        self, change: dict[str, Any], message: str, topologies: NATStopology
    ) -> None:
        with pytest.raises(ValueError, match=message):
            topologies.get_more_info(**({"index": 0, "dataset": "cifar10"} | change))

    def test_a_split_that_is_not_there_is_refused(self, topologies: NATStopology) -> None:
        run = topologies.query_by_index(0, "cifar10")[111]
        with pytest.raises(ValueError, match="was not evaluated on 'valid' after its last epoch"):
            run.get_eval("valid")
        with pytest.raises(ValueError, match="cifar10 has no set 'x-test'; it has train, test"):
            topologies.find_best("cifar10", "x-test")

    def test_the_comment_tells_the_two_cifar10_apart(self, topologies: NATStopology) -> None:
        comments = [
            topologies.get_more_info(0, name).get("comment")
            for name in ("cifar10-valid", "cifar10", "cifar100")
        ]
        assert comments == [
            "trained on half of CIFAR-10's training images for 12 epochs; times in seconds",
            "trained on all of CIFAR-10's training images for 12 epochs; times in seconds",
            None,
        ]

    def test_the_installed_architectures_are_known(
        self, topologies: NATStopology, sizes: NATSsize
    ) -> None:
        assert topologies.evaluated_indexes == sizes.evaluated_indexes == set(range(12))

    def test_a_service_answers_as_its_files_do(self, server: Any, databases: Path) -> None:
        with BenchClient(server.url) as remote, BenchClient.local(databases) as local:
            over_http, from_files = create(remote, "tss", seed=0), create(local, "tss", seed=0)
            assert create(server.url, "tss", seed=0).get_cost_info(
                1, "cifar10"
            ) == over_http.get_cost_info(1, "cifar10")
            for epoch in (None, 150):
                asked = (0, "cifar10", epoch, 200, False)
                assert over_http.get_more_info(*asked) == from_files.get_more_info(*asked)

    def test_accuracy_cost_and_latency_are_one_question(self, server: Any) -> None:
        with BenchClient(server.url) as client:
            api = create(client, "tss", seed=0)
            api.get_more_info(0, "cifar10-valid")
            api.get_latency(0, "cifar10")
            api.get_cost_info(0, "cifar10")
        assert len(server.received) == 1

    def test_a_loss_that_was_no_number_is_none_again(self, databases: Path) -> None:
        """The database of the tests of the client has validation accuracies without losses."""
        with BenchClient.local(databases) as client:
            info = create(client, "tss", seed=0).get_more_info(1, "cifar100")
        assert info["valid-accuracy"] == 41.0
        assert math.isnan(info["valid-loss"])

    def test_a_folder_is_read_in_place(self, databases: Path) -> None:
        api = create(databases, "tss", fast_mode=True, verbose=False, seed=0)
        assert api.get_latency(0, "cifar100", "200") == 0.013
        assert api.fast_mode


def disagreeing(made_up: BenchClient, seeds: tuple[int, ...]) -> ArchResults:
    """Return the runs of an architecture as some of the archive disagree about its size."""
    (mean,) = made_up.query_nb201(0, 200, "cifar100", reduction="mean")
    runs = [mean.model_copy(update={"seed": seed, "parameters": seed / 1000}) for seed in seeds]
    api = create(made_up, "tss")
    return ArchResults(0, ARCH, runs, lambda _: [], api._choice, api._arch_config(ARCH))


class TestSizesThatDisagree:
    def test_those_of_seed_888_count(self, made_up: BenchClient) -> None:
        results = disagreeing(made_up, (777, 888, 999))
        assert results.get_compute_costs("cifar100")["params"] == 0.888

    def test_without_it_they_are_refused(self, made_up: BenchClient) -> None:
        with pytest.raises(ValueError, match=r"disagree about its size \(0.777, 0.999\)"):
            disagreeing(made_up, (777, 999)).get_compute_costs("cifar100")


def test_what_one_of_several_runs_lacks_has_no_mean() -> None:
    """The first archive has runs without times beside runs with them."""
    runs = [{"loss": 1.0, "cur_time": 2.0, "x": 1.0}, {"loss": 3.0, "cur_time": None}]
    assert averaged(runs) == {"loss": 2.0, "cur_time": None, "x": None}
    assert averaged(runs[::-1]) == {"loss": 2.0, "cur_time": None}


def test_a_malformed_string_is_an_error_of_the_client_too() -> None:
    assert issubclass(InvalidArchitectureError, ValueError)


def test_the_api_needs_no_more_than_the_client() -> None:
    """In a process where numpy, peewee and orjson cannot be imported."""
    program = (
        "import sys\n"
        "for name in ('numpy', 'peewee', 'orjson', 'torch'): sys.modules[name] = None\n"
        "from bench_client.compat_nats_bench import create\n"
        "print(create('http://127.0.0.1:9', 'sss')[11])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "8:8:8:16:32"
