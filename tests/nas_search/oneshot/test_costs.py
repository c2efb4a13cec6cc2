"""Tables of costs: exact for every path, differentiable in probabilities, refused when stale."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from patterned_images import cell_space

import model_hub
from model_hub.errors import InvalidArgumentError, NoSupernetError
from nas_search.errors import NoMixtureError, OtherTrainingError, ProblemError
from nas_search.oneshot import BinnedPaths, CostTable, FairPaths

SPACES: list[tuple[str, dict[str, Any]]] = [
    ("NasBench201", {"stem_out_channels": 8, "num_modules_per_stack": 1}),
    ("ProxylessNAS", {"width_mult": 0.25, "num_labels": 10}),
    ("FBNet", {"dataset": "cifar", "num_labels": 10}),
    ("ShuffleNetSpace", {"num_labels": 10}),
]


@pytest.mark.parametrize(("name", "arguments"), SPACES, ids=[name for name, _ in SPACES])
def test_a_path_costs_what_its_network_is_counted_to(name: str, arguments: dict[str, Any]) -> None:
    space = model_hub.space(name, **arguments)
    macs, parameters = (CostTable.of(space, metric) for metric in ("macs", "parameters"))
    # Every candidate stands in a fair path, or is dropped there by a depth.
    fair = FairPaths(update="each path", unequal="cycle")
    most = max(choice.num_values for choice in space.choices.choices)
    fairly = (fair.paths(space.choices, seed=0, step=step)[0] for step in range(most))
    for sample in (*fairly, *(space.choices.sample(seed) for seed in range(4))):
        counted = space.profile(sample)
        assert macs.cost(sample) == counted.macs
        assert parameters.cost(sample) == counted.parameters


def one_hot(space: Any, sample: dict[str, Any]) -> dict[str, torch.Tensor]:
    rows = {}
    for choice in space.choices.choices:
        chosen = sample.get(choice.label, choice.candidates[-1])
        rows[choice.label] = torch.tensor([float(one == chosen) for one in choice.candidates])
    return rows


@pytest.mark.parametrize(("name", "arguments"), SPACES[:2], ids=[name for name, _ in SPACES[:2]])
def test_the_expected_cost_of_certain_candidates_is_the_cost_of_the_path(
    name: str, arguments: dict[str, Any]
) -> None:
    space = model_hub.space(name, **arguments)
    table = CostTable.of(space, "macs")
    source = Random(1)  # noqa: S311 - repeatable draws
    for _ in range(20):
        sample = space.choices.sample(source)
        assert float(table.expected(one_hot(space, sample))) == table.cost(sample)


def test_the_expected_cost_is_the_mean_over_drawn_paths() -> None:
    space = model_hub.space("ProxylessNAS", width_mult=0.25, num_labels=10)
    table = CostTable.of(space, "macs", unit=1e6)
    even = {
        one.label: torch.full((len(one.candidates),), 1 / len(one.candidates))
        for one in space.choices.choices
    }
    source = Random(2)  # noqa: S311 - repeatable draws
    costs = torch.tensor([table.cost(space.choices.sample(source)) for _ in range(2000)])
    error = float(costs.std()) / 2000**0.5
    assert float(table.expected(even)) == pytest.approx(float(costs.mean()), abs=4 * error)


def test_gradients_go_through_probabilities_and_the_chance_that_a_block_is_kept() -> None:
    space = model_hub.space("ProxylessNAS", width_mult=0.25, num_labels=10)
    table = CostTable.of(space, "macs")
    rows = {
        one.label: torch.randn(
            len(one.candidates), dtype=torch.float64, generator=torch.Generator().manual_seed(3)
        ).requires_grad_()
        for one in space.choices.choices
    }

    def cost() -> torch.Tensor:
        return table.expected({name: row.softmax(0) for name, row in rows.items()})

    cost().backward()
    for label in ("s2_depth", "s2_i0", "s2_i3", "s7_i0"):
        row = rows[label]
        assert row.grad is not None
        for place in range(len(row)):
            with torch.no_grad():
                row[place] += 1e-4
                above = float(cost())
                row[place] -= 2e-4
                below = float(cost())
                row[place] += 1e-4
            assert float(row.grad[place]) == pytest.approx((above - below) / 2e-4, rel=1e-4, abs=1)
    # The last block of a stage is kept by one depth of four: its own candidates matter as much.
    last = float(table.expected(one_hot(space, {"s2_depth": 3})))
    first = float(table.expected(one_hot(space, {"s2_depth": 4})))
    assert first - last == table.table["s2_i3"][-1]


def test_other_sizes_of_images_cost_as_they_are_counted() -> None:
    space = model_hub.space("NasBench201", stem_out_channels=8, num_modules_per_stack=1)
    table = CostTable.of(space, "macs", input_shape=(3, 8, 8))
    sample = space.choices.sample(Random(0))  # noqa: S311 - repeatable draws
    assert table.cost(sample) == space.profile(sample, input_shape=(3, 8, 8)).macs


def test_latencies_are_measured_block_by_block() -> None:
    table = CostTable.of(cell_space(), "latency")
    for row in table.table.values():
        none, skip, *others = row
        # A zeroed output takes time, too; a skip that passes its input on does not.
        assert all(one > 0 for one in others)
        assert skip == 0
        assert none >= 0
    assert table.base >= 0
    assert table.settings["batch_size"] == 1
    assert table.cost(cell_space().choices.default) > 0


def test_a_saved_table_is_read_back_and_a_stale_one_refused(tmp_path: Path) -> None:
    space = cell_space()
    path = tmp_path / "table.json"
    table = CostTable.of(space, "latency")
    table.save(path)
    again = CostTable.load(path, space)
    assert (again.base, again.table, again.settings) == (table.base, table.table, table.settings)
    with pytest.raises(OtherTrainingError, match="arguments"):
        CostTable.load(path, model_hub.space("NasBench201"))
    content = json.loads(path.read_text())
    for name, value in (("torch", "1.0"), ("device", "another processor")):
        changed = {**content, "settings": {**content["settings"], name: value}}
        path.write_text(json.dumps(changed))
        with pytest.raises(OtherTrainingError, match=name):
            CostTable.load(path, space)
    path.write_text(json.dumps({**content, "version": 9}))
    with pytest.raises(OtherTrainingError, match="version 9"):
        CostTable.load(path, space)
    for damaged in ("", "[]", '{"version": 1}', '{"version": 1, "settings": 3, "base": 0}'):
        path.write_text(damaged)
        with pytest.raises(ProblemError, match="no table of costs"):
            CostTable.load(path, space)


def test_bins_of_real_costs() -> None:
    space = cell_space()
    table = CostTable.of(space, "macs")
    costs = sorted(table.cost(one) for one in space.choices.grid())
    low, high = costs[len(costs) // 3], costs[len(costs) // 2]
    sampler = BinnedPaths(costs=table, bounds=((low, high),))
    for step in range(20):
        (path,) = sampler.paths(space.choices, seed=0, step=step)
        assert low <= table.cost(path) <= high
    assert json.loads(json.dumps(sampler.settings))["costs"]["metric"] == "macs"


def test_what_has_no_table_says_why() -> None:
    with pytest.raises(InvalidArgumentError, match="unit"):
        CostTable.of(cell_space(), unit=0)
    with pytest.raises(InvalidArgumentError, match="metric"):
        CostTable.of(cell_space(), "energy")  # type: ignore[arg-type]
    sliced = model_hub.space("ShuffleNetSpace", channel_search=True)
    with pytest.raises((NoMixtureError, NoSupernetError)):
        CostTable.of(sliced)
    table = CostTable.of(cell_space())
    with pytest.raises(ProblemError, match="has no probabilities"):
        table.expected({"cell/0_1": torch.ones(5)})
