"""What holds of every benchmark and table that the program knows: published specs, declarations.

A new declaration is in here by lying in its folder. Figures are made up.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import math
import random
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from bench_server import BenchServer, ending_together
from made_once import made_once
from pydantic import BaseModel
from typer.testing import CliRunner

from bench_client import AsyncBenchClient, Batch, BenchClient
from bench_client.errors import BenchError, BenchmarkNotInstalledError
from benchmark_db.verify import verify_database
from benchmark_spec import BenchmarkSpec
from benchmark_spec.declaration import read_declaration, shipped_declarations
from benchmark_spec.published import PUBLISHED
from generators.declared import generate_table
from generators.sample.declared import write_table_sample
from service.cli.commands import app

SPECS: Final[Mapping[str, BenchmarkSpec]] = {
    **PUBLISHED,
    **{name: read_declaration(path).spec for name, path in shipped_declarations().items()},
}
REFUSED: Final[Mapping[str, set[str]]] = {
    # It measures another benchmark's architectures.
    "hw-nas-bench": {"neighbors"},
    # Its networks were trained in several ways, and are a sample; its query names them by model and
    # cell (test_nds_api.py), so that one spelling alone is refused.
    "nds": {"query", "many", "rank", "neighbors", "described"},
    # Its architectures are a list.
    "transnasbench-macro": {"neighbors", "picture"},
}
"""Which questions have no answer."""

SPECIFICATIONS: Final = ("model_spec", "cell_spec")

Questions = dict[str, Callable[[Any], Any]]
pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")


def written_sample(name: str, folder: Path) -> Path:
    declared = read_declaration(shipped_declarations()[name])
    return write_table_sample(declared, folder, architectures=24, seed=5)


@pytest.fixture(scope="session")
def folder(every_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of each; not to be written to."""

    def make(folder: Path) -> None:
        for path in every_sample.glob("*.db"):
            (folder / path.name).hardlink_to(path)
        for name, path in shipped_declarations().items():
            generate_table(path, written_sample(name, folder / "raw"), folder)

    return made_once(tmp_path_factory, "every-benchmark", make)


@pytest.fixture(scope="module")
def url(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ending_together() as start:
        yield start(BenchServer(tmp_path_factory.mktemp("server"), folder)).url


@pytest.fixture(scope="module")
def local(folder: Path) -> Iterator[BenchClient]:
    with BenchClient.local(folder) as client:
        yield client


def rows_of(local: BenchClient, name: str) -> Any:
    return local.hardware_nb201() if name == "hw-nas-bench" else local.query(name)


def part_of(row: Any, spec: BenchmarkSpec) -> dict[str, Any]:
    """Return the part that a row is of, by the axes that a question must name."""
    if spec.name == "nds":
        return {"dataset": row.config.dataset}
    return {axis.name: getattr(row.config, axis.name) for axis in spec.axes if not axis.implied}


def arch_of(row: Any) -> Any:
    names = row.config.model_dump()
    found = next((names[key] for key in ("arch_str", "hash") if key in names), None)
    return [names["model_spec"], names["cell_spec"]] if found is None else found


def networked(row: Any) -> Any:
    """Return the network of a row as batches take it."""
    if "model_spec" not in type(row.config).model_fields:
        return arch_of(row)
    return {"model_spec": row.config.model_spec, "cell_spec": row.config.cell_spec}


def questions_about(name: str, local: BenchClient) -> Questions:
    """Return every question that all benchmarks have, of a part that is recorded."""
    spec = SPECS[name]
    row = rows_of(local, name)[0]
    part, arch = part_of(row, spec), arch_of(row)
    recorded = [stat.name for stat in spec.stats if getattr(row, stat.name, None) is not None]
    x, y = recorded[0], recorded[-1]
    drawable = json.dumps(dict(zip(SPECIFICATIONS, arch, strict=True))) if name == "nds" else arch
    number = 0 if name == "hw-nas-bench" else local.column(name, "@number", **part).values[0]
    return {
        "info": lambda b: b.benchmark(name),
        "described": lambda b: b.describe(name, arch),
        "query": lambda b: b.query(name, arch),
        "reduced": lambda b: b.query(name, reduction="mean", **part),
        "many": lambda b: b.query_many(name, [arch], **part),
        "twice": lambda b: b.query_many(name, [networked(row)] * 2, **part),
        "top": lambda b: b.top(name, metric=x, n=3, **part),
        "bounded": lambda b: b.top(name, metric=x, n=3, **part, **{f"max_{y}": 1e9}),
        "pareto": lambda b: b.pareto(name, x=x, y=y, **part),
        "rank": lambda b: b.rank(name, arch, metric=x, **part),
        "distribution": lambda b: b.distribution(name, metric=x, points=5, **part),
        "correlation": lambda b: b.correlation(name, x=x, y=y, resamples=5, **part),
        "columns": lambda b: b.columns(name, **part),
        "columns of no part": lambda b: b.columns(name),
        "column": lambda b: b.column(name, x, **part),
        "numbers": lambda b: b.column(name, "@number", **part),
        "spellings": lambda b: b.spellings(name, [number, number], **part),
        "density": lambda b: b.density(name, x=x, y=y, bins=8, **part, **{f"max_{y}": 1e9}),
        "picture": lambda b: b.picture(name, drawable, theme="dark"),
        "unknown column": lambda b: b.column(name, "@beauty", **part),
        "random": lambda b: b.random(name, n=5, seed=3),
        "neighbors": lambda b: b.neighbors(name, arch),
        "malformed": lambda b: b.query_many(name, ["no architecture"]),
        "unknown": lambda b: b.top(name, metric="beauty", **part),
    }


def spelled(text: str) -> Any:
    """Return a spelling of a column as `arch_of` gives that of a row."""
    if not text.startswith("{"):
        return text
    spec = json.loads(text)
    return [spec["model_spec"], spec["cell_spec"]]


def sent(pair: tuple[Any, float | None]) -> tuple[Any, float | None]:
    """Return an architecture and its figure as a float of 32 bits."""
    arch, value = pair
    known = value is not None and not math.isnan(value)
    return arch, struct.unpack("f", struct.pack("f", value))[0] if known else None


def plain(answer: Any) -> Any:
    if isinstance(answer, BaseModel):
        return answer.model_dump()
    return [plain(one) for one in answer] if isinstance(answer, list | Batch) else answer


def outcome(ask: Callable[[], Any]) -> Any:
    """Return what an answer says, or the kind of the error."""
    try:
        return plain(ask())
    except (BenchError, TypeError) as error:
        return type(error)


async def awaited(client: AsyncBenchClient, questions: Questions) -> dict[str, Any]:
    found = {}
    async with client:
        for topic, question in questions.items():
            try:
                found[topic] = plain(await question(client))
            except (BenchError, TypeError) as error:
                found[topic] = type(error)
    return found


@pytest.mark.parametrize("name", SPECS)
class TestEveryBenchmark:
    def test_is_answered_alike_in_every_mode(
        self, name: str, folder: Path, url: str, local: BenchClient
    ) -> None:
        questions = questions_about(name, local)
        if name == "hw-nas-bench":
            # It is no benchmark: over HTTP there is no such address, locally no such question.
            questions = {topic: questions[topic] for topic in ("info", "query")}
        answers = {topic: outcome(lambda q=q: q(local)) for topic, q in questions.items()}
        refused = {topic for topic, answer in answers.items() if isinstance(answer, type)}
        wanted = REFUSED.get(name, set()) | {"malformed", "unknown", "unknown column"}
        assert refused == wanted & questions.keys()
        some = {"neighbors", "picture", "rank"} & questions.keys()
        assert some & set(answers["info"]["questions"]) == some - refused
        with BenchClient(url) as client:
            over_http = {topic: outcome(lambda q=q: q(client)) for topic, q in questions.items()}
        assert over_http == answers
        assert asyncio.run(awaited(AsyncBenchClient(url), questions)) == answers
        assert asyncio.run(awaited(AsyncBenchClient.local(folder), questions)) == answers

    def test_is_described_as_its_spec_says(self, name: str, local: BenchClient) -> None:
        spec, info = SPECS[name], local.benchmark(name)
        fields = {field.name: field for field in info.fields}
        for stat in spec.stats:
            assert fields[stat.name].unit == stat.unit
        assert info.provenance.synthetic
        assert ("curves" in info.questions) == bool(spec.curves)
        assert info.joined_to == ("nasbench201" if spec.space.kind == "like" else None) or (
            name == "hw-nas-bench"
        )

    def test_what_is_exported_is_what_is_answered(self, name: str, local: BenchClient) -> None:
        file = io.BytesIO()
        local.export_to(file, name, format="csv")
        exported = list(csv.DictReader(io.StringIO(file.getvalue().decode())))
        answered = rows_of(local, name)
        assert len(exported) == len(answered) > 0
        for stat in (stat.name for stat in SPECS[name].stats):
            assert [float(row[stat]) if row[stat] else None for row in exported] == [
                getattr(row, stat) for row in answered
            ]

    def test_its_columns_hold_what_is_answered(self, name: str, local: BenchClient) -> None:
        if name == "hw-nas-bench":
            columns = local.columns("nasbench201", dataset="cifar10", num_epochs=200).items
            assert {stat.name for stat in SPECS[name].stats} <= {one.name for one in columns}
            return
        spec, part = SPECS[name], part_of(rows_of(local, name)[0], SPECS[name])
        numbers = local.column(name, "@number", **part).values.tolist()
        archs = [spelled(text) for text in local.spellings(name, numbers, **part)]
        means = local.query(name, reduction="mean", **part)
        described = {column.name: column for column in local.columns(name, **part).items}
        for stat in (stat.name for stat in spec.stats):
            column = local.column(name, stat, **part)
            right = [(arch_of(row), getattr(row, stat)) for row in means]
            found = list(zip(archs, column.values.tolist(), strict=True))
            assert sorted(map(sent, found), key=repr) == sorted(map(sent, right), key=repr)
            said = described[stat]
            given = [value for _, value in right if value is not None]
            assert said.missing == len(right) - len(given)
            assert (said.smallest, said.largest) == (
                min(given, default=None),
                max(given, default=None),
            )
            assert said.distinct == len({sent((None, value)) for value in given})
            assert said.type == column.type == "float32"

    def test_a_frame_of_columns_is_that_of_items(
        self, name: str, url: str, local: BenchClient
    ) -> None:
        if name == "hw-nas-bench":
            return
        pandas = pytest.importorskip("pandas")
        pytest.importorskip("polars")
        rows = rows_of(local, name)
        archs = [networked(row) for row in (*rows[:30], rows[0])]
        with BenchClient(url) as client:
            for reduction in (None, "mean", "std"):
                columns = client.query_many(name, archs, reduction=reduction)
                items = Batch(columns, columns.model)
                pandas.testing.assert_frame_equal(columns.to_pandas(), items.to_pandas())
                assert columns.to_polars().equals(items.to_polars())
                assert columns.to_polars().schema == items.to_polars().schema
                assert columns.to_arrow() == items.to_arrow()
                assert columns.to_dict() == items.to_dict()
                assert len(columns.to_pandas()) > 0
                for place in (0, len(archs) - 1):  # as they come in JSON
                    asked = archs[place] if name == "nds" else {"arch": archs[place]}
                    assert columns[place] == client.query(name, **asked, reduction=reduction)

    def test_a_version_that_it_has_not_is_told(
        self, name: str, url: str, local: BenchClient
    ) -> None:
        if name not in PUBLISHED:  # the service refuses the parameter
            return
        with BenchClient(url) as client:
            for bench in (client, local):
                with pytest.raises(BenchmarkNotInstalledError, match="version 9"):
                    bench.query(f"{name}@9")

    def test_its_database_passes_every_check(self, name: str, folder: Path) -> None:
        assert verify_database(folder / f"{name}.db").benchmark == name


@pytest.mark.parametrize(
    "name", [name for name in SPECS if "neighbors" not in REFUSED.get(name, ())]
)
def test_neighbors_are_symmetric(name: str, local: BenchClient) -> None:
    (arch,) = local.random(name, n=1, seed=1)
    spelled = "hash" if hasattr(arch, "hash") else "arch_str"
    around = [getattr(one, spelled) for one in local.neighbors(name, getattr(arch, spelled))]
    assert len(set(around)) == len(around) > 0
    for other in around[:: max(1, len(around) // 8)]:
        back = {getattr(one, spelled) for one in local.neighbors(name, other)}
        assert getattr(arch, spelled) in back


@pytest.mark.parametrize("name", shipped_declarations())
def test_the_order_of_rows_makes_no_difference(
    name: str, local: BenchClient, tmp_path: Path
) -> None:
    sample = written_sample(name, tmp_path)
    first, *lines = sample.read_text().splitlines(keepends=True)
    random.Random(2).shuffle(lines)  # noqa: S311 - an order
    sample.write_text("".join((first, *lines)))
    provenance = generate_table(shipped_declarations()[name], sample, tmp_path)
    assert provenance.content_digest == local.benchmark(name).provenance.content_digest


@pytest.mark.parametrize("name", SPECS)
def test_the_command_line_prints_its_rows(name: str, folder: Path, local: BenchClient) -> None:
    asked = CliRunner().invoke(app, ["query", name, "--data", str(folder), "--json"])
    printed, rows = json.loads(asked.stdout), rows_of(local, name)
    assert len(printed) == len(rows)
    assert printed[0] == rows[0].model_dump(mode="json")
