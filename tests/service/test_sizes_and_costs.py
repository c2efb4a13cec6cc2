"""The size space and hardware costs: through every client, the command line and bare HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from forked_nbs import nbs
from one_question import TWO_MODES, Ask, asking

from bench_client import (
    BenchClient,
    BenchmarkNotInstalledError,
    InvalidArchitectureError,
    InvalidRequestError,
)

HARDWARE = "/v1/nasbench201/hardware"
STATS = "/v1/natssss/computed-stats"
CHANNELS = [8, 8, 8, 16, 32]
TEXT = "8:8:8:16:32"
GOLDEN_COSTS = {  # raw-formats.md, section 4: architecture 0, cifar10
    "edgegpu_latency": 5.807418537139893,
    "edgegpu_energy": 24.226614330768584,
    "raspi4_latency": 10.481976820010459,
    "edgetpu_latency": 0.9571811309997429,
    "pixel3_latency": pytest.approx(3.60585, rel=1e-12),
}


@pytest.fixture(params=TWO_MODES)
def ask(
    request: pytest.FixtureRequest, sizes_and_costs_server: str, sizes_and_costs_folder: Path
) -> Ask:
    """Puts a question to a client of each mode."""
    return asking(request.param, sizes_and_costs_server, sizes_and_costs_folder)


@pytest.fixture
def http(sizes_and_costs_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sizes_and_costs_server, timeout=30) as client:
        yield client


class TestSizeSpace:
    def test_has_its_golden_figures(self, ask: Ask) -> None:
        # raw-formats.md, section 2b.
        (run,) = ask(lambda bench: bench.query("natssss", TEXT, 90, "cifar10"))
        assert run.config.index == 11
        assert run.config.arch == CHANNELS
        assert run.parameters == 0.049202
        assert run.flops == 6.84065
        assert round(run.latency, 7) == 0.0153008
        assert run.valid_acc is None

    def test_understands_every_spelling_alike(self, ask: Ask) -> None:
        expected = ask(lambda bench: bench.query_natssss(11, 12))
        assert {run.seed for run in expected} == {777, 888, 999}
        spellings = (
            *(TEXT, "11", CHANNELS, tuple(CHANNELS), "[8, 8, 8, 16, 32]"),
            *(np.int64(11), np.array(CHANNELS), list(np.array(CHANNELS))),
        )
        for spelling in spellings:
            assert ask(lambda bench, arch=spelling: bench.query_natssss(arch, 12)) == expected

    def test_reduces_the_runs_of_a_configuration_to_one(self, ask: Ask) -> None:
        runs = ask(lambda bench: bench.query_natssss(11, 12, "cifar100"))
        (mean,) = ask(lambda bench: bench.query_natssss(11, 12, "cifar100", reduction="mean"))
        assert (mean.seed, mean.num_runs) == (None, 3)
        assert mean.test_acc == pytest.approx(sum(run.test_acc for run in runs) / 3)

    def test_has_every_split_at_every_epoch(self, ask: Ask) -> None:
        (curve,) = ask(lambda bench: bench.curves_natssss(11, 90, "cifar100"))
        assert curve.current_epoch == list(range(1, 91))
        assert None not in (*curve.valid_acc, *curve.test_acc, *curve.ori_test_loss)
        (run,) = ask(
            lambda bench: bench.query_natssss(11, 90, "cifar100", include_intermediates=True)
        )
        assert [epoch.test_acc for epoch in run.intermediates] == curve.test_acc

    def test_answers_a_batch_in_the_order_asked(self, ask: Ask) -> None:
        archs = [np.array(CHANNELS), "8:8:8:8:8", 5, TEXT]
        results = ask(lambda bench: bench.query_natssss_many(archs, 1, "cifar10"))
        assert [[run.config.index for run in found] for found in results] == [[11], [0], [], [11]]

    def test_names_the_malformed_members_of_a_batch(self, ask: Ask) -> None:
        with pytest.raises(InvalidArchitectureError) as caught:
            ask(lambda bench: bench.query_natssss_many([TEXT, "8:8:8:8:9"], 1))
        assert list(caught.value.positions) == [1]

    def test_describes_an_architecture(self, ask: Ask) -> None:
        described = ask(lambda bench: bench.describe_natssss(CHANNELS))
        assert described.model_dump() == {"index": 11, "arch_str": TEXT, "arch": CHANNELS}

    @pytest.mark.parametrize("arch", ["|none~0|", 32_768, [8] * 4, [8, 8, 8, 8, 9]])
    def test_refuses_what_is_no_architecture(self, ask: Ask, arch: Any) -> None:
        with pytest.raises(InvalidArchitectureError):
            ask(lambda bench: bench.query_natssss(arch))

    def test_is_described_with_units(self, ask: Ask) -> None:
        info = ask(lambda bench: bench.benchmark("natssss"))
        assert info.budgets == [1, 12, 90]
        assert info.num_architectures == 32_768
        units = {field.name: field.unit for field in info.fields if field.kind == "computed"}
        assert units["latency"] == "seconds"
        assert not info.provenance.synthetic

    def test_items_have_the_fields_of_nasbench201_but_its_sizes(self, http: httpx.Client) -> None:
        item = http.get(STATS, params={"arch": TEXT, "num_epochs": 90}).json()["items"][0]
        assert list(item["config"]) == ["arch", "arch_str", "index", "num_epochs", "dataset"]
        assert list(item)[:4] == ["config", "seed", "num_runs", "train_acc"]

    def test_the_other_space_is_not_installed_and_says_so(self, http: httpx.Client) -> None:
        answer = http.get("/v1/nasbench201/computed-stats", params={"arch": "0"})
        assert answer.status_code == 404
        assert "nbs generate nasbench201" in answer.json()["detail"]


class TestHardware:
    def test_has_its_golden_figures(self, ask: Ask) -> None:
        (costs,) = ask(lambda bench: bench.hardware_nb201(0, "cifar10"))
        assert {name: getattr(costs, name) for name in GOLDEN_COSTS} == GOLDEN_COSTS
        assert costs.config.index == 0

    def test_a_device_leaves_its_own_costs(self, ask: Ask) -> None:
        (costs,) = ask(lambda bench: bench.hardware_nb201("0", "cifar10-valid", "Pixel3"))
        assert costs.pixel3_latency == GOLDEN_COSTS["pixel3_latency"]
        assert costs.edgegpu_latency is costs.fpga_energy is None

    def test_what_has_no_figure_is_none(self, ask: Ask) -> None:
        costs = ask(lambda bench: bench.hardware_nb201(dataset="cifar10", device="edgetpu"))
        assert [item.config.index for item in costs] == list(range(15_625))
        latencies = [item.edgetpu_latency for item in costs]
        assert latencies.count(None) == 4699
        assert min(latency for latency in latencies if latency is not None) > 0

    def test_is_a_benchmark_of_its_own_by_name(self, ask: Ask) -> None:
        assert ask(lambda bench: bench.query("hw-nas-bench", 0, "cifar10")) == ask(
            lambda bench: bench.hardware_nb201(0, "cifar10")
        )
        info = ask(lambda bench: bench.benchmark("hw-nas-bench"))
        units = {field.name: field.unit for field in info.fields if field.kind == "computed"}
        assert (units["fpga_latency"], units["fpga_energy"]) == ("milliseconds", "millijoules")
        assert units["eyeriss_arithmetic_intensity"] == "FLOP/byte"
        assert info.budgets == []
        names = [listed.name for listed in ask(lambda bench: bench.benchmarks())]
        assert names == ["natssss", "hw-nas-bench"]

    @pytest.mark.parametrize(
        ("filters", "known"),
        [({"dataset": "mnist"}, "cifar10, cifar100"), ({"device": "abacus"}, "edgegpu, raspi4")],
    )
    def test_names_the_known_ones(self, ask: Ask, filters: dict[str, str], known: str) -> None:
        with pytest.raises(InvalidRequestError, match=known):
            ask(lambda bench: bench.hardware_nb201(0, **filters))

    def test_refuses_what_is_no_architecture(self, ask: Ask) -> None:
        with pytest.raises(InvalidArchitectureError):
            ask(lambda bench: bench.hardware_nb201("nonsense"))

    def test_sends_what_was_asked_for_alone(self, http: httpx.Client) -> None:
        answer = http.get(HARDWARE, params={"arch": "0", "dataset": "cifar10", "device": "fpga"})
        (item,) = answer.json()["items"]
        assert list(item) == ["config", "fpga_latency", "fpga_energy"]
        assert answer.json()["provenance"]["benchmark"] == "hw-nas-bench"

    def test_a_held_answer_is_not_sent_again(self, http: httpx.Client) -> None:
        first = http.get(HARDWARE, params={"arch": "0"})
        held = {"If-None-Match": first.headers["etag"]}
        assert http.get(HARDWARE, params={"arch": "0"}, headers=held).status_code == 304

    @pytest.mark.parametrize(
        "params", [{"limit": "0"}, {"reduction": "mean"}, {"cursor": "x"}, {"num_epochs": "12"}]
    )
    def test_a_malformed_question_is_a_problem(
        self, http: httpx.Client, params: dict[str, str]
    ) -> None:
        answer = http.get(HARDWARE, params=params)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"

    def test_that_is_not_installed_says_how_to_install_it(
        self, real_server: str, real_directory: Path
    ) -> None:
        answer = httpx.get(real_server + HARDWARE, params={"arch": "0"})
        assert answer.status_code == 404
        assert "nbs generate hw-nas-bench RAW" in answer.json()["detail"]
        with BenchClient(real_server) as bench, pytest.raises(BenchmarkNotInstalledError):
            bench.hardware_nb201(0)
        with (
            BenchClient.local(real_directory) as bench,
            pytest.raises(BenchmarkNotInstalledError, match="nbs generate hw-nas-bench"),
        ):
            bench.hardware_nb201(0)

    def test_is_ready(self, http: httpx.Client) -> None:
        states = http.get("/readyz").json()["benchmarks"]
        assert {name: state["status"] for name, state in states.items()} == {
            "natssss": "ready",
            "hw-nas-bench": "ready",
        }


class TestCommandLine:
    def test_asks_the_size_space(self, sizes_and_costs_folder: Path) -> None:
        asked = nbs(
            *("query", "natssss", TEXT, "--num-epochs", "90", "--dataset", "cifar10"),
            *("--data", sizes_and_costs_folder),
        )
        (item,) = json.loads(asked.stdout)
        assert item["parameters"] == 0.049202

    def test_asks_for_costs(self, sizes_and_costs_folder: Path) -> None:
        asked = nbs(
            *("query", "hw-nas-bench", "0", "--dataset", "cifar10", "--where", "device=edgegpu"),
            *("--data", sizes_and_costs_folder),
        )
        (item,) = json.loads(asked.stdout)
        assert item["edgegpu_energy"] == GOLDEN_COSTS["edgegpu_energy"]

    @pytest.mark.parametrize("name", ["natssss", "hw-nas-bench"])
    def test_verifies(self, sizes_and_costs_folder: Path, name: str) -> None:
        verified = nbs("verify", sizes_and_costs_folder / f"{name}.db")
        assert json.loads(verified.stdout)["benchmark"] == name

    def test_tells_what_is_installed(self, sizes_and_costs_folder: Path) -> None:
        installed = json.loads(nbs("info", "--data", sizes_and_costs_folder).stdout)["installed"]
        assert [entry["benchmark"] for entry in installed] == ["natssss", "hw-nas-bench"]

    def test_fetching_without_a_network_is_one_line(self, tmp_path: Path) -> None:
        ended = nbs("fetch", "nds", "--out", tmp_path, "--mirror", "http://127.0.0.1:9")
        assert ended.returncode == 1
        assert ended.stderr.startswith("nbs: cannot fetch http://127.0.0.1:9/data.zip")
        assert len(ended.stderr.splitlines()) == 1

    @pytest.mark.parametrize("arguments", [("nasbench301",), ("nds", "--sha256", "12ab")])
    def test_fetching_nonsense_is_wrong_usage(self, arguments: tuple[str, ...]) -> None:
        assert nbs("fetch", *arguments).returncode == 2
