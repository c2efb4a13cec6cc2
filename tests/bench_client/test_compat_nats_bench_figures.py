"""The figures that `nats_bench` 1.8 gives of the published records."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from bench_client import BenchClient
from bench_client.compat_nats_bench import (
    ArchResults,
    NATSsize,
    NATStopology,
    ResultsCount,
    create,
)

GOLDEN: Final = json.loads((Path(__file__).parent / "nats_bench_1_8.json").read_text())
"""What `nats_bench` 1.8 answers about the published records; the file says how it was asked."""

Apis = Mapping[str, NATStopology | NATSsize]

ARCH = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)


def close(found: Any, expected: Any, relative: float) -> bool:
    return math.isclose(found, expected, rel_tol=relative, abs_tol=0)


@pytest.fixture(scope="module")
def bench(nats_bench_folder: Path) -> Iterator[BenchClient]:
    with BenchClient.local(nats_bench_folder) as client:
        yield client


@pytest.fixture(scope="module")
def apis(bench: BenchClient) -> Apis:
    return {space: create(bench, space, seed=0) for space in ("tss", "sss")}


class TestAgainstTheOriginal:
    @pytest.mark.parametrize("case", GOLDEN["get_more_info"], ids=lambda case: str(case[:6]))
    def test_get_more_info_gives_its_figures(self, case: list[Any], apis: Apis) -> None:
        space, index, hp, dataset, iepoch, is_random, expected = case
        found = apis[space].get_more_info(index, dataset, iepoch, hp, is_random)
        found.pop("comment", None)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            recorded = 0.0 if iepoch is None else 1.2e-7
            assert close(found[key], value, 1e-13 if key.endswith("time") else recorded), key

    @pytest.mark.parametrize("case", GOLDEN["get_cost_info"], ids=lambda case: str(case[:4]))
    def test_get_cost_info_gives_its_figures(self, case: list[Any], apis: Apis) -> None:
        space, index, hp, dataset, expected = case
        found = apis[space].get_cost_info(index, dataset, hp)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert close(found[key], value, 1e-13), key

    @pytest.mark.parametrize("space", ["tss", "sss"])
    def test_without_a_seed_the_same_runs_and_indices_are_drawn(
        self, space: str, bench: BenchClient
    ) -> None:
        api = create(bench, space)
        random.seed(7)
        for name, index, dataset, iepoch, hp, expected in GOLDEN["simulate_train_eval"]:
            if name == space:
                found = api.simulate_train_eval(index, dataset, iepoch, hp)
                assert found == pytest.approx(expected, rel=1.2e-7, abs=0)
        assert [space, api.random(), api.random()] in GOLDEN["random"]

    @pytest.mark.parametrize(
        ("space", "asked", "bounds", "expected"),
        [
            ("tss", ("cifar10", "valid"), {"hp": "200"}, (11, 87.9399999983724)),
            ("tss", ("cifar10", "valid"), {"flop_max": 20}, (0, 63.36399998046875)),
            ("tss", ("cifar100", "ori-test"), {"hp": 200}, (11, 67.53000000000002)),
            ("tss", ("ImageNet16-120", "test"), {"param_max": 0.5}, (0, 16.999999966939292)),
            ("tss", ("cifar10", "train"), {"param_max": 0.001}, (-1, None)),
            ("sss", ("cifar10", "test"), {"hp": "90"}, (11, 85.77)),
            ("sss", ("cifar100", "valid"), {}, (11, 41.5466666381836)),
        ],
    )
    def test_find_best_gives_its_architecture(
        self,
        space: str,
        asked: tuple[str, str],
        bounds: dict[str, Any],
        expected: tuple[int, float | None],
        apis: Apis,
    ) -> None:
        """As `nats_bench` 1.8 answers over the same two architectures."""
        index, accuracy = apis[space].find_best(*asked, **bounds)
        assert index == expected[0]
        assert accuracy is expected[1] is None or close(accuracy, expected[1], 1e-15)

    @pytest.mark.parametrize(
        "case", GOLDEN["query_info_str_by_arch"], ids=lambda case: str(case[:3])
    )
    def test_the_text_of_an_architecture_is_its_text(self, case: list[Any], apis: Apis) -> None:
        space, index, hp, expected = case
        assert apis[space].query_info_str_by_arch(index, hp) == expected
        assert apis[space].query_by_arch(apis[space][index], int(hp)) == expected

    @pytest.mark.parametrize(
        ("line", "expected"),
        [(5, [90.67, 85.86]), (7, [57.73, 52.70, 52.91]), (9, [28.14, 28.21, 26.63])],
    )
    def test_programs_find_accuracies_by_the_number_of_a_line(
        self, line: int, expected: list[float], apis: Apis
    ) -> None:
        """And by places in it: without blanks, the five characters before the last two."""
        text = apis["tss"].query_by_arch(ARCH, "200").split("\n")[line].replace(" ", "")
        _, *parts = text.split(":")
        found = [part.partition("]")[0] for part in parts]
        assert [float(part[-6:-1].strip("=")) for part in found] == expected
        assert float(parts[-1][-7:-2].strip("=")) == expected[-1]

    @pytest.mark.parametrize("case", GOLDEN["statistics"], ids=lambda case: str(case[:3]))
    def test_runs_are_counted_alike(self, case: list[Any], apis: Apis) -> None:
        space, dataset, hp, expected = case
        found = apis[space].statistics(dataset, hp)
        assert found == {int(runs): count for runs, count in expected.items()}

    @pytest.mark.parametrize("case", GOLDEN["get_config"], ids=lambda case: str(case[:3]))
    def test_networks_are_configured_alike(self, case: list[Any], apis: Apis) -> None:
        space, index, dataset, plain, structured, recorded = case
        for run in apis[space].query_by_index(index, dataset, "12").values():
            assert run.get_config(None) == plain
            assert run.get_config(str.upper) == structured
            assert run.arch_config == recorded
        assert apis[space].get_net_config(index, dataset) == plain

    def test_what_was_evaluated_at_the_last_epoch_only_is_left_out_before(self, apis: Apis) -> None:
        halfway = apis["tss"].get_more_info(0, "cifar100", 99, "200", is_random=False)
        assert "valtest-accuracy" in halfway
        assert "valid-accuracy" not in halfway
        assert "test-accuracy" not in halfway

    def test_the_keys_of_isomorphism_classes_are_its_own(self, apis: Apis) -> None:
        api = apis["tss"]
        assert isinstance(api, NATStopology)
        assert api.get_unique_str(11) == (
            "#+(((0)@nor_conv_3x3)@avg_pool_3x3+(0)@nor_conv_3x3)@avg_pool_3x3"
            "+((0)@nor_conv_3x3)@nor_conv_3x3"
        )

    def test_results_have_the_methods_that_programs_use(self, apis: Apis) -> None:
        results = apis["tss"].query_by_index(0, None, "12")
        assert isinstance(results, ArchResults)
        names = ["cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"]
        assert results.get_dataset_names() == names
        assert results.get_dataset_seeds("cifar10-valid") == [111, 777]
        assert results.get_total_epoch() == results.get_total_epoch("cifar10") == 12
        assert results.get_latency("cifar100") == 0.013182918230692545
        metrics = results.get_metrics("cifar10-valid", "x-valid")
        assert metrics["iepoch"] == 11.0
        assert metrics["accuracy"] == 63.36399998046875
        assert repr(results) == f"ArchResults(arch-index=0, arch={ARCH}, 5 runs)"

    def test_runs_of_a_data_set_come_by_seed(self, apis: Apis) -> None:
        runs = apis["sss"].query_by_index(11, "cifar10", "12")
        assert list(runs) == [777, 888, 999]
        run = runs[888]
        assert isinstance(run, ResultsCount)
        assert (run.params, run.flop) == (0.049202, 6.84065)
        assert run.get_eval_set() == ["ori-test"]
        assert run.get_total_epoch() == 12
        assert run.get_latency() == 0.015300797199716373
        assert run.get_train(3)["all_time"] == pytest.approx(4 * 5.417455196380615)
        assert repr(run) == "ResultsCount(cifar10, arch=8:8:8:16:32, seed=888)"

    @pytest.mark.parametrize(
        ("space", "expected"),
        [
            ("tss", {"name": "infer.tiny", "C": 16, "N": 5, "arch_str": ARCH}),
            (
                "sss",
                {
                    "name": "infer.shape.tiny",
                    "channels": "8:8:8:8:8",
                    "genotype": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
                    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
                },
            ),
        ],
    )
    def test_the_network_of_an_architecture_is_told(
        self, space: str, expected: dict[str, Any], apis: Apis
    ) -> None:
        found = apis[space].get_net_config(0, "ImageNet16-120")
        assert found == {**expected, "num_classes": 120}
