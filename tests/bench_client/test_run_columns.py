"""Runs of many architectures in columns, and what a server may not make of them."""

from __future__ import annotations

import copy
import json
import pickle
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from lying_server import LyingServer, answer, lying

from bench_client import (
    Batch,
    BenchClient,
    InvalidArchitectureError,
    InvalidRequestError,
    UnexpectedAnswerError,
)
from bench_client.models.nasbench201 import Nb201Stats
from bench_client.models.run_columns import RUN_COLUMNS

Said: TypeAlias = dict[str, Any]

CONFIG: Final = {
    "arch": dict.fromkeys(("0_1", "0_2", "1_2", "0_3", "1_3", "2_3"), "none"),
    "arch_str": "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    "index": 5,
    "num_epochs": 200,
    "dataset": "cifar10",
    "num_channels": 16,
    "num_cells": 5,
}
OWN: Final = {"config", "seed", "num_runs", "size_source", "intermediates"}
FIGURES: Final = [name for name in Nb201Stats.model_fields if name not in OWN]
COLUMNS: Final = [
    {"name": "position", "type": "int32"},
    {"name": "config", "type": "int32"},
    {"name": "seed", "type": "int64", "missing": True},
    {"name": "num_runs", "type": "int64"},
    *({"name": name, "type": "none"} for name in FIGURES if name != "test_acc"),
    {"name": "test_acc", "type": "float64"},
]
MARK: Final = {"benchmark": "nasbench201", "source": "x", "synthetic": False, "content_digest": "x"}
SAID: Final[Said] = {
    "rows": 2,
    "configs": [CONFIG],
    "columns": COLUMNS,
    "errors": [],
    "provenance": MARK,
}
DATA: Final = (
    array("i", [0, 1]).tobytes()  # of which architecture
    + array("i", [0, 0]).tobytes()  # of which configuration
    + array("q", [777, 0]).tobytes()
    + bytes([0, 1])  # the second has no seed
    + array("q", [1, 3]).tobytes()
    + array("d", [float("nan"), 91.5]).tobytes()
)
NUMBERS_END: Final = 16
"""Where the places end in the data."""


def with_column(name: str, **members: Any) -> Said:
    return {"columns": [{**one, **members} if one["name"] == name else one for one in COLUMNS]}


def places(of_architectures: list[int], of_configs: list[int]) -> bytes:
    told = array("i", of_architectures).tobytes() + array("i", of_configs).tobytes()
    return told + DATA[NUMBERS_END:]


def told(said: Said, data: bytes = DATA) -> bytes:
    body = json.dumps({**SAID, **said}).encode() + b"\n" + data
    return answer(body, ("Content-Type", RUN_COLUMNS))


@pytest.fixture(scope="module")
def server() -> Iterator[LyingServer]:
    with lying() as server:
        yield server


def asked_of(server: LyingServer, reply: bytes) -> Any:
    server.say = lambda _: [reply]
    with BenchClient(server.url) as bench:
        return bench.query_many("nasbench201", [5, 5])


def test_values_come_as_they_were_sent(server: LyingServer) -> None:
    found = asked_of(server, told({}))
    values = found.to_dict()
    assert values["position"] == [0, 1]
    assert values["arch_str"] == [CONFIG["arch_str"]] * 2
    assert values["seed"] == [777, None]
    assert values["num_runs"] == [1, 3]
    assert values["test_acc"] == [None, 91.5]
    assert values["train_acc"] == [None, None]
    assert values["size_source"] == ["recorded"] * 2  # what no column says is as in an item
    assert [len(items) for items in found] == [1, 1]
    first, second = (items[0] for items in found)
    assert (first.seed, first.num_runs, first.test_acc) == (777, 1, None)
    assert (second.seed, second.num_runs, second.test_acc) == (None, 3, 91.5)
    assert first.config == second.config
    assert found[0] is found[-2]
    assert repr(found) == repr([[first], [second]])
    frame = pytest.importorskip("pandas") and found.to_pandas()
    assert frame.seed.tolist()[0] == 777
    assert frame.seed.isna().tolist() == frame.test_acc.isna().tolist()[::-1] == [False, True]
    frame = pytest.importorskip("polars") and found.to_polars()
    assert frame.to_dict(as_series=False) == values
    table = pytest.importorskip("arro3.core") and found.to_arrow()
    assert {name: table[name].to_pylist() for name in table.column_names} == values


LIES: Final[dict[str, bytes]] = {
    "no line of JSON": answer(DATA, ("Content-Type", RUN_COLUMNS)),
    "a list": answer(b"[]\n" + DATA, ("Content-Type", RUN_COLUMNS)),
    "JSON in its place": answer(json.dumps(SAID).encode()),
    "a pickle": answer(b"\x80\x04N.", ("Content-Type", RUN_COLUMNS)),
    "too few bytes": told({}, DATA[:-1]),
    "too many bytes": told({}, DATA + b"\0"),
    "rows that nobody has": told({"rows": 2**60}),
    "a negative number of rows": told({"rows": -1}),
    "no places": told({"columns": COLUMNS[2:]}, DATA[NUMBERS_END:]),
    "places that are no numbers": told(with_column("config", type="text")),
    "a column twice": told(
        {"columns": [*COLUMNS, {"name": "seed", "type": "none"}]},
    ),
    "a column that is not there": told(
        {"columns": COLUMNS[:3] + COLUMNS[4:]}, DATA[:34] + DATA[50:]
    ),
    "a type that there is not": told(with_column("seed", type="object")),
    "text for a figure": told(with_column("test_acc", type="text", legend=["x"]), DATA[:-8]),
    "figures for a whole number": told(with_column("num_runs", type="float64")),
    "a number of runs that is missing": told(
        with_column("num_runs", missing=True), DATA[:50] + b"\0\1" + DATA[50:]
    ),
    "a configuration that is not there": told({}, places([0, 1], [0, 1])),
    "a configuration before the first": told({}, places([0, 1], [-1, 0])),
    "architectures out of order": told({}, places([1, 0], [0, 0])),
    "an architecture that was not asked about": told({}, places([0, 2], [0, 0])),
    "an architecture before the first": told({}, places([-1, 0], [0, 0])),
    "a configuration that is none": told({"configs": [{**CONFIG, "index": "?"}]}),
    "an error of what was not asked": told({"errors": [{"position": 2, "detail": "x"}]}),
    "a place beyond the legend": told(
        {"columns": [*COLUMNS, {"name": "size_source", "type": "text", "legend": ["recorded"]}]},
        DATA + array("i", [0, 1]).tobytes(),
    ),
    "a text that no item can have": told(
        {"columns": [*COLUMNS, {"name": "size_source", "type": "text", "legend": ["guessed"]}]},
        DATA + array("i", [0, 0]).tobytes(),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_contradicts_itself_is_refused(server: LyingServer, lie: str) -> None:
    with pytest.raises(UnexpectedAnswerError):
        asked_of(server, LIES[lie])


def test_millions_of_values_are_refused(server: LyingServer) -> None:
    with pytest.raises(UnexpectedAnswerError):
        asked_of(server, told({"more": [0] * (2**24 + 1)}))


def test_batches_of_ten_thousand_become_one_table(databases: Path) -> None:
    with BenchClient.local(databases) as bench:
        archs = [*range(10_000), 3, 15_000, 4]
        found = bench.query_nb201_many(iter(archs), 200, "cifar100")
        alone = [bench.query_nb201(archs[place], 200, "cifar100") for place in (5, 10_000, 10_002)]
    assert [found[place] for place in (5, 10_000, 10_002)] == alone
    values = found.to_dict()
    assert values["position"][-6:] == [10_000] * 3 + [10_002] * 3
    assert values["index"] == [run.config.index for runs in found for run in runs]
    assert values["test_acc"] == [run.test_acc for runs in found for run in runs]
    assert len(found) == len(archs)
    assert repr(found[100:]) == "<9,903 lists, 6 of Nb201Stats in all>"
    assert f"{len(values['index']):,} of Nb201Stats" in found._repr_html_()
    pandas = pytest.importorskip("pandas")
    one_by_one = Batch(found, found.model)
    pandas.testing.assert_frame_equal(found.to_pandas(), one_by_one.to_pandas())
    assert found.to_polars().equals(one_by_one.to_polars())
    assert found.to_arrow().combine_chunks() == one_by_one.to_arrow()


def test_a_batch_is_a_list_that_cannot_change(databases: Path) -> None:
    with BenchClient.local(databases) as bench:
        found = bench.query_nb201_many([3, 15_000, 5], 200, "cifar100", reduction="mean")
        listed = [bench.query_nb201(arch, 200, "cifar100", reduction="mean") for arch in (3, 5)]
    assert found == [listed[0], [], listed[1]] == list(found)
    assert found != listed
    assert found[::2] == listed == found[-3::2]
    assert next(reversed(found)) == listed[1]
    assert listed[1] in found
    for other in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert other == found
        assert other.to_dict() == found.to_dict()
    with pytest.raises(IndexError):
        found[3]
    with pytest.raises(TypeError):
        hash(found)


def test_nothing_asked_has_the_columns_of_any_answer(databases: Path) -> None:
    with BenchClient.local(databases) as bench:
        nothing = bench.query_many("nasbench201", [])
        unrecorded = bench.query_many("nasbench201", [15_000])
        some = bench.query_many("nasbench201", [0])
    assert [*nothing.to_dict()] == [*unrecorded.to_dict()] == [*some.to_dict()]
    assert [*nothing] == [] != [*unrecorded] == [[]] != [*some]
    pytest.importorskip("pandas")
    for types in (
        lambda found: found.to_pandas().dtypes.to_dict(),
        lambda found: found.to_polars().schema,
        lambda found: found.to_arrow().schema,
    ):
        assert types(nothing) == types(unrecorded) == types(some)


def test_what_is_wrong_is_told_as_by_the_other_questions(databases: Path) -> None:
    with BenchClient.local(databases) as bench:
        with pytest.raises(InvalidArchitectureError, match=r"2 of 4 .*archs\[1\]: .*x") as caught:
            bench.query_many("nasbench201", [0, "x", 1, -1])
        assert [items and len(items) for items in caught.value.results] == [20, None, 20, None]
        assert caught.value.positions == (1, 3)
        with pytest.raises(InvalidRequestError, match="num_epochs"):
            bench.query_many("nasbench201", [0], num_epochs="200")
        with pytest.raises(TypeError, match="did you mean dataset"):
            bench.query_many("nasbench201", [0], datasets="cifar10")
        with pytest.raises(TypeError, match="put it into a list"):
            bench.query_many("nasbench201", "|none~0|")
        with pytest.raises(ValueError, match="include_intermediates=True"):
            bench.query_many("nasbench201", [0]).to_pandas(intermediates=True)
