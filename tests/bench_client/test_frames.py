"""Answers as tables of pandas, of polars and of Arrow."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pytest

from bench_client import (
    Batch,
    BenchClient,
    InvalidArchitectureError,
    Items,
    NatsSssStats,
    Nb101Hash,
    Nb101Stats,
    Nb201Architecture,
    Nb201Config,
    Nb201Curves,
    Nb201Hardware,
    Nb201Stats,
    NdsStats,
    UnavailableError,
)
from bench_client.models import Ranked, WireModel
from generators.natssss import generate as generate_natssss
from generators.sample.natssss import write_sample as write_natssss_sample
from missing_extra import install_command

if TYPE_CHECKING:
    from tests.bench_client.conftest import BenchmarkServer

Columns: TypeAlias = dict[str, list[Any]]

CONFIG: Final = ["arch_str", "index", "num_epochs", "dataset", "num_channels", "num_cells"]
EDGES: Final = ["op_0_1", "op_0_2", "op_1_2", "op_0_3", "op_1_3", "op_2_3"]
SPLITS: Final = ["train", "valid", "test", "ori_test"]
FIGURES: Final = [f"{split}_{kind}" for kind in ("acc", "loss") for split in SPLITS]
COSTS: Final = [
    *("parameters", "flops", "latency", "training_time"),
    *(f"{split}_evaluation_time" for split in SPLITS[1:]),
]
MADE_UP: Final = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")


def from_pandas(found: Any, **options: Any) -> tuple[Columns, dict[str, str]]:
    pandas = pytest.importorskip("pandas")
    frame = found.to_pandas(**options)
    assert type(frame) is pandas.DataFrame
    values = {
        name: [None if pandas.isna(value) else value for value in frame[name]]
        for name in frame.columns
    }
    return values, {name: str(dtype) for name, dtype in frame.dtypes.items()}


def from_polars(found: Any, **options: Any) -> tuple[Columns, dict[str, str]]:
    polars = pytest.importorskip("polars")
    frame = found.to_polars(**options)
    assert type(frame) is polars.DataFrame
    return frame.to_dict(as_series=False), {
        name: str(dtype) for name, dtype in frame.schema.items()
    }


def from_arrow(found: Any, **options: Any) -> tuple[Columns, dict[str, str]]:
    core = pytest.importorskip("arro3.core")
    table = found.to_arrow(**options)
    assert type(table) is core.Table
    values = {name: table[name].to_pylist() for name in table.column_names}
    types = {"DataType<Utf8>": "String"}
    told = {name: repr(table.field(name).type).rpartition(".")[2].strip() for name in values}
    return values, {name: types.get(kind, kind[9:-1]) for name, kind in told.items()}


@pytest.fixture(params=[from_pandas, from_polars, from_arrow], ids=["pandas", "polars", "arrow"])
def framed(request: pytest.FixtureRequest) -> Callable[..., tuple[Columns, dict[str, str]]]:
    """Make a table of one of the libraries and return the values and the types of its columns."""
    chosen: Callable[..., tuple[Columns, dict[str, str]]] = request.param
    return chosen


@pytest.fixture
def bench(databases: Path) -> Iterator[BenchClient]:
    with BenchClient.local(databases) as opened:
        yield opened


def test_runs_become_rows_with_configuration_and_figures_as_columns(
    bench: BenchClient, framed: Callable[..., Any]
) -> None:
    runs = bench.query_nb201(0, 200)
    values, _ = framed(runs)
    assert [*values] == [*CONFIG, *EDGES, "seed", "num_runs", *FIGURES, *COSTS, "size_source"]
    assert values["test_acc"] == [run.test_acc for run in runs]
    assert values["dataset"] == [run.config.dataset for run in runs]
    assert values["seed"] == [777, 888, 999] * 4
    for name in ("index", "arch_str"):
        assert values[name] == [getattr(run.config, name) for run in runs]
    for name, edge in zip(EDGES, ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3"), strict=True):
        assert values[name] == [run.config.arch[edge] for run in runs]


def test_what_is_not_recorded_is_missing(bench: BenchClient, framed: Callable[..., Any]) -> None:
    runs = bench.query_nb201(0, 200, reduction="mean")
    values, _ = framed(runs)
    assert values["seed"] == [None] * 4
    assert values["num_runs"] == [3] * 4
    assert values["valid_acc"] == [run.valid_acc for run in runs]
    assert None in values["valid_acc"]
    assert values["valid_loss"] == [None] * 4


@pytest.mark.parametrize("found", [0, 59, None])
def test_types_of_columns_do_not_depend_on_what_is_in_them(
    bench: BenchClient, found: int | None
) -> None:
    runs = bench.query_nb201(found, 200, "cifar10", 777 if found else 111)
    _, pandas_types = from_pandas(runs)
    assert pandas_types["index"] == pandas_types["num_runs"] == "int64"
    assert pandas_types["seed"] == "Int64"
    assert pandas_types["arch_str"] == pandas_types["op_0_1"] == "string"
    assert {pandas_types[name] for name in (*FIGURES, *COSTS)} == {"float64"}
    for make in (from_polars, from_arrow):
        _, types = make(runs)
        assert {types[name] for name in ("index", "num_runs", "seed")} == {"Int64"}
        assert types["arch_str"] == types["op_0_1"] == "String"
        assert {types[name] for name in (*FIGURES, *COSTS)} == {"Float64"}


def test_an_empty_answer_has_the_columns_of_any_other(
    bench: BenchClient, framed: Callable[..., Any]
) -> None:
    empty = bench.query_nb201(0, 200, "cifar10", 111)
    assert empty == []
    values, types = framed(empty)
    full_values, full_types = framed(bench.query_nb201(0))
    assert [*values] == [*full_values]
    assert not any(values.values())
    assert types == full_types


def test_curves_have_a_row_an_epoch(bench: BenchClient, framed: Callable[..., Any]) -> None:
    curves = bench.curves_nb201(0, 200, "cifar100")
    values, types = framed(curves)
    assert [*values] == [*CONFIG, *EDGES, "seed", "num_runs", "current_epoch", *FIGURES]
    assert values["current_epoch"] == [*range(1, 201)] * 3
    assert values["seed"] == [seed for seed in (777, 888, 999) for _ in range(200)]
    assert values["test_acc"] == [value for run in curves for value in run.test_acc]
    assert types["current_epoch"].lower() == "int64"
    empty, same = framed(Items([], Nb201Curves))
    assert [*empty] == [*values]
    assert same == types


def test_runs_with_intermediates_have_a_row_each_unless_said_otherwise(
    bench: BenchClient, framed: Callable[..., Any]
) -> None:
    runs = bench.query_nb201(0, 200, "cifar100", include_intermediates=True)
    plain, _ = framed(bench.query_nb201(0, 200, "cifar100"))
    assert framed(runs)[0] == plain
    assert framed(runs, intermediates=True) == framed(bench.curves_nb201(0, 200, "cifar100"))


def test_intermediates_that_were_not_asked_for_are_an_error(bench: BenchClient) -> None:
    for make in (from_pandas, from_polars, from_arrow):
        with pytest.raises(ValueError, match="include_intermediates=True"):
            make(bench.query_nb201(0, 200), intermediates=True)
        with pytest.raises(ValueError, match="Nb201Hardware has no intermediates"):
            make(Items([], Nb201Hardware), intermediates=True)


def test_a_batch_is_one_frame_that_says_where_each_row_belongs(
    bench: BenchClient, framed: Callable[..., Any]
) -> None:
    batch = bench.query_nb201_many([3, 15_000, 5, 3], 200, "cifar100", reduction="mean")
    values, types = framed(batch)
    assert next(iter(values)) == "position"
    assert values["position"] == [0, 2, 3]
    assert values["index"] == [3, 5, 3]
    assert types["position"].lower() == "int64"
    assert {name: values[name][:1] for name in values if name != "position"} == framed(batch[0])[0]


def test_a_batch_with_intermediates_has_a_row_an_epoch(
    bench: BenchClient, framed: Callable[..., Any]
) -> None:
    batch = bench.query_nb201_many([15_000, 0], 200, "cifar100", 777, include_intermediates=True)
    values, _ = framed(batch, intermediates=True)
    assert values["position"] == [1] * 200
    assert values["current_epoch"] == [*range(1, 201)]


def test_an_empty_batch_has_columns_too(bench: BenchClient, framed: Callable[..., Any]) -> None:
    values, _ = framed(bench.query_nb201_many([]))
    assert [*values] == ["position", *framed(Items([], Nb201Stats))[0]]


def test_the_results_beside_malformed_architectures_are_items(
    bench: BenchClient, framed: Callable[..., Any]
) -> None:
    with pytest.raises(InvalidArchitectureError) as caught:
        bench.query_nb201_many([0, "nonsense"], 200, "cifar100")
    good, bad = caught.value.results
    assert bad is None
    assert framed(good)[0]["index"] == [0, 0, 0]


def test_items_are_a_list(bench: BenchClient) -> None:
    runs = bench.query_nb201(0, 200, "cifar100")
    assert isinstance(runs, list)
    assert runs == list(runs)
    assert json.loads(json.dumps([run.model_dump() for run in runs]))[0]["seed"] == 777
    assert runs[-1].seed == 999
    assert [run.seed for run in reversed(runs)] == [999, 888, 777]


def test_a_slice_of_items_is_items_again(bench: BenchClient, framed: Callable[..., Any]) -> None:
    runs = bench.query_nb201(0, 200, "cifar100")
    assert framed(runs[1:])[0]["seed"] == [888, 999]
    assert framed(runs[:0])[0]["seed"] == []


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_of_items_and_batches_become_frames_too(
    bench: BenchClient, framed: Callable[..., Any], copied: Callable[[Any], Any]
) -> None:
    for found in (bench.query_nb201(0, 200, "cifar100"), bench.query_nb201_many([0, 1], 200)):
        assert copied(found) == found
        assert framed(copied(found)) == framed(found)


def test_a_selection_becomes_a_frame_once_its_model_is_named(
    bench: BenchClient, framed: Callable[..., Any]
) -> None:
    runs = bench.query_nb201(0, 200, "cifar100")
    best = Items((run for run in runs if run.test_acc == 53.68), Nb201Stats)
    assert framed(best)[0]["seed"] == [888]


def test_over_http_frames_are_those_of_the_files(
    server: BenchmarkServer,
    asked: Callable[..., Any],
    bench: BenchClient,
    framed: Callable[..., Any],
) -> None:
    found = asked(server.url, lambda client: client.query_nb201(None, 12, "cifar100"))
    assert len(found) == 120
    assert framed(found) == framed(bench.query_nb201(None, 12, "cifar100"))


def test_a_cell_is_text_that_finds_it_again(
    nasbench101_folder: Path, framed: Callable[..., Any]
) -> None:
    with BenchClient.local(nasbench101_folder) as bench:
        runs = bench.query_nb101(None, 108)
        values, types = framed(runs)
        assert [*values][:10] == [
            *("arch", "num_vertices", "hash", "num_epochs", "trainable_parameters"),
            *("op1", "op2", "op3", "op4", "op5"),
        ]
        assert [json.loads(arch) for arch in values["arch"]] == [run.config.arch for run in runs]
        assert bench.query_nb101(values["arch"][0], 108) == [
            run for run in runs if run.config.hash == values["hash"][0]
        ]
    smallest = values["num_vertices"].index(2)
    assert [values[f"op{vertex}"][smallest] for vertex in range(1, 6)] == [None] * 5
    largest = values["num_vertices"].index(7)
    assert [values[f"op{vertex}"][largest] for vertex in range(1, 6)] == [
        *("conv3x3", "maxpool", "conv3x3", "conv3x3", "conv1x1")
    ]
    assert types["trainable_parameters"].lower() == "int64"


def test_hashes_become_rows_where_nothing_but_the_hash_is_known_too(
    nasbench101_folder: Path, framed: Callable[..., Any]
) -> None:
    with BenchClient.local(nasbench101_folder) as bench:
        hashes = bench.hash_nb101_many([{"op1": "conv3x3", "input1": [0], "input2": [1]}, "0" * 32])
    values, types = framed(hashes)
    assert values["hash"] == [found.hash for found in hashes]
    assert values["num_vertices"] == [3, None]
    assert values["in_benchmark"] == [True, False]
    assert values["op1"] == ["conv3x3", None]
    assert values["arch"][1] is None
    assert types["in_benchmark"].lower() in {"bool", "boolean"}
    assert types["num_vertices"] == "Int64"


@MADE_UP
def test_a_network_of_nds_is_text_that_finds_it_again(
    nds_folder: Path, framed: Callable[..., Any]
) -> None:
    with BenchClient.local(nds_folder) as bench:
        runs = bench.query_nds(proposer="resnet", limit=5)
        values, _ = framed(runs)
        assert [json.loads(text) for text in values["model_spec"]] == [
            run.config.model_spec for run in runs
        ]
        again = bench.query_nds(proposer="resnet", model_spec=values["model_spec"][0])
        assert runs[0] in again
        curves, _ = framed(bench.curves_nds(proposer="resnet", limit=2))
        assert len(curves["current_epoch"]) == len(curves["model_spec"]) > 2


@MADE_UP
def test_a_distribution_has_a_row_a_point(nds_folder: Path, framed: Callable[..., Any]) -> None:
    with BenchClient.local(nds_folder) as bench:
        found = bench.distribution_nds(points=5)
        values, _ = framed(found)
        assert values["fraction"] == [point for space in found for point in space.fraction]
        assert values["value"] == [point for space in found for point in space.value]
        assert values["proposer"] == [space.proposer for space in found for _ in space.value]
        families, _ = framed(bench.families_nds())
        assert families["runs"] == [family.runs for family in bench.families_nds()]


@MADE_UP
def test_the_layers_of_the_size_space_are_numbers(
    tmp_path: Path, framed: Callable[..., Any]
) -> None:
    generate_natssss(write_natssss_sample(tmp_path / "raw", architectures=3, seed=0), tmp_path)
    with BenchClient.local(tmp_path) as bench:
        runs = bench.query_natssss(num_epochs=90)
    values, types = framed(runs)
    for row, run in enumerate(runs):
        assert [values[f"channels{layer}"][row] for layer in range(1, 6)] == run.config.arch
    assert types["channels1"].lower() == "int64"


def test_figures_by_name_become_columns_of_their_names(framed: Callable[..., Any]) -> None:
    config = Nb201Config(
        arch={"0_1": "none"},
        arch_str="|none~0|",
        index=7,
        num_epochs=200,
        dataset="cifar100",
        num_channels=16,
        num_cells=5,
    )
    best = [
        Ranked[Nb201Config](
            rank=1, value=73.0, metrics={"test_acc": 73.0, "flops": None}, config=config
        ),
        Ranked[Nb201Config](
            rank=2, value=72.0, metrics={"test_acc": 72.0, "flops": 9.5}, config=config
        ),
    ]
    values, types = framed(Items(best, Ranked[Nb201Config]))
    assert [*values] == ["rank", "value", "test_acc", "flops", *CONFIG, *EDGES, "size_source"]
    assert values["flops"] == [None, 9.5]
    assert values["op_0_1"] == ["none", "none"]
    assert values["op_0_2"] == [None, None]
    assert types["flops"].lower() == "float64"


def test_figures_by_name_of_an_inner_object_become_columns_too(framed: Callable[..., Any]) -> None:
    class Figures(WireModel):
        metrics: dict[str, float | None]

    class Outer(WireModel):
        label: str
        inner: Figures

    items = [Outer(label="a", inner=Figures(metrics={"flops": 1.5}))]
    assert framed(Items(items, Outer))[0] == {"label": ["a"], "flops": [1.5]}


@pytest.mark.parametrize(
    "model",
    [NatsSssStats, Nb101Hash, Nb101Stats, Nb201Architecture, Nb201Hardware, Nb201Stats, NdsStats],
)
def test_no_column_holds_objects_or_comes_twice(model: Any) -> None:
    values, types = from_pandas(Items([], model))
    assert "object" not in types.values()
    assert len(set(values)) == len(values)
    for make in (from_polars, from_arrow):
        assert make(Batch([], model))[0].keys() == {"position", *values}


def test_pages_of_two_databases_make_no_answer(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    pages = [
        json.dumps(
            {
                "items": [],
                "next_cursor": cursor,
                "provenance": {
                    "benchmark": "nasbench201",
                    "source": "x",
                    "synthetic": False,
                    "content_digest": digest,
                },
            }
        ).encode()
        for cursor, digest in (("next", "before"), (None, "after"))
    ]
    server.will_answer(*pages)
    with pytest.raises(UnavailableError, match="nasbench201 was replaced"):
        asked(server.url, lambda bench: bench.query_nb201())


def test_what_knows_arrow_takes_a_table_of_it(bench: BenchClient) -> None:
    polars = pytest.importorskip("polars")
    for found in (bench.query_nb201(0, 200), bench.query_nb201_many([0, 15_000, 3], 200)):
        assert polars.DataFrame(found.to_arrow()).equals(found.to_polars())


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_library_that_is_missing_is_named_with_the_extra_that_brings_it(library: str) -> None:
    program = f"""
import sys
from bench_client import Items, Nb201Stats
assert not {{"pandas", "polars"}} & sys.modules.keys()
sys.modules["{library}"] = None
try:
    Items([], Nb201Stats).to_{library}()
except ImportError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == f"a data frame needs {library}: {install_command(library)}\n"
