"""The size space: what the published records say of the real networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark_db.natssss.architecture import channels_at
from benchmark_db.natssss.benchmark import NatsSss as Benchmark
from generators.natssss import generate
from model_hub.errors import InvalidArgumentError, InvalidSampleError
from model_hub.spaces import NatsSss

LABELS = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "imagenet16-120": 120}


@pytest.fixture(scope="module")
def records(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Benchmark]:
    out = tmp_path_factory.mktemp("natssss")
    generate(shared / "data/natssss/NATS-sss-v1_0-50262-simple", out)
    benchmark = Benchmark(out / "natssss.db")
    yield benchmark
    benchmark.close()


def sample_of(channels: Any) -> dict[str, int]:
    return {f"channels_{layer}": number for layer, number in enumerate(channels)}


def test_architecture_11_has_its_golden_cost() -> None:
    # raw-formats.md, section 2b
    profile = NatsSss().profile(sample_of([8, 8, 8, 16, 32]))
    assert (profile.parameters, (profile.macs + 10) / 1e6) == (49_202, 6.84065)


@pytest.mark.parametrize("index", [0, 11])
@pytest.mark.parametrize("dataset", LABELS)
def test_the_real_records_have_these_parameters_and_flops(
    records: Benchmark, index: int, dataset: str
) -> None:
    page = records.computed_stats({"arch": index, "dataset": dataset}, limit=100)
    (recorded,) = {(item["parameters"], item["flops"]) for item in page.items}
    space = NatsSss(num_labels=LABELS[dataset])
    size = 16 if dataset == "imagenet16-120" else 32
    profile = space.profile(sample_of(channels_at(index)), input_shape=(3, size, size))
    # The benchmark counts the biases of the classifier as well, one a class.
    assert (profile.parameters / 1e6, (profile.macs + LABELS[dataset]) / 1e6) == recorded


def test_the_space_has_the_published_size_and_order() -> None:
    choices = NatsSss().choices
    assert choices.size == 32_768
    grid = choices.grid()
    assert [next(grid) for _ in range(12)][11] == sample_of([8, 8, 8, 16, 32])


def test_widths_may_fall_and_rise() -> None:
    for channels in ([64, 8, 64, 8, 64], [8, 64, 8, 64, 8]):
        assert NatsSss().profile(sample_of(channels)).parameters > 0


def test_it_trains(trains: Callable[..., None]) -> None:
    space = NatsSss(candidates=(4, 6), num_labels=2)
    trains(space.freeze(sample_of([4, 6, 4, 4, 6])), 16)


def test_all_ways_to_a_network_are_one(freezes_alike: Callable[..., None]) -> None:
    freezes_alike(NatsSss(), sample_of([8, 8, 8, 16, 32]))


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ([8, 8, 8, 8], "channels_4: the sample lacks this label of NatsSss"),
        ([8, 8, 8, 8, 9], "channels_4: 9 is not one of 8, 16"),
        ([8] * 6, "channels_5: NatsSss has no such label"),
    ],
)
def test_a_bad_sample_is_refused(channels: list[int], message: str) -> None:
    with pytest.raises(InvalidSampleError, match=message):
        NatsSss().freeze(sample_of(channels))


def test_a_bad_argument_is_refused_by_name() -> None:
    with pytest.raises(InvalidArgumentError, match="candidates: 0 is not an integer"):
        NatsSss(candidates=(8, 0))
